"""What a product's line needs: something that judges and records, and something that knows the parts of its store."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from kenpin.data.streaming import Pending
from kenpin.inspection.journal import Appended
from kenpin.inspection.line import Durable, Recorded
from kenpin.inspection.pictures import Opened
from kenpin.inspection.record import PartKey, PartRecord


class Judging(Protocol):
    """What judges and records, as `Line` does. While one thread records, another one may look at the next pictures."""

    batch_size: int
    """Most pictures at a time."""

    @property
    def defects(self) -> tuple[str, ...]:
        """Classes of defects that it tells apart."""

    @property
    def engines(self) -> tuple[str, ...]:
        """What computes its networks."""

    def taken(self, pending: deque[Pending[Opened]]) -> Iterator[list[Opened]]:
        """Pictures that were read ahead, some at a time. `pending` is emptied."""

    def record(self, pictures: Sequence[Opened]) -> Sequence[Recorded]:
        """The record of each picture, on disk: `keep` of what `judged` gives. Raises OSError, RunError."""

    def judged(self, pictures: Sequence[Opened]) -> Any:
        """What is found on pictures; nothing is on disk yet. Raises RunError."""

    def keep(self, judged: Any) -> Durable:
        """The record of each of them, on disk. Raises OSError, RunError."""

    def close(self) -> None:
        """Release what it holds."""


class Claims(Protocol):
    """Parts that a node wants to judge."""

    @property
    def records(self) -> Mapping[PartKey, PartRecord]:
        """Of those that have one, by any version and any node."""

    @property
    def refused(self) -> Collection[PartKey]:
        """Those that another node has claimed and not yet recorded."""


class KnownParts(Protocol):
    """What the store knows of the parts of a product."""

    def claim(self, keys: Sequence[PartKey]) -> Claims:
        """Claim parts for this node, but for those that have a record."""

    def follow(self, appended: Appended | None = None) -> None:
        """Take up what was added to this node's journals. appended: all of it, where that is known."""
