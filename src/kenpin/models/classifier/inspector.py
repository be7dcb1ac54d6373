"""Classifiers at work: a head on frozen features, fitted in one pass, or a whole network, trained by gradients."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor, nn

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.models.bases import BaseRecord
from kenpin.models.classifier.decoding import HEAD_FILE, HeadDecoding, NetworkDecoding
from kenpin.models.classifier.heads import (
    Head,
    JoinedHeads,
    LinearHead,
    arrays_of_head,
    calibratable,
    check_numbers,
    fit_head,
    fit_heads,
)
from kenpin.models.classifier.options import ClassifierOptions
from kenpin.models.contract import Batch, Progress, Task
from kenpin.models.copies import copies_by
from kenpin.models.framed import framing_by
from kenpin.models.inference import compute_features
from kenpin.models.looking.ways import class_maps
from kenpin.models.naming import class_numbers
from kenpin.models.networks.backbones import (
    Backbone,
)
from kenpin.models.networks.on_engine import OnEngine
from kenpin.models.networks.quiet import without_bars
from kenpin.models.networks.several import SeveralBackbones
from kenpin.models.tiles import for_learning, tiling_by
from kenpin.plural import counted
from kenpin.records import Example, Map
from kenpin.targets import Target


class HeadClassifier(HeadDecoding):
    """A head on the frozen features of a backbone; learns in one pass."""

    batch_size = None

    def __init__(self, backbone: Backbone, task: Task, options: ClassifierOptions, head: Head | None = None) -> None:
        super().__init__(task, head)
        self.base = backbone.record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.processor = backbone.encode, backbone.processor
        self.extract = backbone.on_engine(options.engine)
        self.tiling, self.framing = tiling_by(options), framing_by(options)
        self.copies = copies_by(options, task.labels)
        self._backbone, self._options = backbone, options

    def infer(self, batch: Batch) -> Batch:
        """The features as they are: the head is no network."""
        return batch

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Where a class's logit comes from, through the head. Raises OptionError."""
        head = cast(Head, self._head)
        return class_maps(self, lambda x: logits(head, self._backbone.features(x)), images, way, label)

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Compute the features, then fit the head. Raises DatasetError."""
        learned = for_learning(self, training, Target.LABEL, self._task.ok_labels)
        pictures, rows = learned.pictures, [*learned.rows]
        seen, together = np.array(lineage.seen(training), bool)[rows], (_part_numbers(training)[rows], np.array(rows))
        targets = np.array(class_numbers(pictures, self.labels))
        of_originals = slice(None, None, learned.apiece)
        check_numbers(targets[of_originals], len(self.labels))
        x = torch.stack(list(compute_features(self, pictures, progress=progress))).numpy()
        kind = self._options.head
        notes = [
            f"The {kind} head was fitted on {counted(x.shape[1], 'frozen feature')} of "
            f"{counted(learned.originals, 'picture' if self.tiling is None else 'tile')}."
        ]
        if learned.copies is not None:
            notes.append(learned.copies.in_words())
        unseen = targets[of_originals][~seen[of_originals]]
        if kind == "svm" and seen.any() and not calibratable(unseen, len(self.labels)):
            notes.append(
                f"Its probabilities are overconfident: {lineage.having()} learned from nearly all of these "
                "pictures, and the sigmoid that turns decisions into probabilities was fitted to them too."
            )
            seen[:] = False
        classes, c = len(self.labels), self._options.head_c
        if isinstance(self._backbone, SeveralBackbones):
            self._head = fit_heads(kind, x, self._backbone.widths, targets, classes, c, seen, together)
            names = ", ".join(self._backbone.short_names)
            notes.append(f"Each network has a head of its own, and the mean of their probabilities counts: {names}.")
        else:
            self._head = fit_head(kind, x, targets, classes, c, seen, together)
        return tuple(notes)

    def save(self, folder: Path) -> None:
        """The head's arrays; the base is loaded again by its id."""
        np.savez(folder / HEAD_FILE, **arrays_of_head(cast(Head, self._head)))  # type: ignore[arg-type]

    def packed(self) -> OnEngine:
        """The features."""
        return self.extract

    def write_decision(self, folder: Path) -> None:
        """The head's arrays."""
        self.save(folder)


