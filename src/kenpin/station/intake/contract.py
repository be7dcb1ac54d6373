"""What a product's line needs: something that judges and records, and something that knows the parts of its store."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol

from kenpin.data.part_names import NameForm
from kenpin.data.streaming import Pending
from kenpin.inspection.journal import Appended
from kenpin.inspection.line import Durable, Recorded
from kenpin.inspection.part_pictures import OpenedPart, Part
from kenpin.inspection.pictures import Opened
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.views import PartViews


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

    @property
    def views(self) -> PartViews | None:
        """The views by which parts are judged; None where each picture is a part."""

    @property
    def known_form(self) -> NameForm | None:
        """The form of file names that tells parts and views; None where single pictures are judged, or no form does."""

    def taken(self, pending: deque[Pending[Part]]) -> Iterator[list[Part]]:
        """Parts whose pictures were read ahead, some at a time. `pending` is emptied."""

    def record(self, parts: Sequence[Opened]) -> Sequence[Recorded]:
        """The record of each part, on disk: `keep` of what `judged` gives. Raises OSError, RunError."""

    def judged(self, parts: Sequence[OpenedPart]) -> Any:
        """What is found on parts; nothing is on disk yet. Raises RunError."""

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
