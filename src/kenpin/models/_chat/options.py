"""Options of a chat model that looks at pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from kenpin.config import CaseOptions
from kenpin.models._language.options import AnswerOptions


class VlmOptions(CaseOptions, AnswerOptions):
    """Options of `kenpin train vlm`."""

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
        "go on from, or toy.",
    )
    tuning: Literal["lora", "projector", "full", "qlora"] = Field(
        "lora",
        description="What is trained: low-rank adapters, the projector of --embedding-from alone, every weight, or "
        "adapters on a base of 4 bits; the projector always trains where there is one. With base toy: full.",
    )
    lora_targets: tuple[str, ...] | None = Field(
        None,
        description="Endings of the names of the layers to adapt, or patterns with *; by default the queries, keys, "
        "values and outputs of the language model's attention.",
    )
    lora_whole: tuple[str, ...] = Field(
        (), description="Endings of the names of layers that train whole beside the adapters."
    )
    question: str | None = Field(
        None,
        description="What is asked of a picture that has no question of its own; by default what was asked most often "
        "of the training pictures.",
    )
    picture_px: int | None = Field(
        None,
        ge=1,
        description="Longest side in pixels that the network is shown of a picture; by default as many as its own "
        "processor takes.",
    )
    embedding_from: Path | None = Field(
        None,
        description="Run whose vector of each picture enters the prompt as soft tokens, through a projector that is "
        "trained; the run's model is copied.",
    )
    soft_tokens: int = Field(4, ge=1, description="Soft tokens that the vector becomes.")
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
            raise ValueError("tuning projector needs vectors to project; name a run with `embedding_from`.")
        return self
