"""Parts into the store: rows of journal lines, what people settled, and the tallies that follow both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    Connection,
    Executable,
    bindparam,
    case,
    delete,
    func,
    null,
    select,
    union_all,
    update,
)

from kenpin.data.picture_look import PictureLook
from kenpin.errors import RunError
from kenpin.inspection.record import PartKey, PartRecord, first_map, first_score, part_key
from kenpin.records import Verdict
from kenpin.station.folder import NO_VERSION, UNASSIGNED
from kenpin.station.store.applying import Needs
from kenpin.station.store.event_tables import note_judged
from kenpin.station.store.part_tables import CLAIMS, FORMER, LOTS, NONE, PARTS, REVIEWERS, TALLIES, key_of, key_of_any
from kenpin.station.store.review_tables import WANTED
from kenpin.station.store.tables import as_number, insert_into, insert_of, is_postgresql, micros_of, short_text
from kenpin.station.store.views import add_views

HOUR_US = 3_600_000_000
_OF_TALLY = ("product", "hour", "version", "lot", "verdict", "label", "settled_verdict")
_LOOK = tuple(one.name for one in fields(PictureLook))
_KEYS: BindParameter[Any] = bindparam("keys", expanding=True)
# each is made once: making a statement takes longer than doing it
_THERE = union_all(
    select(PARTS.c.key, null().label("seq")).where(PARTS.c.key.in_(_KEYS)),
    select(FORMER.c.key, FORMER.c.seq).where(FORMER.c.key.in_(_KEYS)),
)
"""Keys of parts that the store has, without a number, and those that had one before a rebuild."""
_INSERT_PARTS = PARTS.insert()
_END_CLAIMS = delete(CLAIMS).where(CLAIMS.c.key.in_(_KEYS))
_COUNTED_AS = {Verdict.PASS: "passes", Verdict.FAIL: "fails", Verdict.REVIEW: "reviews"}


@dataclass(frozen=True, slots=True)
class JournalName:
    """Whose journal it is: a node's, of a version of a product."""

    node: str
    product: str
    version: int

    @staticmethod
    def of(node: str, product: str, version: int) -> JournalName:
        """The journal with the record of a part: one that no version judged lies apart, whatever it was assigned to."""
        return JournalName(node, UNASSIGNED if version == NO_VERSION else product, version)


@dataclass(frozen=True, slots=True)
class RecordLine:
    """A line of a journal."""

    record: PartRecord
    offset: int
    where: str
    """Its file and number, for messages."""


def add_parts(connection: Connection, journal: JournalName, lines: Sequence[RecordLine], needs: Needs) -> int:
    """Add the parts of these lines that the store lacks, and end the claims on all of them; returns how many were
    added. Called in its turn (`wait_for_turn`). Raises RunError for a line without a moment."""
    rows, records = dict[str, dict[str, Any]](), dict[str, PartRecord]()
    for line in reversed(lines):
        row = _row(journal, line, needs)
        rows[row["key"]], records[row["key"]] = row, line.record
    known, former = set[str](), dict[str, int]()
    for key, seq in connection.execute(_THERE, {"keys": [*rows]}):
        if seq is None:
            known.add(key)
        else:
            former[key] = seq
    new = [row for key, row in reversed(rows.items()) if key not in known]
    if new:
        numbered = [{**row, "seq": former[row["key"]]} for row in new if row["key"] in former]
        for some in (numbered, [row for row in new if row["key"] not in former]):
            if some:
                connection.execute(_INSERT_PARTS, some)
        if by_views := {row["key"]: its for row in new if (its := records[row["key"]]).views}:
            add_views(connection, by_views)
        note_judged(connection, new)
        _tally(connection, Counter(_tally_of(row) for row in new))
        _note_lots(connection, new)
    claimed = [*rows, *(key_of_any(_part_of(line.record)) for line in lines)]
    connection.execute(_END_CLAIMS, {"keys": claimed})
    return len(new)


def settle(connection: Connection, key: str, verdict: Verdict | None, label: str | None = None) -> bool:
    """Keep what people settled on a part, or with None that nothing is settled any more; False where there is no such
    part. key: of `key_of`. Called in its turn, as each function that applies an entry is."""
    found = connection.execute(select(PARTS).where(PARTS.c.key == key)).mappings().one_or_none()
    if found is None:
        return False
    values = {"settled_verdict": verdict and verdict.value, "settled_label": label}
    connection.execute(update(PARTS).where(PARTS.c.key == key).values(values))
    changes = Counter({_tally_of({**found, **values}): 1})
    changes.subtract({_tally_of(dict(found)): 1})
    _tally(connection, changes)
    return True


def move(connection: Connection, key: str, product: str) -> bool:
    """Let a part belong to another product, with its tally, its lot and its reviews; False where there is no such part.
    Called in its turn."""
    found = connection.execute(select(PARTS).where(PARTS.c.key == key)).mappings().one_or_none()
    if found is None:
        return False
    moved = {**found, "product": product}
    connection.execute(update(PARTS).where(PARTS.c.key == key).values(product=product))
    changes = Counter({_tally_of(moved): 1})
    changes.subtract({_tally_of(dict(found)): 1})
    _tally(connection, changes)
    _note_lots(connection, [moved])
    _forget_in_lot(connection, dict(found))
    connection.execute(update(REVIEWERS).where(REVIEWERS.c.seq == found["seq"]).values(product=product))
    connection.execute(update(WANTED).where(WANTED.c.key == key).values(product=product))
    return True


def set_need(connection: Connection, key: str, priority: float | None) -> None:
    """Put a part into the queue of reviews, or take it out with None."""
    connection.execute(update(PARTS).where(PARTS.c.key == key).values(priority=priority))


