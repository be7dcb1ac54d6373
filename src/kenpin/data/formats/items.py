"""Numbers: a CSV or Parquet table with a row for each part and a column for each measured item, without pictures.

`label` (or class), `group` (or lot, part, serial), `split` and `id` are optional. A column of numbers is an item; every
other column is an attribute. A CSV file is in UTF-8, its columns named by the first line; commas, semicolons, tabs
and bars are understood. Of a folder, the one CSV file in it is read.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kenpin.data.dataset import SCHEMA, Dataset, as_table
from kenpin.data.reading import Reading
from kenpin.data.reading.columns import attribute_columns, column_of, has_pictures
from kenpin.data.reading.names import split_name
from kenpin.data.reading.pictures import entries
from kenpin.errors import DatasetError
from kenpin.records import Severity

SUMMARY = "CSV or Parquet table of numbers, a row for each part, without pictures"
CARRIES = frozenset({"split", "label", "group", "attributes", "items"})

_DELIMITERS = ",;\t|"
_TEXTS = (".csv", ".tsv")
_OWN_COLUMNS = ("id", "label", "group", "split")
_LOOKED_AT = 20  # rows read to recognise a table of numbers


def recognises(path: Path) -> bool:
    """Whether it is a table without a column of pictures and with at least one of numbers."""
    file = _file_of(path)
    if file is None:
        return False
    try:
        head = _read(file, rows=_LOOKED_AT)
    except (pa.ArrowException, OSError):
        return False
    return not has_pictures(head.schema) and bool(_item_names(head))


def read(path: Path, reading: Reading) -> Dataset:
    """The table's rows; a row without a number in an item's cell is reported and left out."""
    file = _file_of(path)
    if file is None:
        reading.tell("missing-file", path, "there is not exactly one CSV file in it", "Name the file itself")
        return Dataset.from_examples([], root=path, format="items")
    try:
        table = _read(file)
    except (pa.ArrowException, OSError) as error:
        what = f"it cannot be read as a table ({' '.join(str(error).split())[:200]})"
        reading.tell("unparsable-file", file, what, "Give every row a cell for each column, or export it again")
        return Dataset.from_examples([], root=path, format="items")
    if twice := sorted({name for name in table.column_names if table.column_names.count(name) > 1}):
        what = f"it names the column {twice[0]!r} more than once"
        reading.tell("unparsable-file", file, what, "Give each column a name of its own")
        return Dataset.from_examples([], root=path, format="items")
    return of_table(table, path, reading, file)


def of_table(table: pa.Table, root: Path | None, reading: Reading, file: Path = Path("the table")) -> Dataset:
    """The rows of a table whose columns have different names. root: its folder; None: in memory; file: for messages.

    A row without a number in an item's cell is reported and left out.
    """
    names = _item_names(table)
    if not names:
        reading.tell("unparsable-file", file, "no column holds numbers", "Add measured items, a column each")
        return Dataset.from_examples([], root=root or "", format="items")
    numbers, sound = _numbers(table, names, file, reading)
    return _dataset(table.filter(pa.array(sound)), np.flatnonzero(sound), numbers[sound], names, root, file, reading)


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
        return path if path.suffix.lower() in (*_TEXTS, ".parquet") else None
    tables = [Path(entry.path) for entry in entries(path) if Path(entry.path).suffix.lower() in _TEXTS]
    return tables[0] if len(tables) == 1 else None


def _read(file: Path, rows: int | None = None) -> pa.Table:
    """The file's columns, those of a CSV file as text; the first rows alone where that is enough."""
    if file.suffix.lower() == ".parquet":
        import pyarrow.parquet as parquet

        if rows is None:
            return parquet.read_table(file)
        with parquet.ParquetFile(file) as opened:
            batches = opened.iter_batches(batch_size=rows)
            return pa.Table.from_batches([batch for batch, _ in zip(batches, [0], strict=False)], opened.schema_arrow)
    import pyarrow.csv

    with file.open(encoding="utf-8-sig", errors="replace") as stream:
        first = stream.readline()
        columns, delimiter = max(((_cells(first, d), d) for d in _DELIMITERS), key=lambda pair: len(pair[0]))
        source = pa.BufferReader((first + "".join(stream.readline() for _ in range(rows))).encode()) if rows else file
    return pyarrow.csv.read_csv(
        source,
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=rows is None),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )


