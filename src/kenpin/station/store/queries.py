"""Questions to the store: a page of parts, how many they are, lots, tallies, and verdicts beside settled ones."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, RowMapping, and_, func, or_, select

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.store.adding import HOUR_US, JournalName
from kenpin.station.store.filtering import PartFilter, asked_parts, asked_tallies, between
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import LOTS, PARTS, TALLIES

MOST_COUNTED = 10_000
TallyColumn = Literal["product", "version", "lot", "hour", "verdict", "label", "settled_verdict"]
_KEY = re.compile("[0-9a-f]{32}")
_FIRST, _THEN = 100, 5_000  # parts at a time of a stream


@dataclass(frozen=True, slots=True)
class PartRow:
    """A part in the store."""

    seq: int
    """Grows with each part that is added; a store that was lost gives others."""
    key: str
    """Its name for addresses and entries: 32 hexadecimal digits, the same after a rebuild."""
    product: str
    id: str
    """Shortened where it is long; the record has it whole, as lot, label and reason."""
    content: str
    picture_hash: str
    """Empty where the picture could not be read."""
    lot: str | None
    node: str
    version: int
    offset_bytes: int
    """Of its line in the journal."""
    verdict: Verdict
    label: str | None
    score: float | None
    distance: float | None
    brightness: float | None
    """Of its picture, as contrast and sharpness: of `PictureLook`."""
    contrast: float | None
    sharpness: float | None
    reason: str
    """The first one."""
    has_map: bool
    judged_us: int
    """Microseconds since 1970."""
    latency_s: float
    picture_bytes: int
    width_px: int | None
    height_px: int | None
    priority: float | None
    """In the queue of reviews; None: it is not in it."""
    sampled: float | None
    """Chance with which it was drawn for review; None: it was not."""
    settled_verdict: Verdict | None
    """Of people."""
    settled_label: str | None

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Of its picture as displayed; None where it cannot be opened."""
        return None if self.width_px is None or self.height_px is None else (self.width_px, self.height_px)

    @property
    def journal(self) -> JournalName:
        """Whose journal holds its record."""
        return JournalName.of(self.node, self.product, self.version)


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last part of a page: behind it the next page begins."""

    judged_us: int
    seq: int

    def __str__(self) -> str:
        return f"{self.judged_us}.{self.seq}"


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the parts that were asked for, newest first."""

    parts: tuple[PartRow, ...]
    following: Cursor | None
    """Where the next page begins; None: there is none."""


@dataclass(frozen=True, slots=True)
class PartCount:
    """How many parts there are."""

    parts: int
    is_exact: bool
    """False: there are more."""


@dataclass(frozen=True, slots=True)
class LotRow:
    """A lot."""

    product: str
    lot: str | None
    """None: the parts without a lot."""
    passes: int
    fails: int
    reviews: int
    first_us: int
    """When its first part was judged, in microseconds since 1970."""
    last_us: int


def read_cursor(text: str) -> Cursor:
    """The cursor that `str` wrote. Raises OptionError."""
    numbers = re.fullmatch(r"(-?\d{1,18})\.(\d{1,18})", text)
    if numbers is None:
        raise OptionError(f"page: {text!r:.60} is no beginning of a page; take the one that the page before names.")
    return Cursor(int(numbers[1]), int(numbers[2]))


def page(connection: Connection, asked: PartFilter, *, size: int = 50, behind: Cursor | None = None) -> Page:
    """The newest of these parts, or those behind a cursor."""
    sql = asked_parts(asked)
    wanted = select(PARTS).select_from(sql.source).where(*sql.where)
    if behind is not None:
        wanted = wanted.where(_is_behind(sql.judged_us, sql.seq, behind.judged_us, behind.seq))
    newest = wanted.order_by(sql.judged_us.desc(), sql.seq.desc()).limit(size + 1)
    rows = [*map(_part, connection.execute(newest).mappings())]
    more = len(rows) > size
    parts = tuple(rows[:size])
    return Page(parts, Cursor(parts[-1].judged_us, parts[-1].seq) if more else None)


def stream(store: Store, asked: PartFilter) -> Iterator[PartRow]:
    """All of these parts, newest first, page by page: a slow reader holds no transaction open. Parts that come in the
    meantime are not among them. Raises StoreError."""
    behind, size = None, _FIRST
    while True:
        with store.reading() as connection:
            found = page(connection, asked, size=size, behind=behind)
        yield from found.parts
        if found.following is None:
            return
        behind, size = found.following, _THEN


def added(connection: Connection, behind: int, *, most: int = 100) -> tuple[PartRow, ...]:
    """The parts that were added behind a number, in their order: whoever goes on behind the last one misses none."""
    wanted = select(PARTS).where(PARTS.c.seq > behind).order_by(PARTS.c.seq).limit(most)
    return tuple(map(_part, connection.execute(wanted).mappings()))


