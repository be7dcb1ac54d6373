"""Parts as CSV and as Parquet, piece by piece: the first row is there at once, and memory holds but a piece."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from kenpin.data.spreadsheets import as_text_cell
from kenpin.records import Verdict
from kenpin.station.store.marks import TextsOf
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
    "settled_marks": str,
    "views": str,
    "key": str,
}
"""Columns of a table of parts; settled marks are JSON, a list of classes with boxes or corners in pixels, and so are
views: of parts by several pictures the name, picture, score and whether it decided of each."""
_FIRST_LINES, _LINES = 100, 1_000  # of CSV at a time
_GROUP = 10_000  # rows of Parquet at a time
_ASKED = 100  # parts whose marks are asked for at a time
_MARKS_LETTERS = 16_000_000  # of marks that are held at a time


def csv_pieces(
    parts: Iterable[PartRow], marks_of: TextsOf, views_of: TextsOf, *, for_spreadsheets: bool = False
) -> Iterator[str]:
    """A CSV file with a heading. marks_of, views_of: give settled marks and views of parts; for_spreadsheets: with
    an apostrophe before texts that a spreadsheet would compute as formulas; without it the texts are as they are."""
    yield _csv([[*COLUMNS]])
    for some in _some_rows(parts, marks_of, views_of, _FIRST_LINES, _LINES):
        cells = [[*row.values()] for row in some]
        if for_spreadsheets:
            cells = [[as_text_cell(cell) if isinstance(cell, str) else cell for cell in row] for row in cells]
        yield _csv(cells)


def parquet_pieces(parts: Iterable[PartRow], marks_of: TextsOf, views_of: TextsOf) -> Iterator[bytes]:
    """A Parquet file. marks_of, views_of: as for `csv_pieces`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {str: pa.string(), float: pa.float64(), int: pa.int64(), bool: pa.bool_()}
    schema = pa.schema([(name, kinds[kind]) for name, kind in COLUMNS.items()])
    sink = _Sink()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        for some in _some_rows(parts, marks_of, views_of, _GROUP, _GROUP):
            writer.write_table(pa.Table.from_pylist(some, schema=schema))
            yield sink.taken()
    yield sink.taken()


def table_row(part: PartRow, marks: str | None, views: str | None) -> dict[str, Any]:
    """A part with its settled marks and its views as a row of a table of `COLUMNS`."""
    given = {"judged_at": moment_of(part.judged_us), "settled_marks": marks, "views": views}
    return {name: given[name] if name in given else getattr(part, name) for name in COLUMNS}


def _some_rows(
    parts: Iterable[PartRow], marks_of: TextsOf, views_of: TextsOf, first: int, then: int
) -> Iterator[list[dict[str, Any]]]:
    """The rows of a table, some at a time: as many as `first`, then as many as `then`; fewer where marks are long."""
    coming, size = iter(parts), first
    rows: list[dict[str, Any]] = []
    letters = 0
    while some := [*islice(coming, min(_ASKED, size - len(rows)))]:
        failed = [part.key for part in some if part.settled_verdict is Verdict.FAIL]  # a good part has none
        marks = marks_of(failed) if failed else {}
        by_views = [part.key for part in some if part.content != part.picture_hash]  # that of one picture is its own
        views = views_of(by_views) if by_views else {}
        rows += [table_row(part, marks.get(part.key), views.get(part.key)) for part in some]
        letters += sum(map(len, (*marks.values(), *views.values())))
        if len(rows) == size or letters > _MARKS_LETTERS:
            yield rows
            rows, letters, size = [], 0, then
    if rows:
        yield rows


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
