"""Classifiers made on their base, and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError
from kenpin.models.bases import Announced, BaseRecord, check_base
from kenpin.models.classifier.decoding import HEAD_FILE
from kenpin.models.classifier.heads import read_head
from kenpin.models.classifier.inspector import HeadClassifier, NetworkClassifier
from kenpin.models.classifier.options import ClassifierOptions
from kenpin.models.contract import Inspector, Task
from kenpin.models.enough import check_each_class
from kenpin.models.networks.backbones import (
    BUILT_IN,
    Backbone,
    backbone_of_network,
    load_backbone,
    load_with_its_classes,
    read_backbone,
)
from kenpin.models.networks.lora import attach_lora, load_lora, without_adapters
from kenpin.models.networks.several import several_of
from kenpin.models.networks.sizes import announced_together
from kenpin.models.restoring import check_picture_size, run_below
from kenpin.run.record import is_run
from kenpin.targets import Target


class ClassifierFamily:
    """Classifiers of whole pictures."""

    Options = ClassifierOptions
    target = Target.LABEL
    good_alone = False
    reads_tables = False

    def in_one_pass(self, options: ClassifierOptions) -> bool:
        """A head is fitted; a network is trained by gradients."""
        return options.tuning == "head"

    def check(self, training: Dataset, options: ClassifierOptions, task: Task, lineage: Lineage) -> None:
        """Require two pictures of each class. Raises DatasetError."""
        check_each_class(training, task.labels, "classifier")

    def announced(self, options: ClassifierOptions) -> Announced | None:
        """Size of the weights of bases from transformers."""
        return announced_together([options.base, *(one.name for one in options.networks_beside)])

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
        return NetworkClassifier(backbone, module, task, base, options=options)

    def restore(self, folder: Path, base: BaseRecord, options: ClassifierOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        if options.tuning == "full":
            backbone = read_backbone(folder / "weights", folder / "processor", base.id, base.commit)
            return NetworkClassifier(backbone, backbone.network, task, base, options.engine, options)
        backbone = _load(options, task)
        check_base(base, backbone.record)
        if options.tuning == "head":
            return HeadClassifier(backbone, task, options, read_head(folder / HEAD_FILE, len(task.labels)))
        module = load_lora(backbone.network, folder / "adapter")
        return NetworkClassifier(backbone, module, task, base, options.engine, options)

    def closeness(self, config: Any) -> int:
        """1 for any image classifier of transformers."""
        from transformers import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING

        return int(type(config) in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING)

    def untrained(self, base: str, *, dtype: str | None, prompt: str | None) -> Inspector:
        """The pretrained base with its own classes, none of which is known to be good. Raises OptionError."""
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
        found = load_backbone(
            options.base, task.labels, options.seed, layers=options.layers, picture_px=options.picture_px
        )
        found = several_of(found, options.networks_beside, task.labels, options.seed, lambda one: one.layers)
        found = found.uncropped(options.has_view)
        if options.tuning != "head" and not found.classifies:
            raise OptionError(
                f"base {options.base}: {type(found.network).__name__} has no head for classes that could be trained; "
                "take tuning head."
            )
        return found
    check_picture_size(options.base, options.picture_px)
    if options.beside:
        raise OptionError(
            f"option `beside` does nothing with base {options.base}, a run, whose network is trained on alone; leave "
            "it out, or take tuning head on networks."
        )
    below = run_below(options.base, "classifier", tuning=options.tuning)
    before = cast(NetworkClassifier, below.inspector)
    network = without_adapters(before.module)
    again = backbone_of_network(network, before.processor, task.labels, options.seed, id=below.id, commit=below.commit)
    return again.on_layers(options.layers).uncropped(options.has_view)


FAMILY = ClassifierFamily()
