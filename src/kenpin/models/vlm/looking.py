"""What sees the picture in a chat model, where it is frozen: computed once a picture, on an engine, and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutputWithPooling

from kenpin.models.bases import BaseRecord
from kenpin.models.contract import Batch
from kenpin.models.language.tuning import sees_frozen, vision_of
from kenpin.models.networks.feature_store import FeatureStore, default_folder
from kenpin.models.networks.on_engine import OnEngine

_OF_PICTURES = frozenset({"pixel_values", "input_ids", "attention_mask"})


class Looking:
    """Picture tokens of pixel values, (n, 3, h, w), in place of these. Only of chat models that take picture tokens and
    give each picture as many."""

    def __init__(self, network: Any, encode: Callable[[Sequence[Image]], Batch], base: BaseRecord, **how: Any) -> None:
        """how: `size_wh` and `engine` of `OnEngine`."""
        self._base, self._size_wh = base, how["size_wh"]
        self._frozen = OnEngine(_features_of(network), vision_of(network), encode, processor=None, **how)

    @staticmethod
    def fits(module: nn.Module, network: Any, accepted: frozenset[str]) -> bool:
        """Whether a network's picture tokens depend on its base alone, and may be given to it."""
        return "mm_encoder_outputs" in accepted and hasattr(network, "get_image_features") and sees_frozen(module)

    def seen(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs with picture tokens where an engine computes them, else as they are."""
        if not inputs.keys() <= _OF_PICTURES:
            return inputs
        pixels: Tensor = inputs["pixel_values"]
        if pixels.shape[1:] != (3, *self._size_wh[::-1]) or not self._frozen.is_on:
            return inputs
        found = {"image": BaseModelOutputWithPooling(pooler_output=list(self._tokens(pixels)))}
        return {name: values for name, values in inputs.items() if name != "pixel_values"} | {
            "mm_encoder_outputs": found
        }

    def _tokens(self, pixels: Tensor) -> Tensor:
        key = f"{self._base.id}\0{self._base.commit}\0{self._base.probe}\0{self._size_wh}\0{self._frozen.key}\0chat"
        store = FeatureStore(default_folder(), hashlib.blake2b(key.encode(), digest_size=16).hexdigest())
        rows = pixels.detach().numpy()
        contents = [hashlib.sha256(np.ascontiguousarray(row).data).hexdigest() for row in rows]
        known = store.get(contents)
        new = [index for index, features in enumerate(known) if features is None]
        if new:
            # one by one: where the network splits its pictures apart, their number is a constant of the traced one
            pending = [self._frozen.begin(rows[index : index + 1]) for index in new]
            computed = np.concatenate([wait().numpy() for wait in pending])
            store.put([contents[index] for index in new], computed)
            for index, features in zip(new, computed, strict=True):
                known[index] = features
        return torch.from_numpy(np.stack([np.array(features) for features in known]))


def _features_of(network: Any) -> Callable[[Tensor], Tensor]:
    def features(pixels: Tensor) -> Tensor:
        found = network.get_image_features(pixel_values=pixels).pooler_output
        return found if isinstance(found, Tensor) else torch.stack(list(found))

    return features
