"""Backbones: a pretrained image classifier by id, path, `lite0` or `toy`, as network, picture processor and items."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import torch
from PIL.Image import Image
from safetensors import SafetensorError
from torch import Tensor, nn

from kenpin.errors import OptionError, RunError, first_line
from kenpin.models.bases import BaseRecord, check_there
from kenpin.models.contract import Batch
from kenpin.models.networks import lite0
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.models.networks.quiet import without_bars, without_reports
from kenpin.models.networks.seeded import seeded

BUILT_IN = ("lite0", "toy")
"""Built-in bases, which have no folder."""


@dataclass
class Backbone:
    """A network with the processor that its pictures need."""

    id: str
    network: nn.Module
    processor: Any
    """A PIL image processor of transformers."""
    commit: str | None = None

    @property
    def image_size_wh(self) -> tuple[int, int]:
        """Width and height in pixels that pictures are brought to."""
        size = self.processor.crop_size if getattr(self.processor, "do_center_crop", False) else self.processor.size
        side = size.get("shortest_edge")
        return (side, side) if side else (size["width"], size["height"])

    def encode(self, images: Sequence[Image]) -> Batch:
        """RGB pictures -> `pixel_values` (n, 3, h, w) float32."""
        return {"pixel_values": cast(Tensor, self.processor(images=list(images), return_tensors="pt")["pixel_values"])}

    def on_engine(
        self, engine: str, function: Callable[[Tensor], Tensor] | None = None, *, output: str = "features"
    ) -> OnEngine:
        """Pooled features, or another function of pixel values by this network, computed on an engine."""
        return OnEngine(
            function or self.features,
            self.network,
            self.encode,
            processor=self.processor,
            size_wh=self.image_size_wh,
            engine=engine,
            output=output,
        )

    def features(self, pixel_values: Tensor) -> Tensor:
        """Pooled features: average and maximum of each channel at each stage of Lite0; of a transformers backbone's
        last layer, class token and mean of the others, or average and maximum of each channel where there is none.
        (n, 3, h, w) -> (n, items). Raises OptionError."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            stages = self.network.stage_outputs(pixel_values)
            return torch.cat([pool for s in stages for pool in (s.mean(dim=(2, 3)), s.amax(dim=(2, 3)))], dim=1)
        hidden = getattr(cast(Any, self.network).base_model(pixel_values), "last_hidden_state", None)
        if hidden is None:
            raise OptionError(f"base {self.id}: {type(self.network).__name__} gives no features; take another base.")
        if self._has_class_token:
            return torch.cat([hidden[:, 0], hidden[:, 1:].mean(dim=1)], dim=1)
        channels = hidden.flatten(2) if hidden.ndim == 4 else hidden.transpose(1, 2)
        return torch.cat([channels.mean(dim=2), channels.amax(dim=2)], dim=1)

    def frozen(self) -> Backbone:
        """A copy for inference alone: faster where batch normalisation can be folded away, and not trainable."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return replace(self, network=lite0.folded(self.network))
        return self

    @cached_property
    def _has_class_token(self) -> bool:
        return any(name.endswith("cls_token") for name, _ in self.network.named_parameters())

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the layers that turn features into classes. Raises OptionError where they are unknown."""
        network = cast(Any, self.network)
        heads = tuple(
            name
            for name, child in network.named_children()
            if name != network.base_model_prefix
            and any(isinstance(layer, nn.Linear) and layer.out_features == network.config.num_labels
                    for layer in child.modules())
        )  # fmt: skip
        if not heads:
            raise OptionError(f"base {self.id}: {type(network).__name__} has no linear head; use tuning head or full.")
        return heads

    @property
    def behind_features(self) -> tuple[str, ...]:
        """Names of the layers that the features do not go through."""
        network = cast(Any, self.network)
        used = ("stem", "stages") if isinstance(network, lite0.Lite0ForImageClassification) else ()
        return tuple(
            name
            for name, _ in network.named_children()
            if network.base_model is not network and name not in (*used, network.base_model_prefix)
        )

    @cached_property
    def item_names(self) -> tuple[str, ...]:
        """Names of the pooled features, in their order."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return tuple(
                f"stage{stage}.{pool}{channel}"
                for stage, channels in enumerate(lite0.STAGE_CHANNELS)
                for pool in ("mean", "max")
                for channel in range(channels)
            )
        with torch.inference_mode():
            count = self.features(_probe_pixels(self.image_size_wh).to(self.device)).shape[1]
        return tuple(f"last.{i}" for i in range(count))

    @cached_property
    def record(self) -> BaseRecord:
        """Identity of the base, with the probe of its output."""
        with torch.inference_mode():
            answer = self.features(_probe_pixels(self.image_size_wh).to(self.device))[0]
        indices = torch.linspace(0, answer.numel() - 1, 16).long().to(answer.device)
        return BaseRecord(self.id, self.commit, tuple(round(float(v), 5) for v in answer[indices]))

    @property
    def device(self) -> torch.device:
        """The device of the weights."""
        return next(self.network.parameters()).device


def _probe_pixels(size_wh: tuple[int, int]) -> Tensor:
    """A fixed picture without symmetries. -> (1, 3, h, w)."""
    width, height = size_wh
    x = torch.linspace(0, 1, width).view(1, 1, 1, -1)
    y = torch.linspace(0, 1, height).view(1, 1, -1, 1)
    phase = torch.tensor([0.3, 1.1, 2.3]).view(1, 3, 1, 1)
    return torch.sin(7 * x + 3 * y * y + phase)


def load_backbone(base: str, labels: Sequence[str], seed: int) -> Backbone:
    """The backbone named by `base`, with a new head for `labels` where its own does not fit. Raises OptionError."""
    ids = _ids(labels)
    with seeded(seed):  # a new head, and a toy, are random
        if base == "lite0":
            network = lite0.pretrained(len(labels))
            for name, value in ids.items():
                setattr(network.config, name, value)
            return Backbone(base, network, _processor(lite0.IMAGE_SIZE))
        if base == "toy":
            return _toy(ids)
        return _from_transformers(base, ids)


def backbone_of_network(
    network: Any, processor: Any, labels: Sequence[str], seed: int, *, id: str, commit: str
) -> Backbone:
    """A trained network as a base, with a new head for `labels` where its own does not fit."""
    with TemporaryDirectory(prefix="kenpin-base-") as folder, without_bars(), without_reports(), seeded(seed):
        network.save_pretrained(folder)
        # read again, so that no layer stays frozen from the former training
        config = load_pretrained(type(network.config), folder, **_ids(labels))
        fresh = load_pretrained(type(network), folder, config=config, ignore_mismatched_sizes=True, dtype="float32")
    fresh.name_or_path = fresh.config.name_or_path = ""  # the folder is gone, and peft would look for it
    return Backbone(id, fresh.eval(), processor, commit)


def _ids(labels: Sequence[str]) -> dict[str, Any]:
    return {"id2label": dict(enumerate(labels)), "label2id": {label: i for i, label in enumerate(labels)}}


def read_backbone(weights: Path, processor: Path, id: str, commit: str | None) -> Backbone:
    """The backbone that was written with `save_pretrained` below these folders."""
    from transformers import AutoModelForImageClassification

    try:
        with without_bars():
            if '"kenpin_lite0"' in (weights / "config.json").read_text(encoding="utf-8"):
                kind = lite0.Lite0ForImageClassification
            else:
                kind = AutoModelForImageClassification
            network = load_pretrained(kind, weights, use_safetensors=True)  # as kenpin writes it: never a pickle
        read_processor = _read_processor(processor)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{weights}: the weights cannot be read ({first_line(error)}). Train again.") from error
    return Backbone(id, network.eval(), read_processor, commit)


def _processor(side_px: int) -> Any:
    from transformers import ViTImageProcessorPil

    return ViTImageProcessorPil(
        size={"height": side_px, "width": side_px}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def _toy(ids: dict[str, Any]) -> Backbone:
    """A random ViT of some ten thousand parameters, for trying out every command offline."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64, image_size=32, patch_size=8,
        **ids,
    )  # fmt: skip
    return Backbone("toy", ViTForImageClassification(config).eval(), _processor(32))


