"""What a family promises, and what it is told: the contract between the models and everything above them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError, RunError
from kenpin.nearest import nearest_name
from kenpin.quality.calibration import Calibration
from kenpin.records import Example, Map, Prediction, Sampling, Threshold
from kenpin.targets import Target

Batch = dict[str, Tensor]
_MISSPELT = 0.8  # share of equal letters from which a name is not one of the hub's few without an owner


@dataclass(frozen=True, slots=True)
class BaseRecord:
    """Which pretrained weights an inspector stands on."""

    id: str
    commit: str | None
    """Commit hash on the hub; of a run that is gone on from, `seal` and the hash of its record; None for local folders,
    packages and toy models."""
    probe: tuple[float, ...]
    """The base's answer to a fixed picture: tells a wrong base from the right one whatever its name says."""


@dataclass(frozen=True, slots=True)
class Announced:
    """What a base says of its weights before it is loaded."""

    base: str
    weights: int
    bytes_each: float
    """That each takes at least once it is loaded."""

    @property
    def total_bytes(self) -> int:
        """Of all of them."""
        return round(self.weights * self.bytes_each)


@dataclass(frozen=True, slots=True)
class Task:
    """What is to be learned from a data set: the classes in order, and which of them mean a good part.

    Where boxes are learned, a part without any is good, and so is one whose boxes are all of `ok_labels`.
    """

    labels: tuple[str, ...]
    ok_labels: tuple[str, ...]
    items: tuple[str, ...] = ()
    """Names of the numbers of each part, where a table takes the place of pictures."""
    questions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    """Where answers in words are learned, what is asked and answered, each text once, the most frequent first."""


class Inspector(Protocol):
    """A model in hand. encode → extract → infer → decode is the one way from pictures to predictions."""

    labels: tuple[str, ...]
    base: BaseRecord
    image_size_wh: tuple[int, int]
    module: nn.Module

    @property
    def batch_size(self) -> int | None:
        """Pictures at a time when predicting; None: as many as suit the device."""

    @property
    def extract(self) -> Callable[[Batch], Tensor] | None:
        """What `encode` gave, on the model's device -> features that depend on the base alone, n rows of any shape:
        they are computed once and kept on disk. None where no part of the network is frozen."""

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures (mode RGB) -> tensors on the CPU; `pixel_values` is (n, channels, h, w) float32."""

    def infer(self, batch: Batch) -> Mapping[str, Tensor]:
        """On the model's device, `features` where there is an `extract`, else what `encode` gave -> raw outputs, n rows
        each. `embedding` (n, d), or else `features`, are the pictures' vectors."""

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """Raw outputs on the CPU -> one prediction a picture."""

    def save(self, folder: Path) -> None:
        """Write everything `restore` needs, and nothing pickled, into an existing empty folder."""


@runtime_checkable
class Questioned(Inspector, Protocol):
    """An inspector that is asked something of each picture."""

    def encode_questions(self, images: Sequence[Image], examples: Sequence[Example]) -> Batch:
        """In place of `encode`: pictures with their questions, each example's `prefix`, or else the inspector's own."""


@runtime_checkable
class Trainable(Inspector, Protocol):
    """An inspector that learns by gradients. The loss of a step is the sum of `total_loss` over its pictures, on
    whatever devices and in however many batches they are computed, divided by the sum of `loss_count`."""

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Refuse, before anything is trained, what cannot be learned; sentences worth telling. Raises LabelError."""

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """What each picture should be answered with; n rows each."""

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Summed loss of the tensors of `encode`, or of `features` in their place, and of `encode_targets`. module: the
        inspector's own, perhaps wrapped for several devices."""

    def loss_count(self, batch: Batch) -> Tensor:
        """How many things `total_loss` sums over: pictures, or tokens."""


@runtime_checkable
class Sampled(Trainable, Protocol):
    """An inspector whose loss compares the pictures of a batch, so that it says which ones stand together."""

    def places(self, pictures: Dataset, epoch: int) -> Sequence[int]:
        """Which of these pictures an epoch reads, and in which order; as many as there are, and the same ones whenever
        it is asked."""


