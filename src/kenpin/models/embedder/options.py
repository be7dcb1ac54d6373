"""Options of an embedder."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import TOY, VIEW, AugmentOptions, CaseOptions, FeatureOptions, TransformOptions
from kenpin.models.embedder.objectives import COMPARING, MARGINS, MinerName, ObjectiveName
from kenpin.strict_options import InGroup, OptionGroup


class EmbedderOptions(FeatureOptions, CaseOptions, AugmentOptions):
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
    batch_size: int = Field(64, ge=2, description="Pictures of a batch, which are compared with each other.")
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
            names |= TransformOptions.own_fields()
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
        if (name := self.first_set(self.idle())) is not None:
            raise ValueError(
                f"`{name}` does nothing with tuning {self.tuning} and objective {self.objective}; leave it out or "
                "choose others."
            )
        if self.from_cases is not None and self.objective not in COMPARING:
            raise ValueError(
                f"`from_cases` is learned from by comparing cases, which objective {self.objective} does not; take "
                f"{', '.join(COMPARING)}."
            )
        if self.base == "mlp" and (name := self.first_set(("layers", "picture_px", "px_per_mm", *VIEW))) is not None:
            raise ValueError(f"`{name}` does nothing with base mlp; leave it out or take another base.")
        if self.base == "mlp" and self.tuning != "full":
            raise ValueError("base mlp has learned nothing yet that could be kept; train all of it, with tuning full.")
        if self.pictures_per_class is not None and self.batch_size % self.pictures_per_class:
            raise ValueError(
                f"`batch_size` {self.batch_size} is no multiple of `pictures_per_class` {self.pictures_per_class}; "
                "make it one."
            )
        return self
