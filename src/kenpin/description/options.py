"""Options of descriptions: the evidence, the pieces in the prompt, and the sampling of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from kenpin.config import LARGEST_SEED
from kenpin.description.answers import TEXT_LENGTH
from kenpin.description.telling import Piece
from kenpin.strict_options import InGroup, OptionGroup, StrictOptions


class AblationOptions(StrictOptions):
    """Options of the evidence, and of describing pictures with it."""

    group: ClassVar[OptionGroup] = "answers"

    evidence: Annotated[tuple[Path, ...], InGroup("data")] = Field(
        min_length=1, description="Runs whose predictions are evidence, of any family."
    )
    cases: Annotated[str | None, InGroup("data")] = Field(
        None, description="Library of known cases; one of the runs must have made its embeddings."
    )
    nearest: Annotated[int, InGroup("data")] = Field(
        3, ge=1, description="Known cases that are looked up for each picture."
    )
    language: str | None = Field(None, description="Language of the free texts, such as Japanese.")
    text_length: int = Field(TEXT_LENGTH, ge=1, le=1000, description="Characters that each free text may have.")
    temperature: float | None = Field(
        None, gt=0, description="Sample the words at this temperature; by default the likeliest are taken."
    )
    min_p: float = Field(
        0.05, ge=0, le=1, description="Words below this share of the likeliest word's probability are never sampled."
    )
    seed: int = Field(0, ge=0, le=LARGEST_SEED, description="Seed of the sampling.")


class DescriptionOptions(AblationOptions):
    """Options of a description: those of the evidence, and the pieces left out of the prompt."""

    leave_out: tuple[Piece, ...] = Field(
        (), description=f"Pieces of the evidence that the model does not get: {', '.join(Piece)}."
    )
