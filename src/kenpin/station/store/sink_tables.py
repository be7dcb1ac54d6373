"""How far each sink was told, and which messages it refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Index,
    Integer,
    String,
    Table,
    Text,
    and_,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.sql.elements import ColumnElement

from kenpin.records_json import from_json, to_json
from kenpin.station.clock import now_us
from kenpin.station.store.metadata import METADATA
from kenpin.station.store.transactions import Transactions
from kenpin.station.told import Told

SINK_CURSORS = Table(
    "sink_cursors",
    METADATA,
    Column("sink", String(40), primary_key=True),
    Column("node", String(40), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("moved_us", BigInteger, nullable=False),
)
SINK_ASIDES = Table(
    "sink_asides",
    METADATA,
    Column("sink", String(40), primary_key=True),
    Column("node", String(40), primary_key=True),
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("part", String(32), nullable=False),
    Column("told", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("aside_us", BigInteger, nullable=False),
    Column("again", Boolean, nullable=False),
    Index("sink_asides_by_part", "sink", "node", "part"),
)
_LONGEST_REASON = 2000  # characters


@dataclass(frozen=True, slots=True)
class PutAside:
    """A message that a sink refused, or that waits behind one about the same part."""

    told: Told
    part: str
    """Key of what it is about."""
    reason: str
    tries: int
    """Times that it was sent; 0 where it only waits behind another."""
    aside_us: int
    """When it was put aside, in microseconds since 1970."""
    again: bool
    """Whether it is to be sent again."""


class SinkMarks:
    """How far a sink was told of a node's events, and what it refused of them."""

    def __init__(self, transactions: Transactions, sink: str, node: str) -> None:
        self._transactions = transactions
        self._names = {"sink": sink, "node": node}

    def moved(self) -> tuple[int, int] | None:
        """Position of the last event that the sink was told or that was put aside, and when that was, in microseconds
        since 1970; None for a new sink."""
        wanted = select(SINK_CURSORS.c.position, SINK_CURSORS.c.moved_us).where(self._mine(SINK_CURSORS))
        with self._transactions.connect() as connection:
            row = connection.execute(wanted).one_or_none()
        return None if row is None else (row.position, row.moved_us)

    def move(self, position: int) -> None:
        """Set how far the sink was told."""
        with self._transactions.begin() as connection:
            self._move(connection, position)

    def put_aside(self, told: Told, part: str, reason: str, tries: int) -> None:
        """Put an event aside and move on behind it, both or neither."""
        table = SINK_ASIDES
        with self._transactions.begin() as connection:
            mine = self._mine(table)
            connection.execute(delete(table).where(mine, table.c.position == told.position))
            refused = connection.execute(
                select(func.count())
                .select_from(table)
                .where(mine, table.c.part == part, table.c.tries > 0, table.c.again.is_(False))
            ).scalar_one()
            values = {
                "position": told.position,
                "part": part,
                "told": json.dumps(to_json(told)),  # ASCII: half a surrogate pair would not be stored
                "reason": _storable(reason),
                "tries": tries,
                "aside_us": now_us(),
                "again": tries == 0 and not refused,
            }
            connection.execute(insert(table).values(**self._names, **values))
            self._move(connection, told.position)

    def count_aside(self) -> int:
        """How many messages are put aside."""
        wanted = select(func.count()).select_from(SINK_ASIDES).where(self._mine(SINK_ASIDES))
        with self._transactions.connect() as connection:
            return connection.execute(wanted).scalar_one()

    def asides(self, most: int, *, behind: int = 0, again: bool = False) -> list[PutAside]:
        """The first messages that are put aside, in the order of their events. behind: position behind which they
        begin; again: only those that are to be sent again."""
        table = SINK_ASIDES
        wanted = (
            select(table).where(self._mine(table), table.c.position > behind).order_by(table.c.position).limit(most)
        )
        with self._transactions.connect() as connection:
            rows = connection.execute(wanted.where(table.c.again) if again else wanted).all()
        return [
            PutAside(
                from_json(Told, json.loads(row.told), f"table sink_asides, position {row.position}"),
                row.part,
                row.reason,
                row.tries,
                row.aside_us,
                row.again,
            )
            for row in rows
        ]

    def parts_aside(self) -> set[str]:
        """Keys of the parts that have messages put aside."""
        wanted = select(SINK_ASIDES.c.part).distinct().where(self._mine(SINK_ASIDES))
        with self._transactions.connect() as connection:
            return {*connection.execute(wanted).scalars()}

    def send_again(self, positions: Sequence[int] | None) -> None:
        """Have these messages sent again, all where positions is None, and with each the others about its part."""
        table = SINK_ASIDES
        wanted = self._mine(table)
        if positions is not None:
            parts = select(table.c.part).where(wanted, table.c.position.in_(positions))
            wanted = and_(wanted, table.c.part.in_(parts.scalar_subquery()))
        with self._transactions.begin() as connection:
            connection.execute(update(table).where(wanted).values(again=True))

    def refused_again(self, told: Told, part: str, reason: str, tries: int) -> None:
        """Note that a message was refused once more; those behind it wait with it."""
        table = SINK_ASIDES
        with self._transactions.begin() as connection:
            connection.execute(update(table).where(self._mine(table), table.c.part == part).values(again=False))
            connection.execute(
                update(table)
                .where(self._mine(table), table.c.position == told.position)
                .values(reason=_storable(reason), tries=tries)
            )

    def remove(self, position: int, part: str) -> bool:
        """Remove a message that was sent or given up, and tell whether the part has others. They are sent next, unless
        one of them was refused itself."""
        table = SINK_ASIDES
        of_part = and_(self._mine(table), table.c.part == part)
        with self._transactions.begin() as connection:
            connection.execute(delete(table).where(self._mine(table), table.c.position == position))
            tries = [*connection.execute(select(table.c.tries).where(of_part)).scalars()]
            if tries and not any(tries):
                connection.execute(update(table).where(of_part).values(again=True))
        return bool(tries)

    def _mine(self, table: Table) -> ColumnElement[bool]:
        return and_(*(table.c[name] == value for name, value in self._names.items()))

    def _move(self, connection: Connection, position: int) -> None:
        values = {"position": position, "moved_us": now_us()}
        done = connection.execute(update(SINK_CURSORS).where(self._mine(SINK_CURSORS)).values(**values))
        if not done.rowcount:
            connection.execute(insert(SINK_CURSORS).values(**self._names, **values))


def _storable(text: str) -> str:
    """Another's sentence as every store takes it."""
    return text[:_LONGEST_REASON].encode("utf-8", "replace").decode().replace("\0", " ")