def _cells(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter), [])


def _item_names(table: pa.Table) -> list[str]:
    """Columns whose names have no other meaning, and most of whose cells are numbers."""
    roles = {column_of(role, table.column_names) for role in ("label", "group", "split")} | {"id"}
    return [name for name in table.column_names if name not in roles and _is_numeric(table.column(name))]


def _is_numeric(column: pa.ChunkedArray) -> bool:
    if pa.types.is_integer(column.type) or pa.types.is_floating(column.type) or pa.types.is_decimal(column.type):
        return True
    if not pa.types.is_string(column.type) and not pa.types.is_large_string(column.type):
        return False
    cells = column.slice(0, _LOOKED_AT).to_pylist()
    return 2 * sum(_number(cell) is not None for cell in cells) > len(cells)


def _number(cell: object) -> float | None:
    try:
        return float(str(cell))
    except ValueError:
        return None


def _numbers(
    table: pa.Table, names: Sequence[str], file: Path, reading: Reading
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Numbers of the items, (rows, items) float64, and which rows are sound, (rows,)."""
    numbers = np.empty((len(table), len(names)))
    for column_index, name in enumerate(names):
        column = table.column(name)
        try:
            values = pc.cast(column, pa.float64())
        except pa.ArrowInvalid:
            values = pa.chunked_array([pa.array([_number(cell) for cell in column.to_pylist()], pa.float64())])
        numbers[:, column_index] = pc.fill_null(values, float("nan")).to_numpy()
    sound = np.isfinite(numbers)
    for row, column_index in np.argwhere(~sound).tolist():
        cell = table.column(names[column_index])[row].as_py()
        what = f"item {names[column_index]} is {'empty' if cell is None else f'{cell!r}, not a finite number'}"
        reading.tell("item-not-a-number", _where(file, row), what, "Measure it again, or leave the part out")
    return numbers, np.asarray(sound.all(axis=1))


def _where(file: Path, row: int) -> str:
    """File and row for messages; the line of a CSV file, where no cell before it spans several."""
    return f"{file}:{row + 2}" if file.suffix.lower() in _TEXTS else f"{file}: row {row}"


def _dataset(
    table: pa.Table,
    rows: NDArray[np.int64],
    numbers: NDArray[np.float64],
    names: Sequence[str],
    root: Path | None,
    file: Path,
    reading: Reading,
) -> Dataset:
    """The sound rows as columns of a data set, without an object for each row."""
    count = len(table)

    def texts(column: str | None) -> list[str | None]:
        if column is None:
            return [None] * count
        return [None if cell is None else str(cell) for cell in table.column(column).to_pylist()]

    by_row: list[str | None] = [f"row/{row:06d}" for row in rows.tolist()]
    ids = texts("id") if "id" in table.column_names else [None] * count
    ids = [given or own for given, own in zip(ids, by_row, strict=True)]
    if len(set(ids)) < count:
        what = "some ids occur twice; parts are named by their rows"
        remedy = "Nothing to do if the ids do not matter"
        reading.tell("duplicate-id", file, what, remedy, severity=Severity.INFO)
        ids = [*by_row]
    label, group, split = (column_of(role, table.column_names) for role in ("label", "group", "split"))
    further = [name for name in table.column_names if name not in {"id", label, group, split, *names}]
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
        "origin": [_where(file, row) for row in rows.tolist()],
    }
    arrays = [pa.array(columns.get(field.name, [None] * count), field.type) for field in SCHEMA]
    data = pa.Table.from_arrays(arrays, schema=SCHEMA)
    return Dataset(as_table(data), root=str(root or ""), format="items", item_names=names)
