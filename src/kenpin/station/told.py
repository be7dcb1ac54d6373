"""What a sink is told: an event about a part, or about the version that judges a product."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from kenpin.records import Verdict

ToldKind = Literal["judged", "reviewed", "switched"]


@dataclass(frozen=True, slots=True)
class Told:
    """An event of a node, as sinks are told of it."""

    position: int
    """Its place among the events of the node, from 1 upwards; places may be missing."""
    kind: ToldKind
    """A part was judged, a person reviewed it, or another version judges the product from now on."""
    product: str
    version: int
    """The version that judged the part, or that was switched to."""
    judged_at: str
    """When it happened: UTC, ISO 8601."""
    id: str | None = None
    """Of the part; None where the event is about a version, as are content, verdict and what else a part has."""
    content: str | None = None
    """Hash of its picture, or over all of several; with the id it identifies the part."""
    picture: str | None = None
    """Hash of its picture, of several the one that stands for it; None where it could not be read."""
    lot: str | None = None
    verdict: Verdict | None = None
    """Of the version where the part was judged, of the person where it was reviewed."""
    label: str | None = None
    score: float | None = None
    reasons: tuple[str, ...] = ()


class Events(Protocol):
    """The events of a node in their order. An event never appears in front of one that was handed out before."""

    def after(self, position: int, most: int) -> Sequence[Told]:
        """The first events behind a position, at most `most`."""

    def count_after(self, position: int) -> int:
        """How many events stand behind a position."""

    def first_us_after(self, position: int) -> int | None:
        """When the first event behind a position happened, in microseconds since 1970; None where there is none."""

    def last(self) -> int:
        """The position of the last event; 0 where there is none."""
