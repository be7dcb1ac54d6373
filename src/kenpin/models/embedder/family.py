"""Embedders made on their base, and restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from torch import nn

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import OptionError, RunError
from kenpin.models.bases import Announced, BaseRecord, check_base
from kenpin.models.contract import Inspector, Task
from kenpin.models.embedder.inspector import CLASSES, WEIGHTS, EmbeddingInspector
from kenpin.models.embedder.networks import EmbeddingNetwork, MlpBackbone, mlp
from kenpin.models.embedder.objectives import Objective
from kenpin.models.embedder.options import EmbedderOptions
from kenpin.models.embedder.references import read_references
from kenpin.models.enough import check_each_class
from kenpin.models.networks.backbones import BUILT_IN, Backbone, backbone_of_network, load_backbone, read_backbone
from kenpin.models.networks.lora import attach_lora, load_lora, without_adapters
from kenpin.models.networks.pretrained import load_tensors
from kenpin.models.networks.seeded import seeded
from kenpin.models.networks.sizes import announced_by
from kenpin.models.restoring import check_picture_size, run_below
from kenpin.run.record import is_run
from kenpin.targets import Target

_HEAD = ("unused",)  # the classes of a backbone's own head, which is not used


class EmbedderFamily:
    """Inspectors that learn embeddings."""

    Options = EmbedderOptions
    target = Target.LABEL
    good_alone = False
    reads_tables = False

    def in_one_pass(self, options: EmbedderOptions) -> bool:
        """It is trained by gradients."""
        return False

    def check(self, training: Dataset, options: EmbedderOptions, task: Task, lineage: Lineage) -> None:
        """Require two pictures of each class. Raises DatasetError."""
        check_each_class(training, task.labels, "embedder")

    def announced(self, options: EmbedderOptions) -> Announced | None:
        """Size of the weights of a base from transformers."""
        return None if options.base in (*BUILT_IN, "mlp") else announced_by(options.base)

    def create(self, options: EmbedderOptions, task: Task) -> Inspector:
        """An inspector on its base. Raises OptionError, MissingExtraError."""
        backbone = _load(options)
        base, body = backbone.record, backbone.network
        if options.tuning == "lora":
            body = attach_lora(
                body,
                rank=options.lora_rank,
                alpha=options.lora_alpha,
                dropout=options.lora_dropout,
                targets=options.lora_targets,
                heads=(),
                unused=backbone.behind_features,
                seed=options.seed,
            )
        return EmbeddingInspector(backbone, _network(backbone, body, options, task), task, options, base)

    def restore(self, folder: Path, base: BaseRecord, options: EmbedderOptions, task: Task) -> Inspector:
        """The inspector that was saved in `folder`. Raises RunError."""
        if options.tuning == "full" and options.base != "mlp":
            backbone = read_backbone(
                folder / "weights", folder / "processor", base.id, base.commit, layers=options.layers
            )
        else:
            backbone = _load(options)
            check_base(base, backbone.record)
        body = load_lora(backbone.network, folder / "adapter") if options.tuning == "lora" else backbone.network
        references = read_references(folder, options.neighbours)
        learned = load_tensors(folder / WEIGHTS)
        # the objective knows the classes it was trained on; classes that were added later have references only
        trained = Task(task.labels[: int(learned.pop(CLASSES))], task.ok_labels)
        module = _network(backbone, body, options, trained)
        try:
            absent, unknown = module.load_state_dict(learned, strict=False)
        except RuntimeError as error:
            raise RunError(f"{folder / WEIGHTS}: does not fit the network; restore it or train again.") from error
        if unknown or any(not name.startswith("body.") for name in absent):
            raise RunError(f"{folder / WEIGHTS}: does not fit the network; restore it or train again.")
        return EmbeddingInspector(backbone, module.eval(), task, options, base, references, options.engine)


def _load(options: EmbedderOptions) -> Backbone:
    if options.base == "mlp":
        return mlp(options.seed)
    if options.base in BUILT_IN or not is_run(Path(options.base)):
        found = load_backbone(options.base, _HEAD, options.seed, layers=options.layers, picture_px=options.picture_px)
        return found.uncropped(options.has_view)
    check_picture_size(options.base, options.picture_px)
    below = run_below(options.base, "embedder", tuning=options.tuning)
    before = cast(EmbeddingInspector, below.inspector)
    if before.extract is not None or isinstance(before._backbone, MlpBackbone):
        raise OptionError(
            f"base {options.base}: that run trained only a projection and no network to continue from; take its base "
            f"{before.base.id} instead."
        )
    network = without_adapters(cast(Any, before.module).body)
    again = backbone_of_network(network, before.processor, _HEAD, options.seed, id=below.id, commit=below.commit)
    return again.on_layers(options.layers).uncropped(options.has_view)


def _network(backbone: Backbone, body: nn.Module, options: EmbedderOptions, task: Task) -> EmbeddingNetwork:
    with seeded(options.seed):
        objective = Objective(
            options.objective,
            options.miner,
            margin=options.margin,
            temperature=options.temperature,
            classes=len(task.labels),
            dimension=options.dimension,
        )
    if not isinstance(backbone, MlpBackbone):
        for name in backbone.behind_features:
            backbone.network.get_submodule(name).requires_grad_(False)
    return EmbeddingNetwork(
        backbone,
        body,
        dimension=options.dimension,
        normalise=options.normalise,
        objective=objective,
        frozen=options.tuning == "head",
        seed=options.seed,
    )


FAMILY = EmbedderFamily()
