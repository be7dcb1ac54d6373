"""What the library keeps of a known case, which cases are meant, and what a search finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Metric = Literal["cosine", "l2"]
"""How far two vectors are apart: 1 - cos of their angle, 0 to 2, or the Euclidean distance."""


class CaseVerdict(StrEnum):
    """Whether a case is wanted, which its likeness to another does not tell."""

    POSITIVE = "POSITIVE"
    """Wanted: it should be found."""
    NEGATIVE = "NEGATIVE"
    """Unwanted: it should be kept out."""
    UNKNOWN = "UNKNOWN"
    """Nobody has said."""


NOT_UNWANTED = (CaseVerdict.POSITIVE, CaseVerdict.UNKNOWN)
"""What a search looks among, where nobody asks for more."""


@dataclass(frozen=True, slots=True)
class VectorRun:
    """The run whose model made a library's vectors."""

    id: str
    """Hash of what decides its vectors: those of runs with equal ones can be compared, wherever these lie."""
    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:8]})"


@dataclass(frozen=True, slots=True)
class Case:
    """One known case. None, of what people say: nobody said it."""

    id: str
    """Content hash of the picture, 32 hexadecimal digits."""
    picture: str
    """Path of the picture."""
    verdict: CaseVerdict | None = None
    """Of a kept case never None."""
    label: str | None = None
    note: str | None = None
    lot: str | None = None
    added: datetime | None = None
    """When it was first added; set by the library."""
    thumbnail: bytes | None = field(default=None, repr=False)
    """Small JPEG of the picture."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """Which cases are meant: those that have one of the values of each field that names any."""

    ids: tuple[str, ...] = ()
    verdicts: tuple[CaseVerdict, ...] = ()
    labels: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The values that are asked of each column."""
        asked: Mapping[str, tuple[str, ...]] = {
            "id": self.ids,
            "verdict": self.verdicts,
            "label": self.labels,
            "lot": self.lots,
        }
        return {column: values for column, values in asked.items() if values}


EVERY_CASE = CaseFilter()


@dataclass(frozen=True, slots=True)
class Found:
    """A case that a search found, and how far it is from what was asked."""

    case: Case
    distance: float


@dataclass(frozen=True, slots=True)
class CaseStats:
    """How many cases there are, by what people said of them, most frequent first; None: they said nothing."""

    count: int
    by_verdict: Mapping[str | None, int]
    by_label: Mapping[str | None, int]
    by_lot: Mapping[str | None, int]
    indexed: bool
    """Whether there is an index, or every case is looked at."""