def note_reviewer(connection: Connection, key: str, who: str, *, reviewed: bool = True) -> None:
    """Keep that a person reviewed a part, or that it was undone, so that parts can be asked for by reviewer."""
    part = connection.execute(select(PARTS.c.product, PARTS.c.judged_us, PARTS.c.seq).where(PARTS.c.key == key)).one()
    values = {"who": who, "judged_us": part.judged_us, "seq": part.seq, "product": part.product}
    if reviewed:
        connection.execute(insert_into(connection, REVIEWERS).values(values).on_conflict_do_nothing())
    else:
        same = [REVIEWERS.c[name] == value for name, value in values.items()]
        connection.execute(delete(REVIEWERS).where(*same))


def keep_numbers(connection: Connection) -> None:
    """Note the numbers of all parts before a rebuild, which gives the same ones again: sinks go on where they were."""
    numbers = select(PARTS.c.key, PARTS.c.seq).where(PARTS.c.key.not_in(select(FORMER.c.key)))
    connection.execute(FORMER.insert().from_select(["key", "seq"], numbers))


def forget_numbers(connection: Connection) -> None:
    """End what `keep_numbers` began."""
    connection.execute(delete(FORMER))


def _row(journal: JournalName, line: RecordLine, needs: Needs) -> dict[str, Any]:
    record = line.record
    part = _part_of(record)
    try:
        judged_us = micros_of(record.judged_at)
    except ValueError as error:
        raise RunError(f"{line.where}: was judged at {record.judged_at!r:.60}, which is no moment.") from error
    need = needs(journal.product, record)
    width_px, height_px = record.size_wh or (None, None)
    shown = record.deciding or record
    return {
        "key": key_of(journal.product, part),
        "product": journal.product,
        "id": record.id,
        "content": part[1],
        "picture_hash": shown.picture_hash,
        "lot": record.lot or None,
        "node": journal.node,
        "version": journal.version,
        "offset_bytes": line.offset,
        "verdict": record.verdict.value,
        "label": record.label or None,
        "score": as_number(first_score(record.answers)),
        "distance": as_number(record.distance),
        **{name: None if record.look is None else as_number(getattr(record.look, name)) for name in _LOOK},
        "reason": next(iter(record.reasons), ""),
        "has_map": first_map(record.answers_on_picture) is not None,
        "judged_us": judged_us,
        "latency_s": record.latency_s,
        "picture_bytes": record.picture_bytes,
        "width_px": width_px,
        "height_px": height_px,
        "priority": need.priority,
        "sampled": need.sampled,
        "settled_verdict": None,
        "settled_label": None,
    }


def _part_of(record: PartRecord) -> PartKey:
    return part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)


def _tally_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """The key of a part's tally."""
    return (
        row["product"],
        row["judged_us"] // HOUR_US,
        row["version"],
        short_text(row["lot"] or NONE),
        row["verdict"],
        short_text(row["label"] or NONE),
        row["settled_verdict"] or NONE,
    )


def _tally(connection: Connection, changes: Counter[tuple[Any, ...]]) -> None:
    rows = [{**dict(zip(_OF_TALLY, key, strict=True)), "parts": more} for key, more in changes.items() if more]
    if rows:
        connection.execute(_count_in_tallies(postgres=is_postgresql(connection)), rows)


@cache
def _count_in_tallies(*, postgres: bool) -> Executable:
    insert = insert_of(TALLIES, postgres=postgres)
    more = TALLIES.c.parts + insert.excluded.parts
    return insert.on_conflict_do_update(index_elements=_OF_TALLY, set_={"parts": more})


def _note_lots(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    lots: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        lot, at = short_text(row["lot"] or NONE), row["judged_us"]
        counts = dict.fromkeys(_COUNTED_AS.values(), 0)
        new = {"product": row["product"], "lot": lot, "first_us": at, "last_us": at, **counts}
        found = lots.setdefault((row["product"], lot), new)
        found[_COUNTED_AS[row["verdict"]]] += 1
        found["first_us"], found["last_us"] = min(found["first_us"], at), max(found["last_us"], at)
    connection.execute(_count_in_lots(postgres=is_postgresql(connection)), [*lots.values()])


@cache
def _count_in_lots(*, postgres: bool) -> Executable:
    insert = insert_of(LOTS, postgres=postgres)
    now, then = LOTS.c, insert.excluded
    changed = {name: now[name] + then[name] for name in _COUNTED_AS.values()} | {
        "first_us": case((then.first_us < now.first_us, then.first_us), else_=now.first_us),
        "last_us": case((then.last_us > now.last_us, then.last_us), else_=now.last_us),
    }
    return insert.on_conflict_do_update(index_elements=["product", "lot"], set_=changed)


def _forget_in_lot(connection: Connection, row: Mapping[str, Any]) -> None:
    """Count a part, which belongs to another product now, no longer in its lot; a lot without parts is none."""
    its = (LOTS.c.product == row["product"]) & (LOTS.c.lot == short_text(row["lot"] or NONE))
    of_lot = PARTS.c.lot.is_(None) if row["lot"] is None else PARTS.c.lot == row["lot"]
    times = select(func.min(PARTS.c.judged_us), func.max(PARTS.c.judged_us))
    first_us, last_us = connection.execute(times.where(PARTS.c.product == row["product"], of_lot)).one()
    if first_us is None:
        connection.execute(delete(LOTS).where(its))
        return
    name = _COUNTED_AS[row["verdict"]]
    connection.execute(
        update(LOTS).where(its).values({name: LOTS.c[name] - 1, "first_us": first_us, "last_us": last_us})
    )
