"""Options of language-model families: of all, and of those that answer with boxes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import TOY, AugmentOptions, ViewOptions
from kenpin.models.language.tuning import Tuning
from kenpin.models.networks.sizes import FOUR_BITS
from kenpin.strict_options import InGroup, OptionGroup

_ADAPTERS = ("lora", "qlora")
_LEAST_LENGTH = 8  # tokens


class AnswerOptions(AugmentOptions):
    """Options of every language model."""

    group: ClassVar[OptionGroup] = "model"

    toy: ClassVar[dict[str, Any]] = {}
    """Defaults of base `toy`, whose weights are random."""

    base: str = Field(description=f"Pretrained weights: a hub id, or a folder of save_pretrained; {TOY}.")
    tuning: str = Field("lora", description="What is trained.")
    lora_rank: int = Field(8, ge=1, description="Rank of the adapters.")
    lora_alpha: int = Field(8, ge=1, description="Scale of the adapters, divided by the root of their rank.")
    lora_dropout: Annotated[float, InGroup("advanced")] = Field(
        0.05, ge=0, lt=1, description="Dropout before the adapters."
    )
    lora_targets: Annotated[tuple[str, ...] | None, InGroup("advanced")] = Field(
        description="Endings of the names of the layers to adapt, or patterns with *."
    )
    frozen_dtype: Annotated[Literal["float32", "bfloat16", "float16"], InGroup("advanced")] = Field(
        "float32",
        description="Number format of the weights that are not trained. The 16-bit formats take half of the memory: "
        "bfloat16 where the device computes it natively, float16 on older GPUs.",
    )
    loss: Annotated[Literal["token", "example"], InGroup("training")] = Field(
        "token",
        description="What the loss is averaged over: tokens, or examples, each of which is the mean of its tokens.",
    )
    # an augmented picture has features of its own, which cannot be cached
    brightness: float = Field(0.0, ge=0, lt=1, description="Largest relative change of brightness.")
    contrast: float = Field(0.0, ge=0, lt=1, description="Largest relative change of contrast.")
    max_new_tokens: Annotated[int, InGroup("answers")] = Field(512, ge=1, description="Tokens of an answer, at most.")
    predict_batch_size: Annotated[int, InGroup("answers")] = Field(
        8, ge=1, description="Pictures that are answered at a time."
    )

    @model_validator(mode="before")
    @classmethod
    def _take_toy_defaults(cls, values: Any) -> Any:
        return cls.toy | values if isinstance(values, dict) and values.get("base") == "toy" else values

    def idle(self) -> frozenset[str]:
        """Names of the options that the chosen tuning ignores."""
        names = set() if self.tuning in _ADAPTERS else {"lora_rank", "lora_alpha", "lora_dropout", "lora_targets"}
        return frozenset(names | ({"frozen_dtype"} if self.tuning in ("full", "qlora") else set()))

    def memory_savings(self, half: str, answer_tokens: int) -> Iterator[dict[str, Any]]:
        """The memory savings of any training, and half of the longest answer: tokens beyond are not learned."""
        yield from super().memory_savings(half, answer_tokens)
        if "max_length" in type(self).model_fields and answer_tokens // 2 >= _LEAST_LENGTH:
            yield {"max_length": answer_tokens // 2}

    def smaller_formats(self, half: str) -> Iterator[dict[str, Any]]:
        """The smaller number formats of any training, and frozen weights of half the size."""
        yield from super().smaller_formats(half)
        if self.frozen_dtype == "float32" and self.tuning not in ("full", "qlora"):
            yield {"frozen_dtype": "bfloat16" if half == "bf16" else "float16"}

    @model_validator(mode="after")
    def _refuse_what_does_nothing(self) -> Self:
        if (name := self.first_set(self.idle())) is not None:
            raise ValueError(f"`{name}` does nothing with tuning {self.tuning}; leave it out or choose another tuning.")
        return self


class LanguageOptions(ViewOptions, AnswerOptions):
    """Options of every family that answers with boxes."""

    group: ClassVar[OptionGroup] = "answers"

    toy: ClassVar[dict[str, Any]] = {
        "tuning": "full",
        "batch_size": 8,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "evaluate_every": 200,
        "keep": "last",
        "patience": None,
    }

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
        "isotonic", description="How scores of boxes are calibrated to the share of such boxes that are right."
    )
    constrained: bool = Field(
        True,
        description="Restrict answers to the grammar and to the data set's labels, and end them at a repeated box.",
    )


def loaded_as(options: AnswerOptions) -> str:
    """The number format in which a base is loaded."""
    return FOUR_BITS if options.tuning == "qlora" else options.frozen_dtype
