"""Options that language-model families take: those of all, and those of the ones that answer with boxes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import AugmentOptions, GradientOptions, TrainOptions
from kenpin.models._language.tuning import Tuning

_ADAPTERS = ("lora", "qlora")


class AnswerOptions(AugmentOptions, GradientOptions, TrainOptions):
    """What every language model takes."""

    toy: ClassVar[dict[str, Any]] = {}
    """Defaults of base `toy`, which knows nothing and must learn everything."""

    base: str = Field(description="Pretrained weights: a hub id, a folder of save_pretrained, or toy.")
    tuning: str = Field("lora", description="What is trained.")
    lora_rank: int = Field(8, ge=1, description="Rank of the adapters.")
    lora_alpha: int = Field(8, ge=1, description="Scale of the adapters, divided by the root of their rank.")
    lora_dropout: float = Field(0.05, ge=0, lt=1, description="Dropout before the adapters.")
    lora_targets: tuple[str, ...] | None = Field(
        description="Endings of the names of the layers to adapt, or patterns with *."
    )
    frozen_dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32",
        description="Number format in which weights that do not train are kept and computed with; the others take half "
        "of the memory. bfloat16 where the device computes it natively, float16 on older GPUs.",
    )
    loss: Literal["token", "example"] = Field(
        "token",
        description="What the loss is the mean of: tokens, or examples of which each is the mean of its tokens.",
    )
    # a picture that is varied has features of its own, which cannot be kept
    brightness: float = Field(0.0, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.0, ge=0, lt=1, description="Largest relative change of contrast.")
    max_new_tokens: int = Field(512, ge=1, description="Tokens of an answer at most.")
    predict_batch_size: int = Field(8, ge=1, description="Pictures answered at a time.")

    @model_validator(mode="before")
    @classmethod
    def _take_toy_defaults(cls, values: Any) -> Any:
        return cls.toy | values if isinstance(values, dict) and values.get("base") == "toy" else values

    def idle(self) -> frozenset[str]:
        """Names of the options that the chosen tuning ignores."""
        names = set() if self.tuning in _ADAPTERS else {"lora_rank", "lora_alpha", "lora_dropout", "lora_targets"}
        return frozenset(names | ({"frozen_dtype"} if self.tuning in ("full", "qlora") else set()))

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        for name in sorted(self.idle()):
            if getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(
                    f"`{name}` does nothing with tuning {self.tuning}; leave it out or choose another tuning."
                )
        return self


class LanguageOptions(AnswerOptions):
    """What every family that answers with boxes takes."""

    tuning: Tuning = Field(
        "lora",
        description="What is trained: low-rank adapters, the language model's attention, all but the vision part, "
        "every weight, or adapters on a base of 4 bits. With base toy: full.",
    )
    lora_targets: tuple[str, ...] = Field(
        description="Endings of the names of the layers to adapt, or patterns with *."
    )
    beams: int = Field(1, ge=1, description="Beams of the search for an answer; 1 takes the likeliest token each time.")
    calibrate: Literal["none", "isotonic", "platt"] = Field(
        "isotonic", description="How the scores of boxes become the rate at which such boxes are right."
    )
    constrained: bool = Field(
        True, description="Let answers be of the grammar and the data set's labels alone, and end at a repeated box."
    )
