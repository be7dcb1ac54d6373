"""Files of numbers as Arrow tables: CSV of any encoding without a copy where it is UTF-8, and Parquet."""

from __future__ import annotations

import codecs
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from kenpin.data.reading import Reading
from kenpin.data.reading.delimited import TextTable, table_of_text
from kenpin.data.reading.reading import first_bytes, first_text
from kenpin.records import Severity

TEXTS = (".csv", ".tsv")
"""Endings of files of text, in small letters."""
_LOOK_AT_BYTES = 2**18
_LOOKED_AT = 20  # rows
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class NumberTable:
    """A table whose columns have different names, those of a CSV file as text."""

    table: pa.Table
    delimiter: str = ""
    first_line: int = 0
    """Line of a CSV file in which its first row stands; 0 where rows have no lines."""


def first_columns(file: Path) -> list[tuple[str, Sequence[object]]]:
    """The name and the first cells of each column; none where it is no table. A look never fails."""
    try:
        if file.suffix.lower() not in TEXTS:
            table = _parquet(file, rows=_LOOKED_AT)
            return [(name, column.to_pylist()) for name, column in zip(table.column_names, table.columns, strict=True)]
    except (pa.ArrowException, OSError):
        return []
    text = table_of_text(first_text(file, _LOOK_AT_BYTES))
    if text is None:
        return []
    rows = [cells for _, cells in islice(text.rows(), _LOOKED_AT) if isinstance(cells, list)]
    return [(name, [cells[at] for cells in rows if at < len(cells)]) for at, name in enumerate(text.columns)]


def read_number_table(file: Path, reading: Reading) -> NumberTable | None:
    """The whole table; None, and a finding, where it cannot be read."""
    reading.use(file)
    has_lines = file.suffix.lower() in TEXTS
    try:
        found = _csv(file, reading) if has_lines else NumberTable(_parquet(file))
    except (pa.ArrowException, OSError) as error:
        what = f"it cannot be read as a table ({' '.join(str(error).split())[:200]})"
        reading.tell("unparsable-file", file, what, "Give every row a cell for each column, or export it again")
        return None
    if found is None:
        return None
    where = f"{file}:{found.first_line - 1}" if has_lines else str(file)
    names = found.table.column_names
    if twice := [name for name, count in Counter(names).items() if name and count > 1]:
        what = f"it names the column {twice[0]!r} more than once"
        reading.tell("unparsable-file", where, what, "Give each column a name of its own")
        return None
    unnamed = [at for at, name in enumerate(names) if not name]
    table = found.table.select([at for at, name in enumerate(names) if name])
    if left := [at for at in unnamed if found.table.column(at).null_count < len(found.table)]:
        # a first one without a name is the count of rows that pandas writes
        severity = Severity.INFO if left == [0] else Severity.WARNING
        what = f"column {left[0] + 1} has no name, so that it is not read"
        reading.tell("column-not-read", where, what, "Name it, if it is of any use", severity=severity)
    return NumberTable(table, found.delimiter, found.first_line)


def _parquet(file: Path, rows: int | None = None) -> pa.Table:
    """The columns of a Parquet file; the first rows alone where that is enough."""
    import pyarrow.parquet as parquet

    if rows is None:
        return parquet.read_table(file)
    with parquet.ParquetFile(file) as opened:
        batches = opened.iter_batches(batch_size=rows)
        return pa.Table.from_batches(list(islice(batches, 1)), opened.schema_arrow)


def _csv(file: Path, reading: Reading) -> NumberTable | None:
    """The columns of a CSV file as text; None, and a finding, where it is no text."""
    is_plain = reading.encoding in (None, "utf-8") and _is_utf8(first_bytes(file, _LOOK_AT_BYTES))
    text = first_text(file, _LOOK_AT_BYTES) if is_plain else reading.text_of(file)
    if text is None:
        return None
    head = table_of_text(text)
    if head is None:
        reading.tell("unparsable-file", file, "there is nothing in it", "Export it again")
        return None
    if not is_plain:
        return _columns(pa.BufferReader(text.encode()), head)
    try:
        return _columns(file, head)
    except pa.ArrowInvalid as error:
        if "UTF8" not in str(error):
            raise
    # the first byte that is no UTF-8 stands far behind the beginning
    text = reading.text_of(file)
    return None if text is None else _columns(pa.BufferReader(text.encode()), head)


def _is_text(name: str) -> bool:
    """Whether a name of the file system is UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in name)


def _is_utf8(beginning: bytes) -> bool:
    """Whether a file that begins so may be UTF-8, and is no UTF-16."""
    if b"\0" in beginning or beginning.startswith(_UTF16):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(beginning)  # a character may be cut off at the end
    except UnicodeDecodeError:
        return False
    return True


def _columns(source: Path | pa.BufferReader, head: TextTable) -> NumberTable:
    import pyarrow.csv

    if isinstance(source, Path) and not _is_text(str(source)):
        source = pa.PythonFile(source.open("rb"))  # Arrow takes no path that is no UTF-8
    numbers = [str(at) for at in range(head.width)]  # names of their own, whatever the head says
    table = pyarrow.csv.read_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(skip_rows=head.head_line, column_names=numbers),
        parse_options=pyarrow.csv.ParseOptions(delimiter=head.delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(numbers, pa.string()), strings_can_be_null=True, null_values=[""]
        ),
    )
    names = [*head.columns, *[""] * (head.width - len(head.columns))]
    return NumberTable(table.rename_columns(names), head.delimiter, head.head_line + 1)