def load_with_its_classes(base: str) -> tuple[Backbone, tuple[str, ...]]:
    """A pretrained image classifier of transformers with its own head, and the names of its classes, in their order.

    Raises OptionError where it has no trained classes.
    """
    from transformers import AutoModelForImageClassification

    check_there(base, BUILT_IN)
    try:
        with without_bars():
            network, report = load_pretrained(
                AutoModelForImageClassification, base, dtype="float32", output_loading_info=True
            )
        processor = _read_processor(base)
    except (OSError, ValueError, KeyError) as error:
        raise OptionError(
            f"base {base!r} cannot be loaded as an image classifier ({first_line(error)}); give a hub id or a folder "
            "that save_pretrained wrote."
        ) from error
    if random := sorted(report["missing_keys"]):
        raise OptionError(
            f"base {base!r} holds no weights of {random[0]}, and so has learned no classes of its own; train a "
            "classifier on it."
        )
    commit = getattr(network.config, "_commit_hash", None)
    return Backbone(base, network.eval(), processor, commit), _names_of_classes(network.config.id2label)


def _names_of_classes(names: Mapping[int, str]) -> tuple[str, ...]:
    """Names of classes in their order; names that several have, as ImageNet's cranes, with the class numbers."""
    several = {name for name, count in Counter(names.values()).items() if count > 1}
    return tuple(f"{names[n]} ({n})" if names[n] in several else str(names[n]) for n in sorted(names))


def _read_processor(source: str | Path) -> Any:
    """The PIL processor by name: scores must not depend on whether torchvision is installed."""
    from transformers import AutoImageProcessor

    return load_pretrained(AutoImageProcessor, source, backend="pil")


def _from_transformers(base: str, ids: dict[str, Any]) -> Backbone:
    from transformers import AutoConfig, AutoModelForImageClassification

    check_there(base, BUILT_IN)
    try:
        config = load_pretrained(AutoConfig, base, **ids)
        with without_bars(), without_reports():
            network, report = load_pretrained(
                AutoModelForImageClassification,
                base,
                config=config,
                ignore_mismatched_sizes=True,
                dtype="float32",
                output_loading_info=True,
            )
        processor = _read_processor(base)
    except (OSError, ValueError) as error:
        raise OptionError(
            f"base {base!r} cannot be loaded as an image classifier ({first_line(error)}); give `lite0`, `toy`, a "
            "hub id or a folder that save_pretrained wrote."
        ) from error
    # a random head is intended, but a random body is not: training needs its pretrained weights
    lacking = sorted(key for key in report["missing_keys"] if key.startswith(f"{network.base_model_prefix}."))
    if lacking and network.base_model is not network:
        raise OptionError(f"base {base!r} holds no weights of {lacking[0]}; name one that was saved whole.")
    return Backbone(base, network.eval(), processor, getattr(network.config, "_commit_hash", None))
