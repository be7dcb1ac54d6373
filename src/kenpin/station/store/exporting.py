"""Parts as CSV and as Parquet, piece by piece: the first row is there at once, and memory holds but a piece."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from kenpin.data.spreadsheets import as_text_cell
from kenpin.station.store.queries import PartRow
from kenpin.station.store.tables import moment_of

COLUMNS = {
    "product": str,
    "id": str,
    "lot": str,
    "verdict": str,
    "label": str,
    "score": float,
    "distance": float,
    "brightness": float,
    "contrast": float,
    "sharpness": float,
    "reason": str,
    "judged_at": str,
    "version": int,
    "node": str,
    "picture_hash": str,
    "picture_bytes": int,
    "width_px": int,
    "height_px": int,
    "latency_s": float,
    "has_map": bool,
    "settled_verdict": str,
    "settled_label": str,
    "key": str,
}
"""Columns of a table of parts."""
_FIRST_LINES, _LINES = 100, 1_000  # of CSV at a time
_GROUP = 10_000  # rows of Parquet at a time


def csv_pieces(parts: Iterable[PartRow], *, for_spreadsheets: bool = False) -> Iterator[str]:
    """A CSV file with a heading. for_spreadsheets: with an apostrophe before texts that a spreadsheet would compute as
    formulas; without it the texts are as they are."""
    rows = map(table_row, parts)
    yield _csv([[*COLUMNS]])
    size = _FIRST_LINES
    while some := [*islice(rows, size)]:
        cells = [[*row.values()] for row in some]
        if for_spreadsheets:
            cells = [[as_text_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in cells]
        yield _csv(cells)
        size = _LINES


def parquet_pieces(parts: Iterable[PartRow]) -> Iterator[bytes]:
    """A Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    sink = _Sink()
    rows = map(table_row, parts)
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        while some := [*islice(rows, _GROUP)]:
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            yield sink.taken()
    yield sink.taken()


def table_row(part: PartRow) -> dict[str, Any]:
    """A part as a row of a table of `COLUMNS`."""
    return {name: moment_of(part.judged_us) if name == "judged_at" else getattr(part, name) for name in COLUMNS}


def _csv(rows: Iterable[Iterable[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # RFC 4180; None becomes an empty cell
    return text.getvalue()


class _Sink(io.RawIOBase):
    """A file that is taken away as it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._written: list[bytes] = []
        self._size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._written.append(bytes(data))
        self._size += len(self._written[-1])
        return len(self._written[-1])

    def tell(self) -> int:
        return self._size

    def taken(self) -> bytes:
        """What was written since this was called last."""
        data = b"".join(self._written)
        self._written.clear()
        return data
