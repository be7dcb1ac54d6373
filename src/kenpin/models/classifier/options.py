"""Options of a classifier."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import TOY, AugmentOptions, CopyOptions, GradientOptions, TransformOptions
from kenpin.models.beside import BesideOptions
from kenpin.models.classifier.heads import HeadKind
from kenpin.strict_options import InGroup, OptionGroup


class ClassifierOptions(BesideOptions, CopyOptions, AugmentOptions):
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
            names = {*GradientOptions.own_fields()}
            if not self.augmented_copies:
                names |= TransformOptions.own_fields()
        if self.tuning != "head":
            names |= {"augmented_copies", "beside", "layers"}
        if self.tuning != "lora":
            names |= {f"lora_{name}" for name in ("rank", "alpha", "dropout", "targets")}
        return frozenset(names)

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        """A setting that the chosen tuning would ignore is a misunderstanding, not a default."""
        if (name := self.first_set(self.idle())) is not None:
            if self.tuning == "head" and name in TransformOptions.own_fields():
                raise ValueError(
                    f"`{name}` does nothing with tuning head alone, which sees each picture once; give "
                    "`augmented_copies` too, or leave it out."
                )
            raise ValueError(f"`{name}` does nothing with tuning {self.tuning}; leave it out or choose another tuning.")
        return self
