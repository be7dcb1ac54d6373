"""Embedder: embeddings learned so that pictures of one class lie together, named by their nearest known neighbours."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self, cast

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kenpin.cases.learning import UNWANTED
from kenpin.config import TOY, AugmentOptions, CaseOptions, GradientOptions, InGroup, OptionGroup, TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError, OptionError, RunError
from kenpin.models._backbone import BUILT_IN, Backbone, backbone_of_network, load_backbone, read_backbone
from kenpin.models._calibrated import CalibratedPictures
from kenpin.models._embedding.batches import alone, mixed_order
from kenpin.models._embedding.networks import EmbeddingNetwork, MlpBackbone, mlp
from kenpin.models._embedding.objectives import COMPARING, MARGINS, MinerName, Objective, ObjectiveName
from kenpin.models._embedding.references import References, fit_references, read_references
from kenpin.models._family import BaseRecord, Batch, Inspector, Progress, Task, check_base
from kenpin.models._finished_run import run_below
from kenpin.models._inference import infer_batches
from kenpin.models._lora import attach_lora, load_lora, without_adapters
from kenpin.models._naming import class_numbers, predictions
from kenpin.models._quiet import without_bars
from kenpin.models._seeded import seeded
from kenpin.plural import counted, is_are
from kenpin.records import Example, Prediction
from kenpin.run_folder import is_run

_WEIGHTS = "embedder.safetensors"
_CLASSES = "classes"  # how many the objective was made for, among the weights
_HEAD = ("unused",)  # the classes of a backbone's own head, which is not looked at
_MLP_BATCH = 256  # pictures of 28 × 28 at a time: a few of them do not fill a processor
_UNSEEN = 2_000  # validation pictures that the references are scaled on


class EmbedderOptions(CaseOptions, AugmentOptions, GradientOptions, TrainOptions):
    """Options of `kenpin train embedder`."""

    group: ClassVar[OptionGroup] = "model"

    base: str = Field(
        "lite0",
        description="Pretrained weights: lite0 (EfficientNet-Lite0), a hub id, a folder of save_pretrained, or of a "
        f"run to go on from; mlp is an untrained perceptron; {TOY}.",
    )
    tuning: Literal["head", "lora", "full"] = Field(
        "head", description="What is trained: a projection of frozen features, low-rank adapters too, or every weight."
    )
    objective: Annotated[ObjectiveName, InGroup("training")] = Field(
        "supervised-contrastive",
        description="What pulls embeddings of one class together: comparing pairs, triplets or all pictures of a "
        "batch, a centre for each class, or a plain classifier.",
    )
    dimension: int = Field(64, ge=1, description="Length of an embedding.")
    normalise: bool = Field(True, description="Scale embeddings to length 1.")
    together: Annotated[Literal["classes", "good"], InGroup("training")] = Field(
        "classes",
        description="What is pulled together: the pictures of each class; or only those of good classes, while each "
        "defective picture is a class of its own, which makes better items of a unit space.",
    )
    margin: Annotated[float | None, InGroup("training")] = Field(
        None,
        gt=0,
        description="How far classes are to be apart: a distance, by default 1 for contrastive and 0.2 for triplet; a "
        "cosine, 0.1, for proxy-anchor; degrees, 28.6, for arcface.",
    )
    temperature: Annotated[float, InGroup("training")] = Field(
        0.1, gt=0, description="Temperature of objective supervised-contrastive."
    )
    miner: Annotated[MinerName, InGroup("training")] = Field(
        "all",
        description="Which pairs or triplets of a batch are learned from: all, or only hard ones.",
    )
    pictures_per_class: Annotated[int | None, InGroup("training")] = Field(
        4, ge=2, description="Pictures of each class in a batch; none: as they come."
    )
    neighbours: int = Field(
        5, ge=1, description="Nearest reference pictures of each class that a picture is compared with."
    )
    references: int = Field(
        1_000, ge=1, description="Training pictures per class that are kept as references, at most."
    )
    batch_size: int = Field(64, ge=2, description="Pictures per step and device; they are compared with each other.")
    epochs: float = Field(20.0, gt=0, description="Passes over the training pictures.")
    learning_rate: float = Field(5e-4, gt=0, description="Peak learning rate.")
    lora_rank: int = Field(8, ge=1, description="Rank of the adapters.")
    lora_alpha: int = Field(16, ge=1, description="Scale of the adapters, divided by their rank.")
    lora_dropout: Annotated[float, InGroup("advanced")] = Field(
        0.05, ge=0, lt=1, description="Dropout before the adapters."
    )
    lora_targets: Annotated[tuple[str, ...] | None, InGroup("advanced")] = Field(
        None, description="Endings of the names of the layers to adapt; by default queries and values."
    )

    def idle(self) -> frozenset[str]:
        """Names of the options that tuning and objective ignore."""
        names: set[str] = set()
        if self.tuning == "head":
            names |= set(AugmentOptions.model_fields)
        if self.tuning != "lora":
            names |= {f"lora_{name}" for name in ("rank", "alpha", "dropout", "targets")}
        if self.objective not in MARGINS:
            names.add("margin")
        if self.objective != "supervised-contrastive":
            names.add("temperature")
        if self.objective not in COMPARING:
            names |= {"miner", "together"}
        return frozenset(names)

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        for name in sorted(self.idle()):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"`{name}` does nothing with tuning {self.tuning} and objective {self.objective}; leave it out or "
                    "choose others."
                )
        if self.from_cases is not None and self.objective not in COMPARING:
            raise ValueError(
                f"`from_cases` is learned from by comparing cases, which objective {self.objective} does not; take "
                f"{', '.join(COMPARING)}."
            )
        if self.base == "mlp" and self.tuning != "full":
            raise ValueError("base mlp has learned nothing yet that could be kept; train all of it, with tuning full.")
        if self.pictures_per_class is not None and self.batch_size % self.pictures_per_class:
            raise ValueError(
                f"`batch_size` {self.batch_size} is no multiple of `pictures_per_class` {self.pictures_per_class}; "
                "make it one."
            )
        return self


class EmbeddingInspector(CalibratedPictures):
    """A network that gives vectors, and the references that they are compared with.

    Pairs and triplets are formed within each batch on each device: the loss of accumulated batches, or of several
    processes, is the mean of theirs and not that of one large batch.
    """

    def __init__(
        self,
        backbone: Backbone,
        module: EmbeddingNetwork,
        task: Task,
        options: EmbedderOptions,
        base: BaseRecord,
        references: References | None = None,
    ) -> None:
        self.labels = task.labels
        self.base = base
        self.image_size_wh = backbone.image_size_wh
        self.module: nn.Module = module
        self.encode, self.processor = backbone.encode, backbone.processor
        self.extract = backbone.extract if options.tuning == "head" else None
        self.batch_size = _MLP_BATCH if isinstance(backbone, MlpBackbone) else None
        self.encode_grey = backbone.encode_grey if isinstance(backbone, MlpBackbone) else None
        self._backbone, self._task, self._options, self._references = backbone, task, options, references
        scattered = {UNWANTED} if options.from_cases is not None else set()
        if options.together == "good":
            scattered |= set(task.labels) - set(task.ok_labels)
        self._scattered = [number for number, label in enumerate(task.labels) if label in scattered]

    def check(self, training: Dataset) -> tuple[str, ...]:
        """Two classes of two pictures at least. Raises DatasetError, OptionError."""
        if self._options.together == "good" and not self._task.ok_labels:
            raise OptionError("option `together` good: no class is known to be good; name some with ok_labels.")
        counts = Counter(training.column("label"))
        few = [label for label, count in counts.items() if count < 2]
        if len(counts) < 2 or few:
            found = f"class {few[0]} has one picture" if few else f"all pictures are of class {next(iter(counts))}"
            raise DatasetError(
                f"{training.root}: {found}; embeddings are learned from at least two classes, two pictures of each."
            )
        if self._options.objective in COMPARING and self._options.accumulate > 1:
            return ("Pictures are compared within a batch: accumulated batches only average the gradient.",)
        return ()

    def places(self, pictures: Dataset, epoch: int) -> Sequence[int]:
        """Batches of several pictures of each of several classes, drawn from seed and epoch alone."""
        return mixed_order(pictures.column("label"), self._options.pictures_per_class, self._options.seed, epoch)

    def encode_targets(self, examples: Sequence[Example]) -> Batch:
        """Class numbers, (n,) int64. Raises DatasetError."""
        return {"labels": torch.tensor(class_numbers(examples, self.labels))}

    def total_loss(self, module: nn.Module, batch: Batch) -> Tensor:
        """The objective's mean loss, as often as there are pictures."""
        inputs = {name: values for name, values in batch.items() if name != "labels"}
        numbers = alone(batch["labels"], self._scattered)
        return cast(Tensor, module(numbers=numbers, **inputs)) * len(numbers)

    def loss_count(self, batch: Batch) -> Tensor:
        """Pictures."""
        return torch.tensor(len(batch["labels"]))

    def infer(self, batch: Batch) -> Batch:
        """Vectors, `embedding` (n, dimension)."""
        return {"embedding": self.module(**batch)}

    def decode(self, outputs: Mapping[str, Tensor], examples: Sequence[Example]) -> list[Prediction]:
        """Vectors -> predictions with them, and with class probabilities where there are references."""
        vectors = outputs["embedding"].numpy()
        if self._references is None:
            return [
                Prediction(example.id, embedding=_short(row)) for example, row in zip(examples, vectors, strict=True)
            ]
        shares = self._references.probabilities(vectors)
        return [
            self.calibrated(replace(one, embedding=_short(row)))
            for one, row in zip(predictions(examples, shares, self._task), vectors, strict=True)
        ]

    def take_references(self, training: Dataset, validation: Dataset, progress: Progress) -> tuple[str, ...]:
        """The vectors of training pictures, some of each class, scaled so that those of the validation pictures are
        given the probabilities that fit best. Raises ImageError."""
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
        """The same network that also knows these pictures. vectors: (n, dimension). Raises OptionError."""
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
        knowing.calibration = self.calibration  # the threshold stands on its scale
        return knowing

    def forget_references(self) -> None:
        """Give vectors alone."""
        self._references = None

    def save(self, folder: Path) -> None:
        """What was trained, and the references; a base that stayed as it was is loaded again by its id."""
        body = cast(Any, self.module).body
        apart = () if isinstance(self._backbone, MlpBackbone) else ("body.",)
        state = {name: value for name, value in self.module.state_dict().items() if not name.startswith(apart)}
        classes = torch.tensor(cast(Any, self.module).objective.classes)
        save_file({name: value.contiguous() for name, value in state.items()} | {_CLASSES: classes}, folder / _WEIGHTS)
        with without_bars():
            if self._options.tuning == "lora":
                body.save_pretrained(folder / "adapter")
            elif self._options.tuning == "full" and apart:
                body.save_pretrained(folder / "weights")
                self._backbone.processor.save_pretrained(folder / "processor")
        if self._references is not None:
            self.save_references(folder)

    def save_references(self, folder: Path) -> None:
        """Write `references.npz`."""
        cast(References, self._references).save(folder)


