"""A station's files that are made up, and what a store holds of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.inspection.record import PartKey, PartRecord, part_key
from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import note_reviewer, set_need, settle
from kenpin.station.store.applying import ReviewNeed, applies
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import CLAIMS, PARTS, key_of
from kenpin.station.store.tables import all_tables, moment_of
from kenpin.station.trail import Entry, Trail
from tests.inspection.made import record

BEGAN_US = 1_767_225_600_000_000
SECOND_US, HOUR_US = 1_000_000, 3_600_000_000


def part(number: int, **values: Any) -> PartRecord:
    """A record of its own moment, verdict, label and lot; `values` replace some."""
    base = record(number)
    own: dict[str, Any] = {
        "judged_at": moment_of(BEGAN_US + number * 700 * SECOND_US),
        "verdict": [*Verdict][number % 3],
        "label": (None, "ok", "傷")[number % 5 % 3],
        "lot": None if number % 7 == 0 else f"L-{number // 10}",
        "answers": tuple(replace(one, score=number / 100) for one in base.answers[:1]),
        "cases": (),
    }
    return replace(base, **own | values)


def key(record: PartRecord) -> PartKey:
    """The key of its part."""
    return part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)


def append(
    folder: StationFolder, records: Sequence[PartRecord], *, node: str = "n1", product: str = "a", version: int = 1
) -> Path:
    """Append records to a node's journal, and return its file."""
    place = folder.records_of(node, product, version)
    place.mkdir(parents=True, exist_ok=True)
    with closing(Journal(place / JOURNAL)) as journal:
        journal.append(records)
    return place / JOURNAL


def say(folder: StationFolder, entries: Iterable[tuple[str, str, dict[str, Any]]], *, node: str = "n1") -> Path:
    """Append entries of who, what and about to a node's trail, and return its file."""
    folder.trails.mkdir(parents=True, exist_ok=True)
    with closing(Trail(folder.trail(node), node)) as trail:
        for who, what, about in entries:
            trail.append(who, what, about)
    return folder.trail(node)


def settled(record: PartRecord, verdict: Verdict | None, who: str = "ando") -> tuple[str, str, dict[str, Any]]:
    """An entry that settles a part of product `a`, or undoes it."""
    return who, "made-settled", {"part": key_of("a", key(record)), "verdict": verdict and verdict.value}


@applies("made-settled")
def _apply(connection: Connection, entry: Entry) -> None:
    verdict = entry.about["verdict"]
    found = settle(connection, entry.about["part"], verdict and Verdict(verdict), verdict and "by hand")
    assert found, "a part is in the store before it is reviewed"
    note_reviewer(connection, entry.about["part"], entry.who, reviewed=verdict is not None)
    set_need(connection, entry.about["part"], None if verdict else 1.0)


def needs(product: str, record: PartRecord) -> ReviewNeed:
    """Those that are in doubt are reviewed, and some others."""
    sampled = 0.25 if record.picture_bytes % 4 == 0 else None
    return ReviewNeed(record.picture_bytes / 100 if record.verdict is Verdict.REVIEW else None, sampled)


def content(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    """All rows that files fill, and claims; parts by their keys, for each rebuild numbers them its own way."""
    tables = [table for table in all_tables().sorted_tables if table.info.get("from_files")]
    with store.reading() as connection:
        names = {one.seq: one.key for one in connection.execute(select(PARTS.c.seq, PARTS.c.key))}
        return {
            table.name: sorted(
                (
                    tuple(names[value] if name == "seq" else value for name, value in row._mapping.items())
                    for row in connection.execute(select(table))
                    if row._mapping.get("parts") != 0  # a tally whose parts were settled meanwhile
                ),
                key=repr,
            )
            for table in [*tables, CLAIMS]
        }