def _part_numbers(pictures: Dataset) -> NDArray[np.int64]:
    """The same number for pictures of one part, (n,)."""
    parts = [group or id for group, id in zip(pictures.column("group"), pictures.column("id"), strict=True)]
    return np.unique(parts, return_inverse=True)[1]


class NetworkClassifier(NetworkDecoding):
    """A whole network, its weights or its adapters trained by gradients."""

    batch_size = None
    extract = None

    def __init__(
        self,
        backbone: Backbone,
        module: nn.Module,
        task: Task,
        base: BaseRecord,
        engine: str | None = None,
        options: ClassifierOptions | None = None,
    ) -> None:
        """engine: that computes the trained network; None while it learns. options: None of a base as it comes."""
        super().__init__(task)
        self.tiling = None if options is None else tiling_by(options)
        self.framing = None if options is None else framing_by(options)
        self.base = base
        self.image_size_wh = backbone.image_size_wh
        self.module = module
        self.encode, self.processor = backbone.encode, backbone.processor
        self._backbone = backbone
        self.whole = None if engine is None else self._on_engine(engine)

    def _on_engine(self, engine: str) -> OnEngine:
        trained = replace(self._backbone, network=self.module)
        return trained.on_engine(engine, self._probabilities, output="probabilities")

    def _probabilities(self, pixel_values: Tensor) -> Tensor:
        return cast(Tensor, self.module(pixel_values=pixel_values).logits.float().softmax(dim=1))

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Any class can be learned."""
        return ()

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Class numbers, (n,) int64. Raises DatasetError."""
        return {"labels": torch.tensor(class_numbers(examples, self.labels))}

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """Summed cross-entropy."""
        logits = module(pixel_values=batch["pixel_values"]).logits.float()
        return nn.functional.cross_entropy(logits, batch["labels"], reduction="sum")

    def loss_count(self, batch: Batch) -> Tensor:
        """Pictures."""
        return torch.tensor(len(batch["labels"]))

    def infer(self, batch: Batch) -> dict[str, Tensor]:
        """Class probabilities, (n, classes)."""
        known = batch.get("probabilities")
        return {"probabilities": self._probabilities(batch["pixel_values"]) if known is None else known}

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Where a class's logit comes from. Raises OptionError."""
        return class_maps(self, lambda x: self.module(pixel_values=x).logits.float(), images, way, label)

    def save(self, folder: Path) -> None:
        """The adapters alone, or all weights."""
        is_adapter = self.module is not self._backbone.network
        with without_bars():
            self.module.save_pretrained(folder / ("adapter" if is_adapter else "weights"))  # type: ignore[operator]
        self._backbone.processor.save_pretrained(folder / "processor")

    def packed(self) -> OnEngine:
        """The class probabilities."""
        return self._on_engine("torch")

    def write_decision(self, folder: Path) -> None:
        """Nothing: the network answers with probabilities."""


def logits(head: Head, features: Tensor) -> Tensor:
    """Differentiable logits: of the linear head's softmax, or the log-odds of each SVM; of joined heads their mean.
    (n, items) -> (n, classes), float64 on the CPU."""
    if isinstance(head, JoinedHeads):
        parts = zip(head.heads, head.parts(features), strict=True)
        return torch.stack([logits(one, part) for one, part in parts]).mean(dim=0)
    mean, scale, bias = (torch.from_numpy(array) for array in (head.mean, head.scale, head.bias))
    x = (features.double().cpu() - mean) / scale
    if isinstance(head, LinearHead):
        return x @ torch.from_numpy(head.weights).T + bias
    vectors, sigmoid = torch.from_numpy(head.vectors), torch.from_numpy(head.sigmoid)
    squared = (x**2).sum(1)[:, None] + (vectors**2).sum(1)[None] - 2 * x @ vectors.T
    decision = torch.exp(-float(head.gamma) * squared) @ torch.from_numpy(head.dual).T + bias
    positive = decision * sigmoid[:, 0] + sigmoid[:, 1]
    return torch.cat([-positive, positive], dim=1) if positive.shape[1] == 1 else positive
