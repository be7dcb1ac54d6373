"""Classifier: any image classifier of transformers, or the embedded EfficientNet-Lite0, with a new head."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from PIL.Image import Image
from pydantic import Field, model_validator
from torch import Tensor, nn

from kenpin.config import TOY, AugmentOptions, GradientOptions, InGroup, OptionGroup, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError
from kenpin.models._backbone import (
    BUILT_IN,
    Backbone,
    backbone_of_network,
    load_backbone,
    load_with_its_classes,
    read_backbone,
)
from kenpin.models._calibrated import CalibratedPictures
from kenpin.models._family import BaseRecord, Batch, Inspector, Progress, Task, check_base
from kenpin.models._finished_run import run_below
from kenpin.models._heads import Head, HeadKind, calibratable, fit_head, head_from_arrays, logits
from kenpin.models._inference import compute_features
from kenpin.models._looking import class_maps
from kenpin.models._lora import attach_lora, load_lora, without_adapters
from kenpin.models._naming import class_numbers, predictions
from kenpin.models._quiet import without_bars
from kenpin.plural import counted
from kenpin.records import Example, Map, Prediction
from kenpin.run_folder import is_run


class ClassifierOptions(AugmentOptions, GradientOptions, TrainOptions):
    """Options of `kenpin train classifier`."""

    group: ClassVar[OptionGroup] = "model"

    base: str = Field(
        "lite0",
        description=f"Pretrained weights: lite0 (EfficientNet-Lite0), a hub id, a folder of "
        f"save_pretrained, or of a run to go on from; {TOY}.",
    )
    tuning: Literal["head", "lora", "full"] = Field(
        "head", description="What is trained: a head on frozen features, low-rank adapters, or every weight."
    )
    head: HeadKind = Field("svm", description="Head of tuning head: linear (logistic regression) or svm (RBF kernel).")
    head_c: Annotated[float, InGroup("advanced")] = Field(
        3.0, gt=0, description="Inverse regularisation strength of that head."
    )
    lora_rank: int = Field(8, ge=1, description="Rank of the adapters.")
    lora_alpha: int = Field(16, ge=1, description="Scale of the adapters, divided by their rank.")
    lora_dropout: Annotated[float, InGroup("advanced")] = Field(
        0.05, ge=0, lt=1, description="Dropout before the adapters."
    )
    lora_targets: Annotated[tuple[str, ...] | None, InGroup("advanced")] = Field(
        None, description="Endings of the names of the layers to adapt; by default queries and values."
    )

    def idle(self) -> frozenset[str]:
        """Names of the options that the chosen tuning ignores."""
        names = {"head", "head_c"}
        if self.tuning == "head":
            names = {*AugmentOptions.model_fields, *GradientOptions.model_fields}
        if self.tuning != "lora":
            names |= {f"lora_{name}" for name in ("rank", "alpha", "dropout", "targets")}
        return frozenset(names)

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        """A setting that the chosen tuning would ignore is a misunderstanding, not a default."""
        for name in sorted(self.idle()):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"`{name}` does nothing with tuning {self.tuning}; leave it out or choose another tuning."
                )
        return self


class HeadClassifier(CalibratedPictures):
    """A head on the frozen features of a backbone; learns in one pass."""

    batch_size = None

    def __init__(self, backbone: Backbone, task: Task, options: ClassifierOptions, head: Head | None = None) -> None:
        self.labels = task.labels
        self.base = backbone.record
        self.image_size_wh = backbone.image_size_wh
        self.module = backbone.network
        self.encode, self.extract, self.processor = backbone.encode, backbone.extract, backbone.processor
        self._backbone, self._task, self._options, self._head = backbone, task, options, head

    def infer(self, batch: Batch) -> Batch:
        """The features as they are: the head is no network."""
        return batch

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """Features -> class probabilities."""
        if self._head is None:
            raise ValueError("the classifier has no head yet; fit it first.")
        found = predictions(examples, self._head.probabilities(outputs["features"].numpy()), self._task)
        return [self.calibrated(one) for one in found]

    def maps(
        self, images: Sequence[Image], examples: Sequence[Example], way: str | None = None, label: str | None = None
    ) -> list[tuple[Map, ...]]:
        """Where a class's logit comes from, through the head. Raises OptionError."""
        head = cast(Head, self._head)
        return class_maps(self, lambda x: logits(head, self._backbone.features(x)), images, way, label)

    def fit(self, training: Dataset, lineage: Lineage, progress: Progress) -> tuple[str, ...]:
        """Compute the features, then fit the head. Raises DatasetError."""
        targets = np.array(class_numbers(training, self.labels))
        x = torch.stack(list(compute_features(self, training, progress=progress))).numpy()
        seen = np.array(lineage.seen(training), bool)
        kind = self._options.head
        told = [
            f"The {kind} head was fitted on {counted(x.shape[1], 'frozen feature')} of {counted(len(x), 'picture')}."
        ]
        if kind == "svm" and seen.any() and not calibratable(targets[~seen], len(self.labels)):
            told.append(
                f"Its probabilities are overconfident: {lineage.having()} learned from nearly all of these "
                "pictures, and the sigmoid that turns decisions into probabilities was fitted to them too."
            )
            seen[:] = False
        self._head = fit_head(kind, x, targets, len(self.labels), self._options.head_c, seen)
        return tuple(told)

    def save(self, folder: Path) -> None:
        """The head's arrays; the base is loaded again by its id."""
        np.savez(folder / "head.npz", **asdict(cast(Head, self._head)))


