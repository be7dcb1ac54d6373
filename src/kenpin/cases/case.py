"""Records of the library: known cases, filters, hits of a search and counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

Metric = Literal["cosine", "l2"]
"""Distance of two embeddings: 1 - cos of their angle, 0 to 2, or the Euclidean distance."""


class CaseVerdict(StrEnum):
    """Whether a case is wanted, which its similarity to others does not show."""

    POSITIVE = "POSITIVE"
    """Wanted: it should be found."""
    NEGATIVE = "NEGATIVE"
    """Unwanted: it should be kept out."""
    UNKNOWN = "UNKNOWN"
    """Not yet judged."""


NOT_UNWANTED = (CaseVerdict.POSITIVE, CaseVerdict.UNKNOWN)
"""Verdicts of the cases that a search covers by default."""


@dataclass(frozen=True, slots=True)
class VectorRun:
    """The run of a library's embeddings."""

    id: str
    """Hash of all that determines its embeddings: embeddings of runs with equal hashes can be compared."""
    name: str
    path: str

    def __str__(self) -> str:
        return f"{self.name} ({self.id[:8]})"


@dataclass(frozen=True, slots=True)
class Case:
    """A known case. None: not given."""

    id: str
    """Content hash of the picture, 32 hexadecimal digits."""
    picture: str
    """Path of the picture."""
    verdict: CaseVerdict | None = None
    """The verdict; never None for a stored case."""
    label: str | None = None
    note: str | None = None
    lot: str | None = None
    added: datetime | None = None
    """When it was first added; set by the library."""
    thumbnail: bytes | None = field(default=None, repr=False)
    """Small JPEG of the picture."""


@dataclass(frozen=True, slots=True)
class CaseFilter:
    """A filter of cases: each field that is not empty holds the accepted values."""

    ids: tuple[str, ...] = ()
    verdicts: tuple[CaseVerdict, ...] = ()
    labels: tuple[str, ...] = ()
    lots: tuple[str, ...] = ()

    def columns(self) -> dict[str, tuple[str, ...]]:
        """The accepted values of each column."""
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
    """A hit of a search: a case, and its distance from the query."""

    case: Case
    distance: float


@dataclass(frozen=True, slots=True)
class CaseStats:
    """Counts of cases, by verdict, label and lot, most frequent first; None: not given."""

    count: int
    by_verdict: Mapping[str | None, int]
    by_label: Mapping[str | None, int]
    by_lot: Mapping[str | None, int]
    indexed: bool
    """Whether there is an index, or all cases are searched exactly."""