def find_part(connection: Connection, key: str) -> PartRow | None:
    """The part of this name; None where there is none. key: of `key_of`, or whatever stands in an address."""
    if not _KEY.fullmatch(key):
        return None  # some of what an address can hold, no store takes
    found = connection.execute(select(PARTS).where(PARTS.c.key == key)).mappings().one_or_none()
    return None if found is None else _part(found)


def count(connection: Connection, asked: PartFilter, *, most: int = MOST_COUNTED) -> PartCount:
    """How many these parts are: exact where tallies tell, else up to a bound."""
    if asked_tallies(asked) is None:
        sql = asked_parts(asked)
        some = select(sql.seq).select_from(sql.counted).where(*sql.where).limit(most + 1).subquery()
        found = connection.execute(select(func.count()).select_from(some)).scalar_one()
        return PartCount(min(found, most), found <= most)
    first, end = asked.from_us, asked.to_us
    first_hour = None if first is None else -(-first // HOUR_US)
    end_hour = None if end is None else end // HOUR_US
    if first_hour is not None and end_hour is not None and first_hour >= end_hour:
        return PartCount(_counted(connection, asked), is_exact=True)
    parts = sum(_tallies(connection, asked, (), first_hour, end_hour).values())
    if first is not None and first_hour is not None:
        parts += _counted(connection, replace(asked, to_us=first_hour * HOUR_US))
    if end is not None and end_hour is not None:
        parts += _counted(connection, replace(asked, from_us=end_hour * HOUR_US))
    return PartCount(parts, is_exact=True)


def tallied(connection: Connection, asked: PartFilter, by: Sequence[TallyColumn]) -> dict[tuple[Any, ...], int]:
    """How many parts there are of each kind, by the values of these columns in their order; a lot, label or settled
    verdict that a part lacks is empty, an hour is counted from 1970. Times are those of whole hours, from the one in
    which the filter begins to the one in which it ends. Raises OptionError where the filter asks for more than tallies
    tell: a score, an id or a reviewer."""
    first_hour = None if asked.from_us is None else asked.from_us // HOUR_US
    end_hour = None if asked.to_us is None else -(-asked.to_us // HOUR_US)
    return _tallies(connection, asked, by, first_hour, end_hour)


def confusion(connection: Connection, asked: PartFilter) -> Mapping[tuple[Verdict, Verdict], int]:
    """How many parts there are of each verdict and of each that people settled; others are left out. Times as
    `tallied`."""
    found = tallied(connection, replace(asked, is_settled=True), ("verdict", "settled_verdict"))
    return {(Verdict(verdict), Verdict(settled)): parts for (verdict, settled), parts in found.items()}


def lots(
    connection: Connection, product: str | None = None, *, size: int = 50, behind: LotRow | None = None
) -> tuple[LotRow, ...]:
    """Lots, those with the newest part first, or those behind one of them."""
    wanted = select(LOTS)
    if product is not None:
        wanted = wanted.where(LOTS.c.product == product)
    if behind is not None:
        after = _is_behind(LOTS.c.last_us, LOTS.c.product, behind.last_us, behind.product)
        same = and_(LOTS.c.last_us == behind.last_us, LOTS.c.product == behind.product, LOTS.c.lot < (behind.lot or ""))
        wanted = wanted.where(or_(after, same))
    newest = wanted.order_by(LOTS.c.last_us.desc(), LOTS.c.product.desc(), LOTS.c.lot.desc()).limit(size)
    return tuple(LotRow(**{**row, "lot": row["lot"] or None}) for row in connection.execute(newest).mappings())


def _is_behind(
    first: ColumnElement[Any], second: ColumnElement[Any], last_first: object, last_second: object
) -> ColumnElement[bool]:
    """Whether a row comes after another one, in descending order; the first bound alone can be looked up."""
    return and_(first <= last_first, or_(first < last_first, second < last_second))


def _counted(connection: Connection, asked: PartFilter) -> int:
    sql = asked_parts(asked)
    counted = select(func.count()).select_from(sql.counted).where(*sql.where)
    return connection.execute(counted).scalar_one()


def _tallies(
    connection: Connection, asked: PartFilter, by: Sequence[str], first_hour: int | None, end_hour: int | None
) -> dict[tuple[Any, ...], int]:
    where = asked_tallies(asked)
    if where is None:
        raise OptionError("tallies: do not tell scores, ids and reviewers; leave them out of the filter.")
    columns = [TALLIES.c[name] for name in by]
    parts = func.sum(TALLIES.c.parts)
    wanted = select(*columns, parts).where(*where, *between(TALLIES.c.hour, first_hour, end_hour))
    rows = connection.execute(wanted.group_by(*columns).order_by(*columns).having(parts > 0))
    return {tuple(row)[:-1]: int(row[-1]) for row in rows}


def _part(row: RowMapping) -> PartRow:
    values: dict[str, Any] = dict(row)
    values["verdict"] = Verdict(values["verdict"])
    if values["settled_verdict"] is not None:
        values["settled_verdict"] = Verdict(values["settled_verdict"])
    return PartRow(**values)
