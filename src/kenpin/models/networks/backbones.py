"""Backbones: a pretrained network that sees pictures, by id, path, `lite0` or `toy`, with its processor and items."""

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
from kenpin.models.networks.encoding import encoder_of
from kenpin.models.networks.layers import LayerOutput, as_grid, body_name_of, body_of, classifies, layer_outputs
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.picture_size import at_size, uncropped
from kenpin.models.networks.pretrained import load_pretrained
from kenpin.models.networks.quiet import without_bars, without_reports
from kenpin.models.networks.seeded import seeded
from kenpin.models.networks.vision import load_vision_network, read_processor, read_vision_network

BUILT_IN = ("lite0", "toy")
"""Built-in bases, which have no folder."""
TOY_LAYERS = 2
_STRIDES = (8, 16)
"""Strides in pixels of the stages that make cells of a network in stages: finer ones see edges only, coarser ones
classes."""


@dataclass
class Backbone:
    """A network with the processor that its pictures need."""

    id: str
    network: nn.Module
    processor: Any
    """A PIL image processor of transformers."""
    commit: str | None = None
    layers: tuple[int, ...] | None = None
    """Whose outputs are features, in rising order: stages of Lite0, 0 to 6, or layers of another network, 1 the first;
    None: all stages of Lite0, and the last layer of another network as it leaves it."""
    mirrored: tuple[int, ...] = ()
    """Axes along which it sees pictures mirrored, 0: left and right, 1: top and bottom. Grids are mirrored back."""

    @property
    def image_size_wh(self) -> tuple[int, int]:
        """Width and height in pixels that pictures are brought to."""
        size = self.processor.crop_size if getattr(self.processor, "do_center_crop", False) else self.processor.size
        side = size.get("shortest_edge")
        return (side, side) if side else (size["width"], size["height"])

    def encode(self, images: Sequence[Image]) -> Batch:
        """RGB pictures -> `pixel_values` (n, 3, h, w) float32."""
        return encoder_of(self.processor, self.image_size_wh)(images)

    def on_engine(
        self,
        engine: str,
        function: Callable[[Tensor], Tensor | tuple[Tensor, ...]] | None = None,
        *,
        output: str = "features",
        beside: tuple[str, ...] = (),
    ) -> OnEngine:
        """Pooled features, or another function of pixel values by this network, computed on an engine; see
        `OnEngine`."""
        return OnEngine(
            function or self.features,
            self.network,
            self.encode,
            processor=self.processor,
            size_wh=self.image_size_wh,
            engine=engine,
            output=output,
            beside=beside,
        )

    def features(self, pixel_values: Tensor) -> Tensor:
        """Pooled features of each layer: average and maximum of each channel; of a network of transformers with a class
        token, this and the mean of the others. (n, 3, h, w) -> (n, items). Raises OptionError."""
        pixel_values = self._mirror(pixel_values)
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return torch.cat([LayerOutput(stage).pooled() for stage in self._stages(pixel_values)], dim=1)
        if self.layers is not None:
            return torch.cat([output.pooled() for output in self._layers(pixel_values)], dim=1)
        hidden = getattr(body_of(self.network)(pixel_values), "last_hidden_state", None)
        if hidden is None:
            raise OptionError(f"base {self.id}: {type(self.network).__name__} gives no features; take another base.")
        if self._has_class_token:
            return torch.cat([hidden[:, 0], hidden[:, 1:].mean(dim=1)], dim=1)
        channels = hidden.flatten(2) if hidden.ndim == 4 else hidden.transpose(1, 2)
        return torch.cat([channels.mean(dim=2), channels.amax(dim=2)], dim=1)

    def grids(self, pixel_values: Tensor) -> list[Tensor]:
        """Features of cells, of each layer; without layers, of a network in stages those with strides of 8 and 16
        pixels, and of others the last layer's tokens. (n, 3, h, w) -> each (n, c, rows, columns). Raises
        OptionError."""
        return [self._mirror(grid) for grid in self._grids(self._mirror(pixel_values))]

    def _mirror(self, maps: Tensor) -> Tensor:
        return maps.flip([3 - axis for axis in self.mirrored]) if self.mirrored else maps

    def _grids(self, pixel_values: Tensor) -> list[Tensor]:
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return self._stages(pixel_values)
        if self.layers is not None:
            return [output.grid for output in self._layers(pixel_values)]
        output = body_of(self.network)(pixel_values, output_hidden_states=True)
        hidden = getattr(output, "last_hidden_state", None)
        if hidden is None:
            raise OptionError(
                f"base {self.id}: {type(self.network).__name__} gives no grid of features; take another base."
            )
        if hidden.ndim == 4:
            by_stride = {
                pixel_values.shape[3] // state.shape[3]: state for state in output.hidden_states if state.ndim == 4
            }
            return [by_stride[stride] for stride in _STRIDES if stride in by_stride] or [hidden]
        return [as_grid(hidden, tuple(pixel_values.shape[2:]))]

    def layer_names(self, columns: Sequence[int]) -> tuple[str, ...]:
        """Names of the layers of `grids`, as those of pooled features begin. columns: of each."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return tuple(f"stage{stage}" for stage in self.layers or range(len(columns)))
        if self.layers is not None:
            return tuple(f"layer{layer}" for layer in self.layers)
        if len(columns) == 1:
            return ("last",)
        return tuple(f"stride{self.image_size_wh[0] // count}" for count in columns)

    def _stages(self, pixel_values: Tensor) -> list[Tensor]:
        network = cast(lite0.Lite0ForImageClassification, self.network)
        if self.layers is None:
            return network.stage_outputs(pixel_values)
        outputs = network.stage_outputs(pixel_values, upto=max(self.layers))
        return [outputs[stage] for stage in self.layers]

    def _layers(self, pixel_values: Tensor) -> list[LayerOutput]:
        body, layers = body_of(self.network), cast(tuple[int, ...], self.layers)
        return layer_outputs(body, pixel_values, layers, has_class_token=self._has_class_token)

    def on_layers(self, layers: Sequence[int] | None) -> Backbone:
        """The same with the features of these layers. Raises OptionError where it has no such layer."""
        if layers is None:
            return self
        chosen = replace(self, layers=tuple(sorted(set(layers))))
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            last = len(lite0.STAGE_CHANNELS) - 1
            if min(layers) < 0 or max(layers) > last:
                raise OptionError(f"option `layers`: lite0 has stages 0 to {last}; give numbers of these.")
        else:
            with torch.inference_mode():
                chosen._layers(_probe_pixels(self.image_size_wh).to(self.device))
        return chosen

    def without_layers(self) -> Backbone:
        """The same, whose record is equal whichever layers are looked at."""
        return replace(self, layers=None)

    def uncropped(self, wanted: bool) -> Backbone:
        """The same where nothing is to be cut off at the edges, as of tiles; else as it is."""
        return replace(self, processor=uncropped(self.processor, self.image_size_wh)) if wanted else self

    def frozen(self) -> Backbone:
        """A copy for inference alone: faster where batch normalisation can be folded away, and not trainable."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return replace(self, network=lite0.folded(self.network))
        return self

    @cached_property
    def _has_class_token(self) -> bool:
        names = ("cls_token",) if self.layers is None else ("cls_token", "class_embedding")
        return any(name.endswith(names) for name, _ in self.network.named_parameters())

    @property
    def classifies(self) -> bool:
        """Whether the network has a head for classes."""
        return classifies(self.network)

    @property
    def head_names(self) -> tuple[str, ...]:
        """Names of the layers that turn features into classes. Raises OptionError where they are unknown."""
        network = cast(Any, self.network)
        heads = tuple(
            name
            for name, child in network.named_children()
            if name != body_name_of(network)
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
        body = body_name_of(network)
        used = ("stem", body) if isinstance(network, lite0.Lite0ForImageClassification) else (body,)
        return tuple(name for name, _ in network.named_children() if body is not None and name not in used)

    @cached_property
    def item_names(self) -> tuple[str, ...]:
        """Names of the pooled features, in their order."""
        if isinstance(self.network, lite0.Lite0ForImageClassification):
            return tuple(
                f"stage{stage}.{pool}{channel}"
                for stage in self.layers or range(len(lite0.STAGE_CHANNELS))
                for pool in ("mean", "max")
                for channel in range(lite0.STAGE_CHANNELS[stage])
            )
        with torch.inference_mode():
            pixels = _probe_pixels(self.image_size_wh).to(self.device)
            if self.layers is None:
                return tuple(f"last.{item}" for item in range(self.features(pixels).shape[1]))
            outputs = self._layers(pixels)
        return tuple(
            f"layer{layer}.{pool}{channel}"
            for layer, output in zip(self.layers, outputs, strict=True)
            for pool in (("mean", "max") if output.of_picture is None else ("class", "mean"))
            for channel in range(output.grid.shape[1])
        )

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


def load_backbone(
    base: str,
    labels: Sequence[str],
    seed: int,
    *,
    layers: Sequence[int] | None = None,
    picture_px: int | None = None,
) -> Backbone:
    """The backbone named by `base`, with a new head for `labels` where its own does not fit.

    layers: as `Backbone.layers`; picture_px: side of the pictures that it sees, else that of its processor. Raises
    OptionError.
    """
    ids = _ids(labels)
    with seeded(seed):  # a new head, and a toy, are random
        if base == "lite0":
            network = lite0.pretrained(len(labels))
            for name, value in ids.items():
                setattr(network.config, name, value)
            found = Backbone(base, network, _processor(lite0.IMAGE_SIZE))
        elif base == "toy":
            found = _toy(ids)
        else:
            check_there(base, BUILT_IN)
            found = Backbone(base, *load_vision_network(base, ids))
    if picture_px is not None:
        found.processor = at_size(base, found.network, found.processor, picture_px)
    return found.on_layers(layers)


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


def read_backbone(
    weights: Path, processor: Path, id: str, commit: str | None, *, layers: Sequence[int] | None = None
) -> Backbone:
    """The backbone that was written with `save_pretrained` below these folders. Raises RunError."""
    try:
        with without_bars():
            if '"kenpin_lite0"' in (weights / "config.json").read_text(encoding="utf-8"):
                network = load_pretrained(lite0.Lite0ForImageClassification, weights, use_safetensors=True)
            else:
                network = read_vision_network(weights)
        found = Backbone(id, network.eval(), read_processor(processor), commit)
    except (OSError, ValueError, SafetensorError) as error:
        raise RunError(f"{weights}: the weights cannot be read ({first_line(error)}). Train again.") from error
    return found.on_layers(layers)


def _processor(side_px: int) -> Any:
    from transformers import ViTImageProcessorPil

    return ViTImageProcessorPil(
        size={"height": side_px, "width": side_px}, resample=2, image_mean=[0.5] * 3, image_std=[0.5] * 3
    )


def _toy(ids: dict[str, Any]) -> Backbone:
    """A random ViT of some ten thousand parameters, for trying out every command offline."""
    from transformers import ViTConfig, ViTForImageClassification

    config = ViTConfig(
        hidden_size=32, num_hidden_layers=TOY_LAYERS, num_attention_heads=2, intermediate_size=64, image_size=32,
        patch_size=8, **ids,
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
        processor = read_processor(base)
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
