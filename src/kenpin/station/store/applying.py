"""What entries of the trail mean for the store, and which parts people are to review: told by the floors above."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec

from sqlalchemy import Connection

from kenpin.errors import RunError
from kenpin.inspection.record import PartRecord
from kenpin.station.folder import StationFolder
from kenpin.station.settings import StationSettings
from kenpin.station.trail import Entry

_STATION = "kenpin.station"
MODULE = "applied"
"""A package of the station that has a module of this name there says what its entries mean."""

Apply = Callable[[Connection, Entry], None]
"""Applies an entry to the store: a function of the entry and of the rows alone, as each rebuild calls it again."""


@dataclass(frozen=True, slots=True)
class ReviewNeed:
    """Whether people are to review a part."""

    priority: float | None = None
    """In the queue, the highest first; None: not in it."""
    sampled: float | None = None
    """Chance with which it was drawn, whatever its verdict; None: it was not."""


Needs = Callable[[str, PartRecord], ReviewNeed]
"""The need of a part, by its product and record alone, as each rebuild calls it again."""

_APPLIES: dict[str, Apply] = {}
MakeNeeds = Callable[[StationFolder, StationSettings], Needs]
_NEEDS: list[MakeNeeds] = []


def no_needs(product: str, record: PartRecord) -> ReviewNeed:
    """Nobody reviews a part."""
    return ReviewNeed()


def applies(what: str) -> Callable[[Apply], Apply]:
    """Register the function that applies entries of a kind, such as `part-reviewed`."""

    def register(apply: Apply) -> Apply:
        assert _APPLIES.setdefault(what, apply) is apply, f"{what} is applied by two functions"
        return apply

    return register


def fills_no_rows(*kinds: str) -> None:
    """Register kinds of entries that mean nothing for the store, as what they are about lives elsewhere."""
    for what in kinds:
        applies(what)(_nothing)


def _nothing(connection: Connection, entry: Entry) -> None:
    """Fill no rows."""


def entry_kinds() -> tuple[str, ...]:
    """All kinds of entries that this kenpin writes, in the order of their names."""
    _load()
    return tuple(sorted(_APPLIES))


def tells_needs(make: MakeNeeds) -> MakeNeeds:
    """Register what makes, of a station's folder and settings, the function that tells which parts people are to
    review."""
    _NEEDS.append(make)
    assert len(_NEEDS) == 1, "needs are told by two functions"
    return make


def needs_of(folder: StationFolder, settings: StationSettings) -> Needs:
    """The registered function that tells which parts people are to review."""
    _load()
    return _NEEDS[0](folder, settings) if _NEEDS else no_needs


def apply_entry(connection: Connection, entry: Entry, where: str) -> None:
    """Apply an entry. Raises RunError for a kind that this kenpin lacks."""
    _load()
    apply = _APPLIES.get(entry.what)
    if apply is None:
        raise RunError(
            f"{where}: is of the kind {entry.what!r:.60}, which is unknown to this kenpin; use the newer one that "
            "wrote it."
        )
    apply(connection, entry)


def _load() -> None:
    """Import what registers itself."""
    for package in pkgutil.iter_modules(importlib.import_module(_STATION).__path__, f"{_STATION}."):
        name = f"{package.name}.{MODULE}"
        if package.ispkg and find_spec(name) is not None:
            importlib.import_module(name)
