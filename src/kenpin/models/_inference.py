"""The one way from a data set to raw outputs, batch by batch: for fitting, scoring while training, and prediction."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import numpy as np
import torch
from PIL.Image import Image
from torch import Tensor

from kenpin.data._streaming import stream
from kenpin.data.dataset import Dataset, content_hash
from kenpin.data.images import read_image
from kenpin.errors import ImageError
from kenpin.models._cpu_memory import keep_freed_memory
from kenpin.models._family import Inspector, Progress
from kenpin.models._feature_store import FeatureStore, default_folder
from kenpin.records import Example

_ON_CPU, _ON_GPU = 8, 64
"""Pictures a batch: on a CPU as many as keep the activations near its caches, on a GPU as many as fill it."""
OnError = Callable[[Example, ImageError], None]


def infer_batches(
    inspector: Inspector,
    dataset: Dataset,
    *,
    doing: str = "predicting",
    progress: Progress | None = None,
    on_error: OnError | None = None,
    batch_size: int | None = None,
) -> Iterator[tuple[list[Example], dict[str, Tensor]]]:
    """Examples with their raw outputs on the CPU, in the data set's order.

    Outputs of a frozen inspector come from the feature store where it has them. A picture that cannot be opened is
    handed to `on_error` and left out. Raises ImageError where no `on_error` is given.
    """
    store = _store_of(inspector)
    if _device(inspector).type == "cpu":
        keep_freed_memory()
    size = batch_size or (_ON_CPU if _device(inspector).type == "cpu" else _ON_GPU)
    done = 0
    opened = stream(partial(_open, store), dataset)
    while batch := list(islice(opened, size)):
        for item in batch:
            if item.error is not None:
                if on_error is None:
                    raise item.error
                on_error(item.example, item.error)
        sound = [item for item in batch if item.error is None]
        if sound:
            yield [item.example for item in sound], _outputs(inspector, sound, store)
        done += len(batch)
        if progress is not None:
            progress(doing, done, len(dataset))


def infer_images(inspector: Inspector, images: list[Image]) -> dict[str, Tensor]:
    """Pictures -> raw outputs on the CPU."""
    device = _device(inspector)
    with torch.inference_mode():
        batch = {name: values.to(device) for name, values in inspector.encode(images).items()}
        return {name: values.float().cpu() for name, values in inspector.infer(batch).items()}


@dataclass(frozen=True)
class _Opened:
    """An example with its picture, or with the features that were stored for it, or with what hindered both."""

    example: Example
    content: str = ""
    features: Tensor | None = None
    image: Image | None = None
    error: ImageError | None = None


def _open(store: FeatureStore | None, example: Example) -> _Opened:
    content = ""
    try:
        if store is not None and (content := content_hash(example.image)):
            (vector,) = store.get([content])
            if vector is not None:
                return _Opened(example, content, features=torch.from_numpy(np.array(vector)))
        return _Opened(example, content, image=read_image(example.image))
    except ImageError as error:
        return _Opened(example, error=error)


def _outputs(inspector: Inspector, batch: list[_Opened], store: FeatureStore | None) -> dict[str, Tensor]:
    fresh = [item for item in batch if item.image is not None]
    computed = infer_images(inspector, [item.image for item in fresh if item.image is not None]) if fresh else {}
    if store is None:
        return computed
    if fresh:
        store.put([item.content for item in fresh], computed["features"].numpy())
    rows = iter(computed.get("features", ()))
    return {"features": torch.stack([next(rows) if item.features is None else item.features for item in batch])}


def _device(inspector: Inspector) -> torch.device:
    return next(inspector.module.parameters()).device


def _store_of(inspector: Inspector) -> FeatureStore | None:
    if not inspector.frozen:
        return None
    base = inspector.base
    key = f"{base.id}\0{base.commit}\0{base.probe}\0{inspector.image_size_wh}"
    return FeatureStore(default_folder(), hashlib.blake2b(key.encode(), digest_size=16).hexdigest())
