"""Numbers: a CSV or Parquet table with a row for each part and a column for each measured item, without pictures.

`label` (or class, 判定 …), `group` (or lot, part, serial, ロット …), `split` and `id` are optional. A column of numbers
is an item; every other column is an attribute. A CSV file may be in any encoding, its columns named by the first line;
commas, semicolons, tabs and bars are understood, and so are decimal commas, thousands marks, and a line of units below
the first. Of a folder, the one CSV file in it is read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import attribute_columns, column_of
from kenpin.data.reading.names import split_name
from kenpin.data.reading.number_tables import TEXTS, first_columns, read_number_table
from kenpin.data.reading.numbers import MAY_BE_MARKED, NumberStyle, are_units, as_numbers, number_of, number_style
from kenpin.data.reading.picture_tables import names_pictures
from kenpin.data.reading.pictures import listed
from kenpin.data.rows import SCHEMA
from kenpin.errors import DatasetError
from kenpin.plural import counted
from kenpin.records import Severity

SUMMARY = "CSV or Parquet table of numbers, a row for each part, without pictures"
CARRIES = frozenset({"split", "label", "group", "attributes", "items"})

_OWN_COLUMNS = ("id", "label", "group", "split")
_ROLES = ("id", "label", "group", "split")
_LOOKED_AT = 20  # rows that tell whether a column holds numbers


def recognises(path: Path) -> bool:
    """Whether it is a table without a column of pictures and with at least one of numbers."""
    file = _file_of(path)
    if file is None:
        return False
    columns = first_columns(file)
    names = [name for name, _ in columns]
    if names_pictures(names) or any(isinstance(cell, dict | bytes) for _, cells in columns for cell in cells):
        return False
    roles = {column_of(role, names) for role in _ROLES}
    style = number_style((cell for _, cells in columns for cell in cells if isinstance(cell, str)), "")
    return any(
        name and name not in roles and _are_numbers(pa.array([_text(cell) for cell in cells], pa.string()), style)
        for name, cells in columns
    )


def read(path: Path, reading: Reading) -> Dataset:
    """The table's rows; a row without a number in an item's cell is reported and left out."""
    file = _file_of(path)
    if file is None:
        reading.tell("missing-file", path, "there is not exactly one CSV file in it", "Name the file itself")
    found = None if file is None else read_number_table(file, reading)
    if file is None or found is None:
        return Dataset.from_examples([], root=path, format="items")
    return of_table(found.table, path, reading, file, delimiter=found.delimiter, first_line=found.first_line)


def of_table(
    table: pa.Table,
    root: Path | None,
    reading: Reading,
    file: Path = Path("the table"),
    *,
    delimiter: str = "",
    first_line: int = 0,
) -> Dataset:
    """The rows of a table whose columns have different names. root: its folder; None: in memory; file: for messages;
    delimiter and first_line: of a CSV file, the line in which its first row stands.

    A row without a number in an item's cell is reported and left out.
    """
    if len(table) and are_units(_first_row(table)):
        what = f"it holds units ({', '.join(filter(None, _first_row(table)))}) and is left out"
        where = f"{file}:{first_line}" if first_line else f"{file}: row 0"
        reading.tell("units-left-out", where, what, "Nothing to do", severity=Severity.INFO)
        table, first_line = table.slice(1), first_line + 1
    style = number_style(_unusual(table), delimiter)
    names = _item_names(table, style)
    if not names or _is_headless(table, names):
        what, remedy = "no column holds numbers", "Add measured items, a column each"
        if names:
            what, remedy = "its first line holds numbers and no names of columns", "Write a line of names above it"
        reading.tell("unparsable-file", file, what, remedy)
        return Dataset.from_examples([], root=root or "", format="items")
    _tell_style(style, file, reading)
    source = _Source(file, first_line)
    numbers, sound = _numbers(table, names, style, source, reading)
    rows = np.flatnonzero(sound)
    return _dataset(table.filter(pa.array(sound)), rows, numbers[sound], names, root, source, reading)


def write(dataset: Dataset, path: Path) -> None:
    """Write `data.csv`, numbers to their last digit. Raises DatasetError for a data set of pictures."""
    if not dataset.item_names:
        raise DatasetError(f"{dataset.root}: it holds pictures, and a table of numbers holds none. Choose another one.")
    attributes = attribute_columns((example.attributes for example in dataset), (*_OWN_COLUMNS, *dataset.item_names))
    with (path / "data.csv").open("w", encoding="utf-8", newline="") as stream:
        table = csv.writer(stream)
        table.writerow([*_OWN_COLUMNS, *dataset.item_names, *attributes])
        for example in dataset:
            own = (example.id, example.label, example.group, example.split)
            further = (example.attributes.get(name) for name in attributes)
            table.writerow([*own, *map(repr, example.items or ()), *further])


def _file_of(path: Path) -> Path | None:
    """The file itself, or the only CSV table in the folder."""
    if path.is_file():
        return path if path.suffix.lower() in (*TEXTS, ".parquet") else None
    tables = [Path(entry.path) for entry in listed(path).ending(*TEXTS)]
    return tables[0] if len(tables) == 1 else None


@dataclass(frozen=True, slots=True)
class _Source:
    """Where rows come from, for messages."""

    file: Path
    first_line: int

    def of_row(self, row: int) -> str:
        """File and line, where no cell before it spans several; file and row of a file without lines."""
        return f"{self.file}:{row + self.first_line}" if self.first_line else f"{self.file}: row {row}"


def _first_row(table: pa.Table) -> list[str]:
    """The cells of text in the first row; of a table with columns of numbers, none."""
    if not all(map(_is_text, table.schema.types)):
        return []
    return [str(column[0].as_py() or "") for column in table.columns]


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _text(cell: object) -> str | None:
    return None if cell is None or isinstance(cell, bool) else str(cell)


def _unusual(table: pa.Table) -> Iterator[str]:
    """The cells that may be numbers with marks in them, each once, of all columns of text."""
    for column in table.columns:
        if _is_text(column.type):
            marked = column.filter(pc.match_substring_regex(column, MAY_BE_MARKED))
            yield from pc.unique(marked).to_pylist()


def _item_names(table: pa.Table, style: NumberStyle) -> list[str]:
    """Columns whose names have no other meaning, and most of whose cells are numbers."""
    roles = {column_of(role, table.column_names) for role in _ROLES}
    return [name for name in table.column_names if name not in roles and _is_numeric(table.column(name), style)]


def _is_numeric(column: pa.ChunkedArray, style: NumberStyle) -> bool:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return True
    return _is_text(column.type) and _are_numbers(column.slice(0, _LOOKED_AT).cast(pa.string()), style)


def _are_numbers(cells: pa.ChunkedArray | pa.StringArray, style: NumberStyle) -> bool:
    return bool(2 * (len(cells) - as_numbers(cells, style).null_count) > len(cells))


def _is_headless(table: pa.Table, names: Sequence[str]) -> bool:
    """Whether the names of the columns are the numbers of a part: none has another name, each is such as those below
    it, and they do not count the columns or wavelengths."""
    if len(names) < len(table.column_names) - 1 or any(column_of(role, table.column_names) for role in _ROLES):
        return False
    heads = [number_of(name) for name in names]
    numbers = [number for number in heads if number is not None]
    if len(numbers) < len(heads) or (len(heads) > 1 and numbers == sorted(set(numbers))):
        return False
    below = (as_numbers(table.column(name).cast(pa.string()), NumberStyle()) for name in names)
    ranges = [(pc.min(column).as_py(), pc.max(column).as_py()) for column in below]
    return all(
        low is not None and 2 * low - high - 1 <= number <= 2 * high - low + 1
        for number, (low, high) in zip(numbers, ranges, strict=True)
    )


def _tell_style(style: NumberStyle, file: Path, reading: Reading) -> None:
    if not style.pattern:
        return
    kind = "decimal commas" if style.has_decimal_commas else "marks between thousands"
    what, remedy, severity = f"its numbers have {kind}, such as {style.example!r}", "Nothing to do", Severity.INFO
    if style.is_doubtful:
        what += "; nothing shows that they are no decimal commas"
        remedy, severity = "Nothing to do if they are, else write the numbers with points", Severity.WARNING
    reading.tell("number-style", file, what, remedy, severity=severity)


def _numbers(
    table: pa.Table, names: Sequence[str], style: NumberStyle, source: _Source, reading: Reading
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers of the items, (rows, items) float64, and which rows are sound, (rows,)."""
    numbers = np.empty((len(table), len(names)))
    for column_index, name in enumerate(names):
        column = table.column(name)
        values = as_numbers(column, style) if _is_text(column.type) else pc.cast(column, pa.float64())
        numbers[:, column_index] = pc.fill_null(values, float("nan")).to_numpy()
    sound = np.isfinite(numbers)
    for row, column_index in np.argwhere(~sound).tolist():
        cell = table.column(names[column_index])[row].as_py()
        what = f"item {names[column_index]} is {'empty' if cell is None else f'{cell!r}, not a finite number'}"
        reading.tell("item-not-a-number", source.of_row(row), what, "Measure it again, or leave the part out")
    return numbers, np.asarray(sound.all(axis=1))