class NetworkClassifier(CalibratedPictures):
    """A whole network, its weights or its adapters trained by gradients."""

    batch_size = None
    extract = None

    def __init__(self, backbone: Backbone, module: nn.Module, task: Task, base: BaseRecord) -> None:
        self.labels = task.labels
        self.base = base
        self.image_size_wh = backbone.image_size_wh
        self.module = module
        self.encode, self.processor = backbone.encode, backbone.processor
        self._backbone, self._task = backbone, task

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
        return {"probabilities": self.module(**batch).logits.float().softmax(dim=1)}

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """One prediction a picture."""
        found = predictions(examples, outputs["probabilities"].double().numpy(), self._task)
        return [self.calibrated(one) for one in found]

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


class ClassifierFamily:
    """Inspectors that tell classes of whole pictures apart."""

    Options = ClassifierOptions
    target = "label"
    good_alone = False

    def create(self, options: ClassifierOptions, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        backbone = _load(options, task)
        if options.tuning == "head":
            return HeadClassifier(backbone, task, options)
        base, module = backbone.record, backbone.network
        if options.tuning == "lora":
            module = attach_lora(
                module,
                rank=options.lora_rank,
                alpha=options.lora_alpha,
                dropout=options.lora_dropout,
                targets=options.lora_targets,
                heads=backbone.head_names,
                seed=options.seed,
            )
        return NetworkClassifier(backbone, module, task, base)

    def restore(self, folder: Path, base: BaseRecord, options: ClassifierOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        if options.tuning == "full":
            backbone = read_backbone(folder / "weights", folder / "processor", base.id, base.commit)
            return NetworkClassifier(backbone, backbone.network, task, base)
        backbone = _load(options, task)
        check_base(base, backbone.record)
        if options.tuning == "head":
            with np.load(folder / "head.npz", allow_pickle=False) as arrays:
                return HeadClassifier(backbone, task, options, head_from_arrays(arrays))
        return NetworkClassifier(backbone, load_lora(backbone.network, folder / "adapter"), task, base)

    def closeness(self, config: Any) -> int:
        """Any image classifier of transformers."""
        from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING

        return int(type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING)

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The base as it comes, with its own classes, of which none is known to be good. Raises OptionError."""
        if prompt is not None:
            raise OptionError(f"option `prompt`: base {base} is an image classifier and reads no words; leave it out.")
        if dtype is None:
            raise OptionError(
                f"option `four_bit`: base {base} is an image classifier, which fits as it is; leave it out."
            )
        backbone, labels = load_with_its_classes(base)
        return NetworkClassifier(backbone, backbone.network, Task(labels, ()), backbone.record)


def _load(options: ClassifierOptions, task: Task) -> Backbone:
    if options.base in BUILT_IN or not is_run(Path(options.base)):
        return load_backbone(options.base, task.labels, options.seed)
    below = run_below(options.base, "classifier", tuning=options.tuning)
    before = cast(NetworkClassifier, below.inspector)
    network = without_adapters(before.module)
    return backbone_of_network(network, before.processor, task.labels, options.seed, id=below.id, commit=below.commit)


FAMILY = ClassifierFamily()
