"""The contract of families and inspectors: the protocols between the models and the packages above them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL.Image import Image

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import ImageError
from kenpin.models.bases import Announced, BaseRecord
from kenpin.models.outputs import Outputs
from kenpin.quality.calibration import Calibration
from kenpin.records import Example, Map, Prediction, Sampling, Threshold
from kenpin.targets import Target

if TYPE_CHECKING:  # who judges by a package waits for neither torch nor the options of a training
    from torch import Tensor, nn

    from kenpin.config import TrainOptions
    from kenpin.runtime.calls import Calls

Batch = dict[str, "Tensor"]


@dataclass(frozen=True, slots=True)
class Task:
    """The task that a data set sets: the classes in order, and which of them mean a good part.

    Where boxes are learned, a part is good without any box, or where all its boxes are of `ok_labels`.
    """

    labels: tuple[str, ...]
    ok_labels: tuple[str, ...]
    items: tuple[str, ...] = ()
    """Names of the numbers of each part, for a table instead of pictures."""
    questions: tuple[str, ...] = ()
    answers: tuple[str, ...] = ()
    """Questions and answers where answers in words are learned, each text once, the most frequent first."""


class Judge(Protocol):
    """What turns pictures into predictions: an inspector with its network, or a package of one."""

    labels: tuple[str, ...]
    image_size_wh: tuple[int, int]

    @property
    def batch_size(self) -> int | None:
        """Batch size when predicting; None: chosen for the device."""

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Raw outputs as arrays -> one prediction a picture."""


@runtime_checkable
class Inspector(Judge, Protocol):
    """A loaded model. encode → extract → infer → decode is the one way from pictures to predictions."""

    base: BaseRecord
    module: nn.Module

    @property
    def extract(self) -> Callable[[Batch], Tensor] | None:
        """Output of `encode`, on the model's device -> features that depend on the base alone, n rows of any shape:
        they are computed once and cached on disk. None where no part of the network is frozen."""

    def encode(self, images: Sequence[Image]) -> Batch:
        """Pictures (mode RGB) -> tensors on the CPU; `pixel_values` is (n, channels, h, w) float32."""

    def infer(self, batch: Batch) -> Mapping[str, Tensor]:
        """On the model's device, `features` where there is an `extract`, else the output of `encode` -> raw outputs, n
        rows each. `embedding` (n, d), or else `features`, are the pictures' embeddings."""

    def save(self, folder: Path) -> None:
        """Write all that `restore` needs, and nothing pickled, into an existing empty folder."""


@runtime_checkable
class Computes(Judge, Protocol):
    """What computes its raw outputs by itself, without torch."""

    engine: str
    """Name and version of what computes."""

    def outputs(
        self, dataset: Dataset, *, progress: Progress | None, on_error: OnError | None, batch_size: int | None
    ) -> Iterator[tuple[list[Example], Outputs]]:
        """Examples with their raw outputs, in the data set's order, as `infer_batches` gives them."""

    def outputs_of(self, images: Sequence[Image]) -> Outputs:
        """Raw outputs of single pictures, mode RGB, or L where they are grey."""


@runtime_checkable
class Whole(Inspector, Protocol):
    """An inspector whose whole network is frozen once it has learned."""

    @property
    def whole(self) -> Callable[[Batch], Tensor] | None:
        """Output of `encode` -> its only raw output, which `infer` hands on under its name; None while it learns."""


@runtime_checkable
class Questioned(Inspector, Protocol):
    """An inspector that takes a question with each picture."""

    def encode_questions(self, images: Sequence[Image], examples: Sequence[Example]) -> Batch:
        """Replaces `encode`: pictures with their questions, each example's `prefix`, or else the inspector's own."""


@runtime_checkable
class Shrinks(Protocol):
    """An inspector that looks at large pictures on a smaller scale, of its own."""

    def shrunk(self, image: Image) -> Image:
        """A picture as small as it will be looked at; given in its place it is the same to `encode`."""


@runtime_checkable
class Trainable(Inspector, Protocol):
    """An inspector that learns by gradients. The loss of a step is the sum of `total_loss` over its pictures, on
    whatever devices and in however many batches they are computed, divided by the sum of `loss_count`."""

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Refuse data that cannot be learned, before training; returns notes to the user. Raises LabelError."""

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Targets of the pictures; n rows each."""

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Summed loss of the tensors of `encode`, or of `features` instead, and of `encode_targets`. module: the
        inspector's own."""

    def loss_count(self, batch: Batch) -> Tensor:
        """Number of terms that `total_loss` sums over: pictures, or tokens."""


