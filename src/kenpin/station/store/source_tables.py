"""Which files of a watched folder have their records: a memory that saves reading them again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import TypeVar

from sqlalchemy import BigInteger, Column, String, Table, Text, and_, delete, insert, select
from sqlalchemy.sql.elements import ColumnElement

from kenpin.station.store.metadata import METADATA
from kenpin.station.store.transactions import Transactions

SOURCE_FILES = Table(
    "source_files",
    METADATA,
    Column("source", String(40), primary_key=True),
    Column("node", String(40), primary_key=True),
    Column("file", String(32), primary_key=True),
    Column("id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("modified_ns", BigInteger, nullable=False),
)
_AT_ONCE = 500
Item = TypeVar("Item")


class StoredFiles:
    """The files of a source on a node that have their records."""

    def __init__(self, transactions: Transactions, source: str, node: str) -> None:
        self._transactions = transactions
        self._names = {"source": source, "node": node}

    def all(self) -> dict[str, tuple[int, int]]:
        """Size in bytes and modification time in nanoseconds of each, by its id."""
        table = SOURCE_FILES
        wanted = select(table.c.id, table.c.size_bytes, table.c.modified_ns).where(self._mine())
        with self._transactions.connect() as connection:
            return {row.id: (row.size_bytes, row.modified_ns) for row in connection.execute(wanted)}

    def add(self, files: Mapping[str, tuple[int, int]]) -> None:
        """Add files in the same form; another state of a file replaces its former one."""
        rows = [
            {**self._names, "file": _key(id), "id": id, "size_bytes": size, "modified_ns": modified}
            for id, (size, modified) in files.items()
        ]
        if not rows:
            return
        with self._transactions.begin() as connection:
            for some in _by(rows):
                keys = [row["file"] for row in some]
                connection.execute(delete(SOURCE_FILES).where(self._mine(), SOURCE_FILES.c.file.in_(keys)))
                connection.execute(insert(SOURCE_FILES), some)

    def remove(self, ids: Iterable[str]) -> None:
        """Forget files."""
        with self._transactions.begin() as connection:
            for some in _by([_key(id) for id in ids]):
                connection.execute(delete(SOURCE_FILES).where(self._mine(), SOURCE_FILES.c.file.in_(some)))

    def _mine(self) -> ColumnElement[bool]:
        return and_(*(SOURCE_FILES.c[name] == value for name, value in self._names.items()))


def _key(id: str) -> str:
    """A path may be longer than a key of an index."""
    return hashlib.blake2b(id.encode(), digest_size=16).hexdigest()


def _by(items: Iterable[Item]) -> Iterator[list[Item]]:
    coming = iter(items)
    while some := [*islice(coming, _AT_ONCE)]:
        yield some
