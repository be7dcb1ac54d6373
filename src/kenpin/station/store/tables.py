"""What all tables share: where they are gathered, and how times, texts and counts are kept."""

from __future__ import annotations

import hashlib
import importlib
import math
import pkgutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import BigInteger, Connection, Integer, MetaData, Table, Text, TypeDecorator
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from kenpin.station.store.metadata import METADATA

FROM_FILES = {"from_files": True}
"""`info` of a table that the station's files fill: it is emptied before a store is filled from them again."""
BigNumber = BigInteger().with_variant(Integer, "sqlite")
"""A whole number of 64 bits; SQLite counts rows only by its own INTEGER."""
SHORT = 200
"""Letters of a name that is kept whole."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHOWN = 40  # letters less than what is kept, for the hash
_MICROSECOND = timedelta(microseconds=1)


class ShortText(TypeDecorator[str]):
    """A text of strangers, such as a lot: whole where it is short, else its beginning with a hash, so that any can be
    part of an index. Values that are compared with it are shortened alike."""

    impl = Text
    cache_ok = True

    def __init__(self, most: int = SHORT) -> None:
        super().__init__()
        self.most = most

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        return None if value is None else short_text(value, self.most)


def short_text(text: str, most: int = SHORT) -> str:
    """The text as the store keeps it; PostgreSQL has no letter for a zero.

    >>> short_text("L-7"), len(short_text("a" * 1000))
    ('L-7', 193)
    """
    if len(text) <= most and "\0" not in text:
        return text
    digest = hashlib.blake2b(text.encode(), digest_size=16).hexdigest()
    beginning = text[: most - _SHOWN].replace("\0", "\N{SYMBOL FOR NULL}")
    return f"{beginning}…{digest}"


def as_number(value: float | None) -> float | None:
    """A number that can be compared; SQLite has no NaN."""
    return None if value is None or math.isnan(value) else value


def micros_of(moment: str) -> int:
    """Microseconds since 1970 of a moment in ISO 8601, UTC where it names no zone. Raises ValueError.

    >>> micros_of("1970-01-01T00:00:01.5+00:00")
    1500000
    """
    at = datetime.fromisoformat(moment)
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - _EPOCH) // _MICROSECOND


def moment_of(micros: int) -> str:
    """A moment in ISO 8601, UTC, of microseconds since 1970.

    >>> moment_of(1500000)
    '1970-01-01T00:00:01.500000+00:00'
    """
    return (_EPOCH + timedelta(microseconds=micros)).isoformat(timespec="microseconds")


def insert_into(connection: Connection, table: Table) -> postgresql.Insert | sqlite.Insert:
    """An INSERT of the connection's database, which can tell what becomes of a row that is there already."""
    return insert_of(table, postgres=is_postgresql(connection))


def insert_of(table: Table, *, postgres: bool) -> postgresql.Insert | sqlite.Insert:
    """The same by the kind of the database, for statements that are made once: making one takes longer than most take
    to be done."""
    return postgresql.insert(table) if postgres else sqlite.insert(table)


def is_postgresql(connection: Connection) -> bool:
    """Whether the store is a PostgreSQL."""
    return connection.dialect.name == "postgresql"


def all_tables() -> MetaData:
    """Every table of the store: each module of this package whose name ends with `_tables` adds its own."""
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.endswith("_tables"):
            importlib.import_module(f"{__package__}.{module.name}")
    return METADATA
