"""Tiles: a picture is told by the brightness of the tiles that it is cut into."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL.Image import Image
from pydantic import Field
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kenpin.config import AugmentOptions
from kenpin.data import Dataset
from kenpin.models import BaseRecord, Batch, CalibratedPictures, Inspector, Task, class_numbers, predictions, seeded
from kenpin.records import Example, Prediction
from kenpin.strict_options import OptionGroup
from kenpin.targets import Target

_WEIGHTS = "tiles.safetensors"


class TilesOptions(AugmentOptions):
    """Options of `kenpin train tiles`."""

    group: ClassVar[OptionGroup] = "model"

    base: str = Field("none", description="There is none.")
    tiles: int = Field(8, ge=1, le=32, description="Tiles a side.")
    learning_rate: float = Field(0.05, gt=0, description="Peak learning rate.")


class TilesInspector(CalibratedPictures):
    """A linear layer on the mean and the spread of each tile."""

    batch_size = None
    extract: Callable[[Batch], Tensor] | None = None
    image_size_wh = (64, 64)

    def __init__(self, task: Task, options: TilesOptions) -> None:
        self.labels, self._task, self._tiles = task.labels, task, options.tiles
        self.base = BaseRecord("none", None, ())
        with seeded(options.seed):
            self.module: nn.Module = nn.Linear(2 * options.tiles**2, len(task.labels))

    def encode(self, images: Sequence[Image]) -> Batch:
        """Grey pictures, (n, 1, 64, 64), of mean 0."""
        grey = [np.asarray(image.convert("L").resize(self.image_size_wh), np.float32) / 255 - 0.5 for image in images]
        return {"pixel_values": torch.from_numpy(np.stack(grey))[:, None]}

    def _numbers(self, pixels: Tensor) -> Tensor:
        side = self.image_size_wh[0] // self._tiles
        tiles = nn.functional.unfold(pixels, side, stride=side)
        return torch.cat([tiles.mean(1), tiles.std(1)], dim=1)

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Any class can be learned."""
        return ()

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Class numbers."""
        return {"labels": torch.tensor(class_numbers(examples, self.labels))}

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Summed cross-entropy."""
        logits = module(self._numbers(batch["pixel_values"])).float()
        return nn.functional.cross_entropy(logits, batch["labels"], reduction="sum")

    def loss_count(self, batch: Batch) -> Tensor:
        """Pictures."""
        return torch.tensor(len(batch["labels"]))

    def infer(self, batch: Batch) -> Mapping[str, Tensor]:
        """Probabilities."""
        return {"probabilities": self.module(self._numbers(batch["pixel_values"])).float().softmax(dim=1)}

    def decode(self, outputs: Mapping[str, Any], examples: Sequence[Example]) -> list[Prediction]:
        """One prediction a picture."""
        found = predictions(examples, outputs["probabilities"].astype(np.float64), self._task)
        return [self.calibrated(one) for one in found]

    def save(self, folder: Path) -> None:
        """The layer's weights."""
        save_file(self.module.state_dict(), folder / _WEIGHTS)


class TilesFamily:
    """Inspectors that look at tiles."""

    Options = TilesOptions
    target = Target.LABEL
    good_alone = False

    def create(self, options: TilesOptions, task: Task) -> Inspector:
        """A random layer."""
        return TilesInspector(task, options)

    def restore(self, folder: Path, base: BaseRecord, options: Any, task: Task) -> Inspector:
        """The layer that was saved."""
        inspector = TilesInspector(task, options)
        inspector.module.load_state_dict(load_file(folder / _WEIGHTS))
        return inspector


FAMILY = TilesFamily()