class EmbedderFamily:
    """Inspectors that learn vectors."""

    Options = EmbedderOptions
    target = "label"
    good_alone = False

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
            backbone = read_backbone(folder / "weights", folder / "processor", base.id, base.commit)
        else:
            backbone = _load(options)
            check_base(base, backbone.record)
        body = load_lora(backbone.network, folder / "adapter") if options.tuning == "lora" else backbone.network
        references = read_references(folder, options.neighbours)
        learned = load_file(folder / _WEIGHTS)
        # the objective has a place for each class it was trained on; classes that were added later have references
        trained = Task(task.labels[: int(learned.pop(_CLASSES))], task.ok_labels)
        module = _network(backbone, body, options, trained)
        try:
            absent, unknown = module.load_state_dict(learned, strict=False)
        except RuntimeError as error:
            raise RunError(f"{folder / _WEIGHTS}: does not fit the network; restore it or train again.") from error
        if unknown or any(not name.startswith("body.") for name in absent):
            raise RunError(f"{folder / _WEIGHTS}: does not fit the network; restore it or train again.")
        return EmbeddingInspector(backbone, module.eval(), task, options, base, references)


def _load(options: EmbedderOptions) -> Backbone:
    if options.base == "mlp":
        return mlp(options.seed)
    if options.base in BUILT_IN or not is_run(Path(options.base)):
        return load_backbone(options.base, _HEAD, options.seed)
    below = run_below(options.base, "embedder", tuning=options.tuning)
    before = cast(EmbeddingInspector, below.inspector)
    if before.extract is not None or isinstance(before._backbone, MlpBackbone):
        raise OptionError(
            f"base {options.base}: that run trained only a projection and no network to continue from; take its base "
            f"{before.base.id} instead."
        )
    network = without_adapters(cast(Any, before.module).body)
    return backbone_of_network(network, before.processor, _HEAD, options.seed, id=below.id, commit=below.commit)


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


def _vectors(inspector: EmbeddingInspector, pictures: Dataset, progress: Progress) -> NDArray[np.float32]:
    found = [
        outputs["embedding"].numpy()
        for _, outputs in infer_batches(inspector, pictures, doing="taking references", progress=progress)
    ]
    return np.concatenate(found)


def _short(vector: NDArray[np.float32]) -> tuple[float, ...]:
    """Numbers with the digits that tell them apart as 32 bits, not the twice as many of 64."""
    return tuple(vector.astype(str).astype(np.float64).tolist())


FAMILY = EmbedderFamily()