@runtime_checkable
class LearnsVectors(Trainable, Protocol):
    """An inspector that learns vectors, and says what a picture is by comparing its vector with references. Without
    these its predictions are vectors and nothing else."""

    def take_references(self, training: Dataset, validation: Dataset, progress: Progress) -> tuple[str, ...]:
        """Keep what vectors are compared with, once, behind the training; sentences worth telling."""

    def with_references(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> LearnsVectors:
        """The same network that also knows these pictures, (n, d) and n labels; new classes come behind the others."""

    def forget_references(self) -> None:
        """Drop the references, where the network they were made with is no longer the one in hand."""

    def save_references(self, folder: Path) -> None:
        """Write the references alone, in the place where `save` writes them."""


@runtime_checkable
class Fitted(Inspector, Protocol):
    """An inspector that is fitted in one pass."""

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Learn from these examples; returns sentences worth telling.

        lineage: of what the inspector stands on. Examples in it may teach, and nothing else: what is chosen, calibrated
        or confirmed by examples set aside takes others.
        """


@runtime_checkable
class ReadsTables(Inspector, Protocol):
    """An inspector that may judge rows of a table; `features` are then their numbers."""

    @property
    def table_items(self) -> tuple[str, ...]:
        """Names of these numbers, in order; empty where it looks at pictures."""


EncodeGrey = Callable[[NDArray[np.uint8]], Batch]
"""Grey pictures of `image_size_wh`, (n, h, w) -> what `encode` gives of them, bit for bit."""


@runtime_checkable
class ReadsGrey(Inspector, Protocol):
    """An inspector that may take small grey pictures as they are stored, many at a time."""

    @property
    def encode_grey(self) -> EncodeGrey | None:
        """None where it takes none."""


@runtime_checkable
class ChoosesItems(Inspector, Protocol):
    """An inspector whose score stands on some of the features, each on a scale of its own."""

    def items_of(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """These features, as the score sees them. (n, d) -> (n, k)."""


@runtime_checkable
class Limited(Inspector, Protocol):
    """An inspector that may know where to cut without costs of wrong decisions."""

    def limit(self, good_scores: Sequence[float]) -> Threshold | None:
        """The cut, from its own law or from scores of good parts that it was not fitted on; None: costs decide."""


@runtime_checkable
class Promptable(Inspector, Protocol):
    """An inspector that can be asked something else than what it was trained on."""

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Inspector:
        """The same model with this question, free to answer anything. max_new_tokens: of an answer, at most; None: as
        many as before."""


@runtime_checkable
class Conversational(Inspector, Protocol):
    """An inspector that answers any question on a picture in words. sampling: by lot; None: the likeliest words;
    max_new_tokens: of an answer, at most; None: as many as its options say."""

    @property
    def vector_dimension(self) -> int | None:
        """Numbers of the vector that it is told of each picture besides; None: it is told none."""

    def answer(
        self,
        images: Sequence[Image],
        questions: Sequence[str],
        *,
        schema: Mapping[str, Any] | None = None,
        sampling: Sampling | None = None,
        max_new_tokens: int | None = None,
        vectors: NDArray[np.float32] | None = None,
    ) -> list[str]:
        """One answer a picture (mode RGB) and question.

        schema: a JSON schema that each answer follows; vectors: (n, d), in place of those that the inspector's own
        embedder gives. Raises OptionError, ShapeError, MissingExtraError.
        """

    def stream(
        self, image: Image, question: str, *, sampling: Sampling | None = None, max_new_tokens: int | None = None
    ) -> Iterator[str]:
        """The pieces of one answer, as they come."""


@runtime_checkable
class Calibrated(Inspector, Protocol):
    """An inspector whose scores, of pictures or of boxes, can be given a meaning by pictures it has not learned from.
    `decode` applies it; the run keeps it beside what `save` wrote."""

    calibration: Calibration | None

    def calibrated(self, prediction: Prediction) -> Prediction:
        """A prediction that was made without a calibration, as it is with the present one."""


@runtime_checkable
class Explained(Inspector, Protocol):
    """An inspector that can show where in a picture its answer comes from."""

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Maps of each picture in its displayed frame: one, or one for each detection, of which there may be none.

        way: of explaining, where there are several; label: the class to explain instead of the one that was said.
        Raises OptionError where the inspector has no such way or class.
        """


@runtime_checkable
class Localised(Explained, Protocol):
    """An inspector that gets its score from a map: `map` among the outputs of `infer`, (n, rows, columns), whose
    maximum is the defect score, before any calibration."""

    feature_kind: str
    """Tells what `extract` gives from the base's pooled features, in the feature store."""

    def map_of(self, grid: Tensor, size_wh: tuple[int, int]) -> Map:
        """One picture's row of `map`, in the frame of the picture as displayed."""

    def fails_on_map(self, threshold: Threshold) -> float:
        """The number of a map from which the threshold fails a part, whatever its score was calibrated to."""


Progress = Callable[[str, int, int], None]
"""Called with what is being done, how many are done and how many there are."""
Taken = TypeVar("Taken", bound=TrainOptions)
"""Options, of the kind that a family takes."""


class Family(Protocol[Taken]):
    """A way of inspecting. `FAMILY` in a family's file is one of these."""

    Options: type[Taken]
    target: Target
    """Which annotation it learns from: `label`, `boxes`, or `text`, the answer to a question."""
    good_alone: bool
    """Whether good parts alone are enough: then pictures are taken for good parts where nobody labelled any."""

    def create(self, options: Taken, task: Task) -> Inspector:
        """An inspector on its base, ready to learn. Raises OptionError, MissingExtraError."""

    def restore(self, folder: Path, base: BaseRecord, options: Taken, task: Task) -> Inspector:
        """The inspector that `save` wrote. Raises RunError when the base is not the one it was trained on."""


@runtime_checkable
class Announces(Family[Taken], Protocol[Taken]):
    """A family whose bases may be too large to be loaded."""

    def announced(self, options: Taken) -> Announced | None:
        """What `options.base` says of its weights; None where it says nothing."""


@runtime_checkable
class AnswersUntrained(Family[Taken], Protocol[Taken]):
    """A family whose bases say something of a picture before anything is trained of them."""

    def closeness(self, config: Any) -> int:
        """How surely a base of this configuration of transformers is the family's: 2 where it is made for this very
        kind, 1 where it takes the kind among others, 0 where it does not. None is the configuration of base toy."""

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The base as it comes, ready to predict.

        dtype: number format of its weights, None for 4 bits; prompt: what it is asked of each picture, None for what
        the family asks by itself. Raises OptionError, MissingExtraError.
        """


def trainable_share(module: nn.Module) -> tuple[int, int]:
    """Numbers of trainable and of all parameters."""
    trainable = sum(p.numel() for p in module.parameters() if p.requires_grad)
    return trainable, sum(p.numel() for p in module.parameters())


def check_there(base: str, built_in: Sequence[str] = ("toy",)) -> None:
    """Refuse a path where nothing is, and a built-in base that is misspelt, before it is taken for a hub id. Raises
    OptionError."""
    if "/" not in base and not Path(base).exists() and (near := nearest_name(base, built_in, like=_MISSPELT)):
        raise OptionError(f"base {base!r}: there is no such folder; did you mean `{near}`?")
    if (base.startswith(("/", ".", "~")) or base.count("/") > 1) and not Path(base).exists():
        raise OptionError(f"base {base!r}: there is no such folder; give a hub id, or a folder of save_pretrained.")


def check_base(expected: BaseRecord, found: BaseRecord, *, is_half: bool = False) -> None:
    """Refuse a base whose answer to the probe differs; `is_half`: its weights have 8 or 11 bits, so that each kind of
    processor rounds in its own way. Raises RunError with both names."""
    rounding = 1e-3 + (0.05 * max(map(abs, expected.probe), default=0.0) if is_half else 0.0)
    same = len(expected.probe) == len(found.probe) and all(
        abs(a - b) <= rounding + 1e-2 * abs(a) for a, b in zip(expected.probe, found.probe, strict=True)
    )
    if not same or (expected.commit and found.commit and expected.commit != found.commit):
        raise RunError(
            f"this run was trained on base {expected.id} (commit {expected.commit or 'none'}), but what loads as "
            f"{found.id} (commit {found.commit or 'none'}) answers differently; provide the base it was trained on."
        )