@runtime_checkable
class Sampled(Trainable, Protocol):
    """An inspector whose loss compares the pictures of a batch, so that it composes the batches itself."""

    def epoch_order(self, pictures: Dataset, epoch: int) -> Sequence[int]:
        """Indices of the pictures that an epoch reads, in order: as many as there are pictures, and the same at each
        call."""


@runtime_checkable
class LearnsVectors(Trainable, Protocol):
    """An inspector that learns embeddings, and classifies a picture by comparing its embedding with references. Without
    references its predictions are embeddings alone."""

    def take_references(self, training: Dataset, validation: Dataset, progress: Progress) -> tuple[str, ...]:
        """Compute and keep the references once, after the training; returns notes to the user."""

    def with_references(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> LearnsVectors:
        """The same network with these further references, (n, d) and n labels; new classes come after the others."""

    def forget_references(self) -> None:
        """Drop the references, once the network has changed since they were made."""

    def save_references(self, folder: Path) -> None:
        """Write the references alone, where `save` writes them."""


@runtime_checkable
class Fitted(Inspector, Protocol):
    """An inspector that is fitted in one pass."""

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Learn from these examples alone, whatever was learned before; returns notes to the user.

        lineage: that of the inspector's base. Examples in it may be learned from, but not used to choose, calibrate or
        confirm anything.
        """


@runtime_checkable
class ReadsTables(Judge, Protocol):
    """A judge that may judge rows of a table; `features` are then the rows' numbers."""

    @property
    def table_items(self) -> tuple[str, ...]:
        """Names of these numbers, in order; empty where it looks at pictures."""


EncodeGrey = Callable[[NDArray[np.uint8]], Batch]
"""Grey pictures of `image_size_wh`, (n, h, w) -> the output of `encode` for them, bit for bit."""


@runtime_checkable
class ReadsGrey(Inspector, Protocol):
    """An inspector that may take small grey pictures as they are stored, many at a time."""

    @property
    def encode_grey(self) -> EncodeGrey | None:
        """The encoder of grey pictures; None where the inspector has none."""


@runtime_checkable
class ChoosesItems(Inspector, Protocol):
    """An inspector whose score uses some of the features, each on a scale of its own."""

    def items_of(self, features: NDArray[np.float32]) -> NDArray[Any]:
        """These features, as the score sees them. (n, d) -> (n, k)."""


@runtime_checkable
class Limited(Inspector, Protocol):
    """An inspector that may set a threshold without costs of wrong decisions."""

    def limit(self, good_scores: Sequence[float]) -> Threshold | None:
        """The threshold, from its own law or from scores of good parts that it was not fitted on; None: costs
        decide."""


@runtime_checkable
class Promptable(Inspector, Protocol):
    """An inspector that takes other questions than the one it was trained on."""

    def prompted(self, prompt: str, max_new_tokens: int | None = None) -> Inspector:
        """The same model with this question, free to answer anything. max_new_tokens: of an answer, at most; None: as
        many as before."""


@runtime_checkable
class Conversational(Inspector, Protocol):
    """An inspector that answers any question on a picture in words. sampling: None for the likeliest words;
    max_new_tokens: of an answer, at most; None: as many as its options say."""

    @property
    def vector_dimension(self) -> int | None:
        """Dimension of the embedding that it takes beside each picture; None: it takes none."""

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

        schema: a JSON schema that each answer follows; vectors: (n, d), embeddings instead of those of the inspector's
        own embedder. Raises OptionError, ShapeError, MissingExtraError.
        """

    def stream(
        self, image: Image, question: str, *, sampling: Sampling | None = None, max_new_tokens: int | None = None
    ) -> Iterator[str]:
        """The pieces of one answer, as they come."""


@runtime_checkable
class Calibrated(Inspector, Protocol):
    """An inspector whose scores, of pictures or of boxes, can be calibrated by pictures it has not learned from.
    `decode` applies the calibration; the run keeps it beside the files of `save`."""

    calibration: Calibration | None

    def calibrated(self, prediction: Prediction) -> Prediction:
        """An uncalibrated prediction with the present calibration applied."""


@runtime_checkable
class Explained(Judge, Protocol):
    """A judge that can show where in a picture its answer comes from."""

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Maps of each picture in its displayed frame: one, or one for each detection, of which there may be none.

        way: of explaining, where there are several; label: the class to explain instead of the predicted one.
        Raises OptionError where the inspector has no such way or class.
        """


@runtime_checkable
class Localised(Explained, Protocol):
    """A judge that gets its score from a map: `map` among the raw outputs, (n, rows, columns), whose maximum is the
    defect score, before any calibration."""

    def map_of(self, grid: NDArray[np.float32], size_wh: tuple[int, int]) -> Map:
        """One picture's row of `map`, in the frame of the picture as displayed."""

    def fails_on_map(self, threshold: Threshold) -> float:
        """The uncalibrated map value from which the threshold fails a part."""


@runtime_checkable
class OwnFeatures(Inspector, Protocol):
    """An inspector whose features are others than the base's pooled ones."""

    feature_kind: str
    """Part of the key in the feature store."""


@runtime_checkable
class Packable(Inspector, Protocol):
    """An inspector that can become a package: a frozen network, and files that its family's `decoding` reads."""

    def packed(self) -> Callable[[Batch], Tensor]:
        """The network from pictures to raw outputs. Raises OptionError where there is none."""

    def write_decision(self, folder: Path) -> None:
        """Write what `of_package` of its family's `decoding` reads, but for the calibration."""


@runtime_checkable
class PackableWithNetworks(Packable, Protocol):
    """An inspector whose decision is computed by further networks, which lie among its decision files."""

    def write_networks(self, folder: Path, engine: str, *, half: bool) -> None:
        """Write them into folders below this one; half: with weights in 16 bits. Raises whatever the converters
        raise."""


@runtime_checkable
class OpensNetworks(Protocol):
    """A decoding of a package that computes with further networks."""

    def open_networks(self, load: Callable[[str], Calls]) -> None:
        """Load them. load: the network in a folder of this name among the decision files."""


Progress = Callable[[str, int, int], None]
"""Called with the step, how many are done and how many there are."""
OnError = Callable[[Example, ImageError], None]
"""Called with a picture that cannot be opened, which is then left out."""
Taken = TypeVar("Taken", bound="TrainOptions")
"""The options type of a family."""


class Family(Protocol[Taken]):
    """A way of inspecting. `FAMILY` in a family's file is one of these."""

    Options: type[Taken]
    target: Target
    """The annotation that it learns from: `label`, `boxes`, or `text`, the answer to a question."""
    good_alone: bool
    """Whether good parts alone are enough: unlabelled pictures then count as good parts."""

    def create(self, options: Taken, task: Task) -> Inspector:
        """An inspector on its base, ready to learn. Raises OptionError, MissingExtraError."""

    def restore(self, folder: Path, base: BaseRecord, options: Taken, task: Task) -> Inspector:
        """The inspector that `save` wrote. Raises RunError when the base is not the one it was trained on."""


@runtime_checkable
class Announces(Family[Taken], Protocol[Taken]):
    """A family that knows the size of its bases before it loads them."""

    def announced(self, options: Taken) -> Announced | None:
        """Number and size of the weights of `options.base`; None where they are unknown."""


@runtime_checkable
class Foresees(Family[Taken], Protocol[Taken]):
    """A family that tells from its options, before any base is loaded, how it learns and whether there is enough."""

    reads_tables: bool
    """Whether it may learn from rows of numbers in place of pictures."""

    def in_one_pass(self, options: Taken) -> bool:
        """Whether its inspector is `Fitted`: without validation pictures, folds of the training pictures decide."""

    def check(self, training: Dataset, options: Taken, task: Task, lineage: Lineage) -> None:
        """Refuse training pictures that are too few, of a class or in all; what holding out a fold leaves is checked
        too. lineage: that of the base. Raises DatasetError, UnitSpaceError."""


@runtime_checkable
class AnswersUntrained(Family[Taken], Protocol[Taken]):
    """A family whose bases can predict before any training."""

    def closeness(self, config: Any) -> int:
        """How well a base with this configuration of transformers fits the family: 2 where the family is made for this
        kind, 1 where it takes the kind among others, 0 where it does not. None is the configuration of base toy."""

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The base as it comes, ready to predict.

        dtype: number format of its weights, None for 4 bits; prompt: the question for each picture, None for the
        family's own. Raises OptionError, MissingExtraError.
        """
