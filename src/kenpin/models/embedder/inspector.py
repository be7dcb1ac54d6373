"""The embedder as an inspector: a network that computes embeddings, and the references to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from kenpin.cases.learning import UNWANTED
from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.models.bases import BaseRecord
from kenpin.models.contract import Batch, Progress, Task
from kenpin.models.embedder.batches import mixed_order
from kenpin.models.embedder.decoding import OUTPUT, EmbeddingDecoding
from kenpin.models.embedder.networks import EmbeddingNetwork, MlpBackbone
from kenpin.models.embedder.objectives import COMPARING
from kenpin.models.embedder.options import EmbedderOptions
from kenpin.models.embedder.references import References, fit_references
from kenpin.models.framed import framing_by
from kenpin.models.in_parts import Gather
from kenpin.models.inference import infer_batches
from kenpin.models.naming import class_numbers
from kenpin.models.networks.backbones import Backbone
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.quiet import without_bars
from kenpin.models.tiles import tiling_by
from kenpin.plural import counted, is_are
from kenpin.records import Example

WEIGHTS = "embedder.safetensors"
CLASSES = "classes"  # among the weights: number of classes of the objective
_MLP_BATCH = 256  # pictures of 28 × 28 at a time: a few of them do not fill a processor
_UNSEEN = 2_000  # validation pictures that the references are scaled on


class EmbeddingInspector(EmbeddingDecoding):
    """A network that computes embeddings, and the references to compare them with.

    Pairs and triplets are formed within each batch, whichever processes compute its pictures: the loss of accumulated
    batches is the mean of theirs and not that of one large batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        module: EmbeddingNetwork,
        task: Task,
        options: EmbedderOptions,
        base: BaseRecord,
        references: References | None = None,
        engine: str | None = None,
    ) -> None:
        """engine: that computes the trained network; None while it learns."""
        super().__init__(task, references)
        self.base = base
        self.image_size_wh = backbone.image_size_wh
        self.module: nn.Module = module
        self.encode, self.processor = backbone.encode, backbone.processor
        is_mlp = isinstance(backbone, MlpBackbone)  # it costs less than handing pictures over would
        self.extract = backbone.on_engine("torch" if is_mlp else options.engine) if options.tuning == "head" else None
        self.batch_size = _MLP_BATCH if is_mlp else None
        self.encode_grey = backbone.encode_grey if isinstance(backbone, MlpBackbone) else None
        self.tiling, self.framing = tiling_by(options), framing_by(options)
        self._backbone, self._options = backbone, options
        self.whole = None if engine is None or is_mlp or self.extract is not None else self._on_engine(engine)
        scattered = {UNWANTED} if options.from_cases is not None else set()
        if options.together == "good":
            scattered |= set(task.labels) - set(task.ok_labels)
        self._scattered = [number for number, label in enumerate(task.labels) if label in scattered]

    def _on_engine(self, engine: str) -> OnEngine:
        trained = replace(self._backbone, network=self.module)
        return trained.on_engine(engine, lambda pixels: cast(Tensor, self.module(pixel_values=pixels)), output=OUTPUT)

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Refuse to gather good parts where none is known. Raises OptionError."""
        if self._options.together == "good" and not self._task.ok_labels:
            raise OptionError("option `together` good: no class is known to be good; name some with ok_labels.")
        if self._options.objective in COMPARING and self._options.accumulate > 1:
            return ("Pictures are compared within a batch: accumulated batches only average the gradient.",)
        return ()

    def epoch_order(self, pictures: Dataset, epoch: int) -> Sequence[int]:
        """Indices in batches of several pictures of each of several classes, sampled from seed and epoch alone."""
        return mixed_order(pictures.column("label"), self._options.pictures_per_class, self._options.seed, epoch)

    def compare_over(self, gather: Gather | None) -> None:
        """See `Compares`."""
        cast(EmbeddingNetwork, self.module).gather = gather

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Class numbers, (n,) int64. Raises DatasetError."""
        return {"labels": torch.tensor(class_numbers(examples, self.labels))}

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """The objective's mean loss times the number of pictures."""
        inputs = {name: values for name, values in batch.items() if name != "labels"}
        numbers = batch["labels"]
        return cast(Tensor, module(numbers=numbers, scattered=self._scattered, **inputs)) * len(numbers)

    def loss_count(self, batch: Batch) -> Tensor:
        """Pictures."""
        return torch.tensor(len(batch["labels"]))

    def infer(self, batch: Batch) -> Batch:
        """Embeddings, `embedding` (n, dimension)."""
        known = batch.get(OUTPUT)
        return {OUTPUT: self.module(**batch) if known is None else known}

    def take_references(self, training: Dataset, validation: Dataset, progress: Progress) -> tuple[str, ...]:
        """Take the embeddings of training pictures, some of each class, with the scale that fits the probabilities of
        the validation pictures best. Raises ImageError."""
        draw = np.random.default_rng(self._options.seed)
        numbers = np.array(class_numbers(training, self.labels))
        chosen = [
            draw.permutation(np.flatnonzero(numbers == number))[: self._options.references]
            for number in range(len(self.labels))
        ]
        kept = np.sort(np.concatenate(chosen))
        unseen = np.sort(draw.permutation(len(validation))[:_UNSEEN])
        parts = [training.select(kept.tolist()), validation.select(unseen.tolist())]
        (vectors, known), (others, truth) = (
            (_vectors(self, part, progress), class_numbers(part, self.labels)) for part in parts
        )
        self._references = fit_references(vectors, known, self._options.neighbours, others, truth)
        return (
            f"A picture is compared with the nearest {counted(self._options.neighbours, 'reference')} of each class; "
            f"{counted(len(known), 'training picture')} {is_are(len(known))} kept for that.",
        )

    def with_references(self, vectors: NDArray[np.float32], labels: Sequence[str]) -> EmbeddingInspector:
        """The same network with these further references. vectors: (n, dimension). Raises OptionError."""
        before = self._references
        if before is None:
            raise OptionError("this embedder has no references yet; take a trained run.")
        classes = (*self.labels, *dict.fromkeys(label for label in labels if label not in self.labels))
        numbers = np.array([classes.index(label) for label in labels], np.int64)
        after = References(
            np.concatenate([before.vectors, vectors.astype(np.float32)]),
            np.concatenate([before.numbers, numbers]),
            before.neighbours,
            before.scale,
        )
        task = Task(classes, self._task.ok_labels)
        knowing = EmbeddingInspector(
            self._backbone, cast(EmbeddingNetwork, self.module), task, self._options, self.base, after
        )
        knowing.whole = self.whole
        knowing.calibration = self.calibration  # the threshold is on its scale
        return knowing

    def forget_references(self) -> None:
        """Predict embeddings alone from now on."""
        self._references = None

    def save(self, folder: Path) -> None:
        """Write the trained weights and the references; an unchanged base is loaded again by its id."""
        body = cast(Any, self.module).body
        apart = () if isinstance(self._backbone, MlpBackbone) else ("body.",)
        state = {name: value for name, value in self.module.state_dict().items() if not name.startswith(apart)}
        classes = torch.tensor(cast(Any, self.module).objective.classes)
        save_file({name: value.contiguous() for name, value in state.items()} | {CLASSES: classes}, folder / WEIGHTS)
        with without_bars():
            if self._options.tuning == "lora":
                body.save_pretrained(folder / "adapter")
            elif self._options.tuning == "full" and apart:
                body.save_pretrained(folder / "weights")
                self._backbone.processor.save_pretrained(folder / "processor")
        if self._references is not None:
            self.save_references(folder)

    def packed(self) -> OnEngine:
        """The embeddings. Raises OptionError on base mlp, whose pictures no package brings to size."""
        if isinstance(self._backbone, MlpBackbone):
            raise OptionError(
                "base mlp: it is a network of a notebook, and no package is made of it; use the run itself."
            )
        return self._on_engine("torch")

    def write_decision(self, folder: Path) -> None:
        """The references."""
        self.save_references(folder)

    def save_references(self, folder: Path) -> None:
        """Write `references.npz`."""
        cast(References, self._references).save(folder)


def _vectors(inspector: EmbeddingInspector, pictures: Dataset, progress: Progress) -> NDArray[np.float32]:
    blocks = [
        outputs["embedding"]
        for _, outputs in infer_batches(inspector, pictures, doing="taking references", progress=progress)
    ]
    return np.concatenate(blocks)
