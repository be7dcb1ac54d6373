"""Parquet shards: files with a column of pictures as bytes, read in place, in a folder or behind an address as s3://.

Columns are those of `huggingface`. Only annotations are read here; a row group of pictures is fetched when one of them
is opened. A local folder is `huggingface` unless this format is named: that copies all pictures to the library's own
folder first, and opens them in any order at the same speed.
"""

from __future__ import annotations

from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kenpin.data.dataset import Dataset
from kenpin.data.in_shards import PARQUET, ShardFile, address, parquet_file, picture_column, shards_below
from kenpin.data.reading import Reading
from kenpin.data.reading.library_tables import ROOM_BYTES, UNPACKED_RATIO, as_table, split_of
from kenpin.data.reading.mask_pictures import only_read
from kenpin.data.reading.tables import TableReader
from kenpin.data.rows import SCHEMA
from kenpin.errors import DatasetError, first_line

if TYPE_CHECKING:
    import datasets

SUMMARY = "Parquet shards read in place: pictures as bytes in a column, in a folder or behind s3:// or gs://"
CARRIES: frozenset[str] = frozenset()
_PICTURE = SCHEMA.field("image").type
_BATCH = 1_000


def recognises(path: Path) -> bool:
    """Never: a folder of such files is `huggingface`, unless this format is named."""
    return False


def read(path: Path, reading: Reading) -> Dataset:
    """The rows of all files in their order. Raises MissingExtraError."""
    return read_shards(str(path), reading)


def read_shards(root: str, reading: Reading) -> Dataset:
    """The same of a folder, a file or an address. Raises OSError, MissingExtraError."""
    by_split: dict[str | None, list[ShardFile]] = {}
    for shard in shards_below(root, PARQUET):
        reading.use(shard.path)
        by_split.setdefault(split_of(PurePath(shard.below)), []).append(shard)
    if not by_split:
        reading.tell("unparsable-file", root, "there is no Parquet file in it", "Correct the path, or name its format")
    parts: list[Dataset] = []
    taken: set[str] = set()
    for split, shards in by_split.items():
        tables = [table for shard in shards if (table := _annotations(shard, reading)) is not None]
        if tables:
            parts.append(_of_table(as_table(_joined(tables), "reading Parquet shards"), split, root, reading, taken))
    if not parts:
        return Dataset.from_examples([], root=root, format="parquet")
    classes = list(dict.fromkeys(name for part in parts for name in part.declared_classes))
    rows = pa.concat_tables([part.arrow for part in parts])
    return Dataset(rows, classes=classes, root=root, format="parquet")


def _of_table(table: datasets.Dataset, split: str | None, root: str, reading: Reading, taken: set[str]) -> Dataset:
    reader = TableReader(table, split, Path(root), reading)
    annotations = Dataset.from_examples(reader.examples(taken), classes=reader.classes)
    if not len(annotations):
        return annotations
    rows = annotations.arrow
    pictures = reader.kept_pictures().cast(_PICTURE)
    rows = rows.set_column(rows.column_names.index("image"), SCHEMA.field("image"), pictures)
    return Dataset(rows, classes=reader.classes)


def _joined(tables: list[pa.Table]) -> pa.Table:
    """Raises DatasetError where a column is of another kind in another file."""
    try:
        return pa.concat_tables(tables, promote_options="permissive").replace_schema_metadata(tables[0].schema.metadata)
    except pa.ArrowException as error:
        raise DatasetError(f"the files do not have the same columns ({first_line(error)}); give them apart.") from error


def _annotations(shard: ShardFile, reading: Reading) -> pa.Table | None:
    """The columns of a file, with the places of its pictures for the pictures; None, and a finding, where it cannot be
    read."""
    try:
        with parquet_file(shard.path) as opened:
            schema: pa.Schema = opened.schema_arrow
            column = picture_column(schema)
            if column is None:
                what = f"there is no column of pictures as bytes among {', '.join(schema.names)}"
                reading.tell("unparsable-file", shard.path, what, "Call it `image`")
                return None
            others = [name for name in schema.names if name != column]
            table = _bounded(opened, others, shard, schema) if others else None
            groups = [opened.metadata.row_group(number).num_rows for number in range(opened.num_row_groups)]
    except (OSError, pa.ArrowException, ValueError) as error:
        what = f"it cannot be read as Parquet ({first_line(error)})"
        reading.tell("unparsable-file", shard.path, what, "Write it again, or copy it again from its source")
        return None
    places = [
        {"bytes": None, "path": address(shard.path, f"g{group}r{row}", f"{row}")}
        for group, rows in enumerate(groups)
        for row in range(rows)
    ]
    pictures = pa.array(places, _PICTURE)
    field = pa.field(column, _PICTURE)
    table = pa.table({column: pictures}) if table is None else table.append_column(field, pictures)
    return table.replace_schema_metadata(schema.metadata)


def _bounded(opened: Any, columns: list[str], shard: ShardFile, schema: pa.Schema) -> pa.Table:
    """The columns of an honest file. Raises ValueError for one whose values stand for a billion others."""
    most, held, batches = ROOM_BYTES + UNPACKED_RATIO * shard.size, 0, []
    for batch in opened.iter_batches(batch_size=_BATCH, columns=columns):
        held += batch.nbytes
        if held > most:
            raise ValueError(f"its {shard.size:,} bytes unpack to more than {most:,}, as no honest table's do")
        batches.append(batch)
    return pa.Table.from_batches(batches, pa.schema([schema.field(name) for name in columns]))


def write(dataset: Dataset, path: Path) -> None:
    """This layout is only read. Raises DatasetError."""
    raise only_read("parquet")
