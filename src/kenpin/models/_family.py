"""What a family promises, and what it is told: the contract between the models and everything above them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from PIL.Image import Image
from torch import Tensor, nn

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.records import Example, Prediction

Batch = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """Which pretrained weights an inspector stands on."""

    id: str
    commit: str | None
    """Commit hash on the hub; None for local folders, packages and toy models."""
    probe: tuple[float, ...]
    """The base's answer to a fixed picture: tells a wrong base from the right one whatever its name says."""


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned from a data set: the classes in order, and which of them mean a good part."""

    labels: tuple[str, ...]
    ok_labels: tuple[str, ...]


class Inspector(Protocol):
    """A model in hand: pictures in, predictions out. encode → infer → decode is the one way to a prediction."""

    labels: tuple[str, ...]
    base: BaseRecord
    image_size_wh: tuple[int, int]
    module: nn.Module
    """The network; while training it is called with the tensors of `encode` and `encode_targets`, and its output has
    `loss`."""
    frozen: bool
    """Whether `infer` gives `features` that depend on the base alone; then they are computed once and kept on disk."""

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures (mode RGB) -> tensors on the CPU; `pixel_values` is (n, 3, h, w) float32."""

    def infer(self, batch: Batch) -> Mapping[str, Tensor]:
        """Tensors on the model's device -> raw outputs, each with n rows."""

    def decode(self, outputs: Mapping[str, Tensor], ids: Sequence[str]) -> list[Prediction]:
        """Raw outputs on the CPU -> one prediction a picture."""

    def save(self, folder: Path) -> None:
        """Write everything `restore` needs, and nothing pickled, into an existing empty folder."""


@runtime_checkable
class Trainable(Inspector, Protocol):
    """An inspector that learns by gradients."""

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """What each picture should be answered with."""


@runtime_checkable
class Fitted(Inspector, Protocol):
    """An inspector that is fitted in one pass."""

    def fit(self, training: Dataset, progress: Progress) -> tuple[str, ...]:
        """Learn from these examples; returns sentences worth telling."""


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""


class Family(Protocol):
    """A way of inspecting. `FAMILY` in a family's file is one of these."""

    Options: type[TrainOptions]
    target: str
    """Which annotation it learns from: `label` or `boxes`."""

    def create(self, options: Any, task: Task) -> Inspector:
        """An inspector on its base, ready to learn. Raises OptionError, MissingExtraError."""

    def restore(self, folder: Path, base: BaseRecord, options: Any, task: Task) -> Inspector:
        """The inspector that `save` wrote. Raises RunError when the base is not the one it was trained on."""


def trainable_share(module: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in module.parameters())
