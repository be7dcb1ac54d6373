"""Options of a chat model that looks at pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import TOY, CaseOptions
from kenpin.models.language.options import AnswerOptions
from kenpin.strict_options import InGroup, OptionGroup


class VlmOptions(CaseOptions, AnswerOptions):
    """Options of `kenpin train vlm`."""

    group: ClassVar[OptionGroup] = "model"

    toy: ClassVar[dict[str, Any]] = {
        "tuning": "full",
        "epochs": 60.0,
        "batch_size": 16,
        "learning_rate": 1e-3,
        "weight_decay": 0.0,
        "evaluate_every": 200,
        "keep": "last",
        "patience": None,
        "max_new_tokens": 64,
    }

    base: str = Field(
        "HuggingFaceTB/SmolVLM-256M-Instruct",
        description="Pretrained chat model that takes pictures: a hub id, a folder of save_pretrained, or of a run to "
        f"go on from; {TOY}.",
    )
    tuning: Literal["lora", "projector", "full", "qlora"] = Field(
        "lora",
        description="What is trained: low-rank adapters, only the projector of `embedding_from`, every weight, or "
        "adapters on a base of 4 bits; a projector is always trained. With base toy: full.",
    )
    lora_targets: tuple[str, ...] | None = Field(
        None,
        description="Endings of the names of the layers to adapt, or patterns with *; by default the queries, keys, "
        "values and outputs of the language model's attention.",
    )
    lora_whole: Annotated[tuple[str, ...], InGroup("advanced")] = Field(
        (), description="Endings of the names of layers that are trained whole beside the adapters."
    )
    question: Annotated[str | None, InGroup("answers")] = Field(
        None,
        description="Question on a picture that has none of its own; by default the most frequent question of the "
        "training pictures.",
    )
    picture_px: int | None = Field(
        None,
        ge=1,
        description="Longest side in pixels to which pictures are reduced; by default as its own processor does.",
    )
    embedding_from: Path | None = Field(
        None,
        description="Run whose embedding of each picture enters the prompt as soft tokens, through a trained "
        "projector; the run's model is copied.",
    )
    soft_tokens: int = Field(4, ge=1, description="Soft tokens made of each embedding.")
    from_cases: str | None = Field(
        None,
        description="Library of known cases to learn from, in place of a data set: the note on each case, or else its "
        "label, is the answer.",
    )

    def idle(self) -> frozenset[str]:
        """Names of the options that tuning and the others ignore."""
        names = set(super().idle())
        if "lora_rank" in names:
            names.add("lora_whole")
        if self.embedding_from is None:
            names.add("soft_tokens")
        return frozenset(names)

    @model_validator(mode="after")
    def _projector_has_vectors(self) -> Self:
        if self.tuning == "projector" and self.embedding_from is None:
            raise ValueError("tuning projector needs embeddings to project; name a run with `embedding_from`.")
        return self
