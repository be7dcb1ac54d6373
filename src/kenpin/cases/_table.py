"""The LanceDB table of a library: opening, creating, and its errors in a sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from functools import reduce
from operator import and_
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kenpin.cases.case import CaseFilter, Metric, VectorRun
from kenpin.errors import CaseLibraryError, KenpinError, MissingExtraError
from kenpin.files import cannot_write, sync
from kenpin.installing import installing

if TYPE_CHECKING:
    from lancedb.db import DBConnection
    from lancedb.expr import Expr
    from lancedb.table import Table

VERSION = 1
_NAME = "cases"
_ABOUT = b"kenpin"
"""Key of the table's own metadata: version, run and metric."""
_COLUMNS = [
    # LanceDB's primary key, else two processes that add the same case at the same time would both add it
    pa.field("id", pa.string(), nullable=False, metadata={"lance-schema:unenforced-primary-key": "true"}),
    pa.field("picture", pa.string(), nullable=False),
    pa.field("verdict", pa.string(), nullable=False),
    pa.field("label", pa.string()),
    pa.field("note", pa.string()),
    pa.field("lot", pa.string()),
    pa.field("added", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("thumbnail", pa.binary()),
]
COLUMNS = tuple(column.name for column in _COLUMNS)
"""All columns but the vector."""


def find_table(uri: str) -> Table | None:
    """The table of the library at this URI; None where there is none yet. Raises CaseLibraryError."""
    folder = _local(uri)
    if folder is not None and (not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))):
        return None  # connecting would make the folder
    if folder is not None and not folder.is_dir():
        raise CaseLibraryError(f"{uri}: is a file, and a library of cases is a folder; choose another folder.")
    with in_a_sentence(uri):
        database = _connect(uri)
        if _NAME not in database.list_tables().tables:
            if folder is None:
                return None
            raise CaseLibraryError(
                f"{uri}: is not a library of cases, but a folder of other files; choose another folder."
            )
        if folder is not None and _never_made(folder / f"{_NAME}.lance"):
            return None
        return database.open_table(_NAME)


def make_table(uri: str, run: VectorRun, dimension: int, metric: Metric) -> Table:
    """A new empty table, or the table that another process made meanwhile. Raises CaseLibraryError."""
    schema = pa.schema(
        [*_COLUMNS, pa.field("vector", pa.list_(pa.float32(), dimension), nullable=False)],
        {_ABOUT: json.dumps({"version": VERSION, "metric": metric, "run": asdict(run)}, ensure_ascii=False)},
    )
    with in_a_sentence(uri):
        database = _connect(uri)
        try:
            return database.create_table(_NAME, schema=schema)
        except ValueError:  # another process was faster
            return database.open_table(_NAME)


def read_about(uri: str, table: Table) -> tuple[VectorRun, Metric]:
    """The run of a table's embeddings, and its metric. Raises CaseLibraryError."""
    with in_a_sentence(uri):
        if _ABOUT not in (table.schema.metadata or {}):
            raise CaseLibraryError(f"{uri}: holds a table of cases that kenpin did not make; choose another folder.")
        about = json.loads(table.schema.metadata[_ABOUT])
        if about["version"] != VERSION:
            raise CaseLibraryError(
                f"{uri}: has version {about['version']}, this kenpin reads {VERSION}; use the kenpin that made it."
            )
        return VectorRun(**about["run"]), about["metric"]


def condition(chosen: CaseFilter) -> Expr | None:
    """The condition of the selected rows, without parsing values as text; None: all rows."""
    from lancedb.expr import col

    parts = [col(column).isin(values) for column, values in chosen.columns().items()]
    return reduce(and_, parts) if parts else None


@contextmanager
def in_a_sentence(uri: str) -> Iterator[None]:
    """Turn errors of LanceDB into a CaseLibraryError."""
    try:
        with cannot_write(Path(uri)):
            yield
    except KenpinError:
        raise
    except Exception as error:  # on damaged files its panics are among them
        reason = re.split(r", /|\n", str(error))[0][:200]  # without positions in LanceDB's source
        raise CaseLibraryError(
            f"{uri}: the library cannot be used ({reason}); restore it from a copy, or make another."
        ) from error


def _connect(uri: str) -> DBConnection:
    try:
        import lancedb
    except ImportError as error:
        if error.name != "lancedb":
            raise
        raise MissingExtraError(f"the library of cases needs lancedb: {installing('cases')}") from error
    # so that cases of other processes are seen at once
    return lancedb.connect(uri, read_consistency_interval=timedelta(0))


def on_disk(uri: str) -> None:
    """Flush a library in a folder to disk, against a power failure; an object store does so by itself."""
    folder = _local(uri)
    if folder is not None:
        sync(folder)


def _local(uri: str) -> Path | None:
    """The folder of a URI; None for an object store."""
    scheme, separator, rest = uri.partition("://")
    if not separator:
        return Path(uri).expanduser()
    return Path(rest) if scheme == "file" else None


def _never_made(folder: Path) -> bool:
    """Whether the creation of the table was cut off before its first version: it then never had a row."""
    return not any(folder.glob("_versions/*.manifest")) and not any(folder.glob("data/*"))
