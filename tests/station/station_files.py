"""The files of a station that is made up: trails of two nodes, and a journal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

import kenpin.station.trail
from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.station.folder import StationFolder
from kenpin.station.trail import Trail
from tests.inspection.made import record

BEGIN = datetime(2026, 11, 27, 9, 30, tzinfo=UTC)
DECIDED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("node-1", "station", "account-added", {"account": "aoi", "role": "admin"}),
    ("node-2", "aoi", "signed-in", {"address": "192.0.2.7"}),
    ("node-1", "aoi", "part-reviewed", {"label": "傷\x1b[31m\u202e", "note": None, "count": 3}),
    ("node-2", "Ren", "part-reviewed", {"label": "=cmd|' /C calc'!A0"}),
    ("node-1", "aoi", "signed-out", {}),
)
"""Node, who, what, about; an hour lies between each and the next."""


class _Clock:
    """What the trail asks for the time; set from outside."""

    now = BEGIN

    @classmethod
    def of(cls, number: int) -> None:
        cls.now = BEGIN + timedelta(hours=number)


class _SetTime(datetime):
    @classmethod
    def now(cls, tz: Any = None) -> _SetTime:
        return cls.fromisoformat(_Clock.now.isoformat())


@contextmanager
def _set_clock() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kenpin.station.trail, "datetime", _SetTime)
        yield


def made_station(path: Path) -> StationFolder:
    """Its folder; entries as in `DECIDED`, and three records."""
    folder = StationFolder(path)
    folder.trails.mkdir(parents=True)
    trails = {node: Trail(folder.trail(node), node) for node in ("node-1", "node-2")}
    with _set_clock():
        for number, (node, who, what, about) in enumerate(DECIDED):
            _Clock.of(number)
            trails[node].append(who, what, about)
    for trail in trails.values():
        trail.close()
    records = folder.records_of("node-1", "cells", 1)
    records.mkdir(parents=True)
    with closing(Journal(records / JOURNAL)) as journal:
        journal.append([record(1), record(2), record(3)])
    return folder