def _dataset(
    table: pa.Table,
    rows: NDArray[np.int64],
    numbers: NDArray[np.float64],
    names: Sequence[str],
    root: Path | None,
    source: _Source,
    reading: Reading,
) -> Dataset:
    """The sound rows as columns of a data set, without an object for each row."""
    count = len(table)

    def texts(column: str | None) -> list[str | None]:
        if column is None:
            return [None] * count
        return [None if cell is None else str(cell) for cell in table.column(column).to_pylist()]

    id_column, label, group, split = (column_of(role, table.column_names) for role in _ROLES)
    ids = _ids(texts(id_column), [f"row/{row:06d}" for row in rows.tolist()], source.file, reading)
    further = [name for name in table.column_names if name not in {id_column, label, group, split, *names}]
    cells = [texts(name) for name in further]
    attributes = [
        json.dumps(
            {name: cell for name, cell in zip(further, row, strict=True) if cell is not None}, ensure_ascii=False
        )
        for row in zip(*cells, strict=True)
    ] or ["{}"] * count
    columns = {
        "id": ids,
        "split": [None if name is None else split_name(name) or name for name in texts(split)],
        "label": texts(label),
        "group": texts(group),
        "items": pa.ListArray.from_arrays(np.arange(count + 1, dtype=np.int32) * len(names), numbers.ravel()),
        "attributes": attributes,
        "origin": [source.of_row(row) for row in rows.tolist()],
    }
    arrays = [pa.array(columns.get(field.name, [None] * count), field.type) for field in SCHEMA]
    data = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return Dataset(data, root=str(root or ""), format="items", item_names=names)


def _ids(stated: Sequence[str | None], by_row: list[str], file: Path, reading: Reading) -> list[str]:
    """The id of each part: the stated one, or that of its row where there is none or where they are not unique."""
    given = [id for id in stated if id]
    if len(set(given)) < len(given):
        what, remedy = "some ids occur twice; parts are named by their rows", "Nothing to do if the ids do not matter"
        reading.tell("duplicate-id", file, what, remedy, severity=Severity.INFO)
        return by_row
    if given and len(given) < len(stated):
        first = next(row for id, row in zip(stated, by_row, strict=True) if not id)
        left = counted(len(stated) - len(given), "part")
        what = f"{left} without an id, named by the row, the first is {first}"
        reading.tell("id-left-out", file, what, "Nothing to do if ids do not matter", severity=Severity.INFO)
    return [id or row for id, row in zip(stated, by_row, strict=True)]
