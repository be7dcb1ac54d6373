"""Events of a node in their order, as sinks are told of them: parts judged, parts reviewed, versions switched to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import (
    LABEL_STYLE_TABLENAME_PLUS_COL,
    Column,
    Connection,
    Executable,
    Index,
    Integer,
    String,
    Table,
    func,
    select,
)

from kenpin.records import Verdict
from kenpin.station.store.metadata import METADATA
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.tables import BigNumber, ShortText, insert_of, is_postgresql, moment_of
from kenpin.station.store.transactions import Transactions
from kenpin.station.told import Told, ToldKind

# not among the tables that a rebuild empties: an event keeps its position, by which sinks know how far they are
EVENTS = Table(
    "events",
    METADATA,
    Column("position", BigNumber, primary_key=True),
    Column("node", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("source", String(80), nullable=False, unique=True),  # the part, or the trail's entry, that it came from
    Column("key", String(32)),  # of the part
    Column("product", String, nullable=False),
    Column("version", Integer, nullable=False),
    Column("verdict", String),  # of the person, where the part was reviewed
    Column("label", ShortText),
    Column("at_us", BigNumber, nullable=False),
    Index("events_of_node", "node", "position"),
    sqlite_autoincrement=True,
)


def note_judged(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Add the events of parts that were judged, by their rows. Called in its turn (`wait_for_turn`)."""
    _note(
        connection,
        [
            {"node": row["node"], "kind": "judged", "source": row["key"], "key": row["key"], "product": row["product"],
             "version": row["version"], "verdict": None, "label": None, "at_us": row["judged_us"]}
            for row in rows
        ],
    )  # fmt: skip


def note_reviewed(
    connection: Connection, entry: tuple[str, int], key: str, verdict: str, label: str | None, at_us: int
) -> None:
    """Add the event of a person's review. entry: node and number of its entry in the trail."""
    part = connection.execute(select(PARTS.c.product, PARTS.c.version).where(PARTS.c.key == key)).one_or_none()
    if part is not None:
        found = {"kind": "reviewed", "key": key, "product": part.product, "version": part.version}
        _note(connection, [{**_of(entry), **found, "verdict": verdict, "label": label, "at_us": at_us}])


def note_switched(connection: Connection, entry: tuple[str, int], product: str, version: int, at_us: int) -> None:
    """Add the event of another version that judges from now on. entry: node and number of its entry in the trail."""
    found = {"kind": "switched", "key": None, "product": product, "version": version}
    _note(connection, [{**_of(entry), **found, "verdict": None, "label": None, "at_us": at_us}])


class NodeEvents:
    """The events of a node, as sinks read them."""

    def __init__(self, transactions: Transactions, node: str) -> None:
        self._transactions, self._node = transactions, node

    def after(self, position: int, most: int) -> list[Told]:
        """The first events behind a position, at most `most`. Raises StoreError."""
        wanted = (
            select(EVENTS, PARTS)
            .select_from(EVENTS.outerjoin(PARTS, EVENTS.c.key == PARTS.c.key))
            .where(EVENTS.c.node == self._node, EVENTS.c.position > position)
            .order_by(EVENTS.c.position)
            .limit(most)
            .set_label_style(LABEL_STYLE_TABLENAME_PLUS_COL)
        )
        with self._transactions.connect() as connection:
            return [_told(dict(row)) for row in connection.execute(wanted).mappings()]

    def count_after(self, position: int) -> int:
        """How many events stand behind a position. Raises StoreError."""
        wanted = select(func.count()).where(EVENTS.c.node == self._node, EVENTS.c.position > position)
        with self._transactions.connect() as connection:
            return int(connection.execute(wanted).scalar_one())

    def first_us_after(self, position: int) -> int | None:
        """When the first event behind a position happened, in microseconds since 1970; None where there is none. Raises
        StoreError."""
        behind = select(EVENTS.c.at_us).where(EVENTS.c.node == self._node, EVENTS.c.position > position)
        with self._transactions.connect() as connection:
            return connection.execute(behind.order_by(EVENTS.c.position).limit(1)).scalar()

    def last(self) -> int:
        """The position of the last event; 0 where there is none. Raises StoreError."""
        wanted = select(func.coalesce(func.max(EVENTS.c.position), 0)).where(EVENTS.c.node == self._node)
        with self._transactions.connect() as connection:
            return int(connection.execute(wanted).scalar_one())


def last_event_us(connection: Connection, node: str) -> int | None:
    """When the last event of a node happened, in microseconds since 1970; None where there is none."""
    its = select(EVENTS.c.at_us).where(EVENTS.c.node == node).order_by(EVENTS.c.position.desc()).limit(1)
    return connection.execute(its).scalar()


def _of(entry: tuple[str, int]) -> dict[str, Any]:
    node, number = entry
    return {"node": node, "source": f"{node} {number}"}


def _note(connection: Connection, rows: list[dict[str, Any]]) -> None:
    if rows:
        connection.execute(_insert_once(postgres=is_postgresql(connection)), rows)


@cache
def _insert_once(*, postgres: bool) -> Executable:
    return insert_of(EVENTS, postgres=postgres).on_conflict_do_nothing(index_elements=["source"])


def _told(row: Mapping[str, Any]) -> Told:
    kind: ToldKind = row["events_kind"]
    told = Told(
        position=row["events_position"],
        kind=kind,
        product=row["events_product"],
        version=row["events_version"],
        judged_at=moment_of(row["events_at_us"]),
    )
    if kind == "switched" or row["parts_key"] is None:
        return told
    is_review = kind == "reviewed"
    return Told(
        position=told.position,
        kind=kind,
        product=told.product,
        version=told.version,
        judged_at=told.judged_at,
        id=row["parts_id"],
        content=row["parts_content"],
        picture=row["parts_picture_hash"] or None,
        lot=row["parts_lot"],
        verdict=Verdict(row["events_verdict"] if is_review else row["parts_verdict"]),
        label=row["events_label"] if is_review else row["parts_label"],
        score=None if is_review else row["parts_score"],
        reasons=() if is_review else (row["parts_reason"],),
    )
