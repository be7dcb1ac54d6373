"""Tables of parts hold every part as it is, and begin before the last is read."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kenpin.data.spreadsheets import is_formula
from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.store.exporting import COLUMNS, csv_pieces, parquet_pieces, table_row
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.following import Follower
from kenpin.station.store.opening import Store
from kenpin.station.store.queries import PartRow, stream
from tests.station.store.made import append, part

ODD = (
    *("=cmd|' /C calc'!A0", "+1", "-1.5", "@SUM(A1)", "-ab", "\ttab"),
    *('a "quoted", comma', "two\r\nlines", "傷", "-", ""),
)

MARKS = '[{"label":"傷","box":[1.0,2.0,9.0,9.5]}]'

VIEWS = '[{"view":"=top","picture_hash":"","score":0.5,"decides":true}]'


@pytest.fixture
def parts(tmp_path: Path) -> list[PartRow]:
    """Parts with odd ids, lots, labels and reasons."""
    folder = StationFolder(tmp_path)
    append(folder, [part(n, id=text or "x", lot=text, label=text, reasons=(text,)) for n, text in enumerate(ODD)])
    with Store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        Follower(store, folder).take_up("n1")
        first, *others = stream(store, PartFilter())
        by_views = replace(others[0], content="f" * 32)
        return [replace(first, settled_verdict=Verdict.FAIL), by_views, *others[1:]]


def _marks_of(keys: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(keys, MARKS)


def _views_of(keys: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(keys, VIEWS)


def _rows(text: str) -> list[dict[str, str]]:
    return [*csv.DictReader(io.StringIO(text, newline=""))]


def test_csv_holds_every_text_as_it_is(parts: list[PartRow]) -> None:
    rows = _rows("".join(csv_pieces(parts, _marks_of, _views_of)))
    assert [row["lot"] for row in rows] == [*ODD[::-1]]
    assert [*rows[0]] == [*COLUMNS]
    assert rows[-1]["judged_at"] == "2026-01-01T00:00:00.000000+00:00"
    assert [row["views"] for row in rows] == ["", VIEWS, *[""] * (len(rows) - 2)]
    assert [row["settled_marks"] for row in rows] == [MARKS, *[""] * (len(rows) - 1)]
    assert (rows[-1]["settled_verdict"], rows[-1]["verdict"]) == ("", Verdict.PASS)


def test_for_a_spreadsheet_no_cell_is_a_formula(parts: list[PartRow]) -> None:
    plain, safe = (
        _rows("".join(csv_pieces(parts, _marks_of, _views_of, for_spreadsheets=wanted))) for wanted in (False, True)
    )
    assert any(is_formula(cell) for row in plain for cell in row.values())
    assert not any(is_formula(cell) for row in safe for cell in row.values())
    assert [{name: cell.removeprefix("'") for name, cell in row.items()} for row in safe] == plain


def test_parquet_holds_the_same(parts: list[PartRow]) -> None:
    pieces = [*parquet_pieces(parts, _marks_of, _views_of)]
    table = pq.read_table(io.BytesIO(b"".join(pieces)))
    assert table.to_pylist() == [
        table_row(one, MARKS if one.settled_verdict else None, VIEWS if one is parts[1] else None) for one in parts
    ]
    assert table.column_names == [*COLUMNS]
    empty = pq.read_table(io.BytesIO(b"".join(parquet_pieces([], _marks_of, _views_of))))
    assert (empty.num_rows, empty.schema) == (0, table.schema)


def test_the_first_rows_are_there_before_the_last(parts: list[PartRow]) -> None:
    def endless() -> Iterator[PartRow]:
        while True:
            yield from parts

    pieces = csv_pieces(endless(), _marks_of, _views_of)
    assert next(pieces).startswith("product,id")
    assert next(pieces).count("2026-01-01") < 200
    assert next(pieces) != ""
    blocks = parquet_pieces(endless(), _marks_of, _views_of)
    assert len(next(blocks)) > 0
    assert next(blocks) != b""
