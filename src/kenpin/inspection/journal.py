"""The journal: part records as lines of JSON, append-only, on disk before they are reported, each part once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from kenpin import chained
from kenpin.chained import ChainedFile, LineKind, Mark
from kenpin.errors import RunError
from kenpin.files import new_file
from kenpin.inspection.offsets import PartOffsets
from kenpin.inspection.record import SCHEMA, PartKey, PartRecord, from_values, part_key, to_row, to_values

JOURNAL = "records.jsonl"
_INDEXED = {
    "id": str,
    "picture_hash": str,
    "picture_bytes": int,
    "modified_ns": int,
    "aside": str | None,
}
_ROWS = 5_000  # records turned into Arrow at a time
PART_RECORDS = LineKind(
    line="a part record",
    writer="the inspection",
    remedy="restore the file from a copy, or choose another --out and its parts are judged again",
    check=lambda values: all(isinstance(values[name], kinds) for name, kinds in _INDEXED.items()),
)
"""The lines of a journal."""


@dataclass(frozen=True, slots=True)
class Appended:
    """Records that were added to a journal: whoever follows it need not read them again."""

    path: Path
    before: Mark
    """Behind the last line that stood there before them."""
    records: tuple[tuple[PartRecord, int], ...]
    """Each with the offset of its line in bytes."""
    after: Mark


class Journal:
    """The records of a folder, for its only writer."""

    def __init__(self, path: Path) -> None:
        """Open or create it. An incomplete last line of a killed writer is cut off: that part is judged again.

        Raises RunError where a line is damaged, changed or missing.
        """
        self.path = path
        self._offsets = PartOffsets()
        self._asides: list[PartKey] = []
        self._lines = ChainedFile(path, PART_RECORDS, self._note)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def unguarded(self) -> int:
        """How many of the first lines an earlier kenpin wrote: a change of one is not noticed."""
        return self._lines.unguarded

    def close(self) -> None:
        """Close the file."""
        self._lines.close()

    def append(self, records: Sequence[PartRecord]) -> Appended:
        """Add records; when this returns they are on disk.

        Raises RunError for a part that has a record, OSError with the name of the file.
        """
        keys: set[PartKey] = set()
        for record in records:
            key = _key(record)
            if key in keys or self.find(key) is not None:
                raise RunError(
                    f"{self.path}: already has a record of {record.id} with this content; it stays as it is."
                )
            keys.add(key)
        before = self._lines.mark
        added = tuple(zip(records, self._lines.append([*map(to_values, records)]), strict=True))
        for record, offset in added:
            self._note({name: getattr(record, name) for name in _INDEXED}, offset)
        return Appended(self.path, before, added, self._lines.mark)

    def find(self, key: PartKey) -> PartRecord | None:
        """The record of a part; None where there is none. Raises RunError."""
        for offset in self._offsets.of(key):
            values, where = self._lines.at(offset)
            if _key_of(values) == key:
                return from_values(values, where)
        return None

    def files(self) -> dict[str, tuple[int, int]]:
        """By id, size in bytes and modification time in nanoseconds of the file as last judged. Reads all lines: who
        judges for months cannot hold them. Raises RunError."""
        lines = chained.read_lines(self.path, PART_RECORDS)
        files = (file for values, _ in lines for file in values.get("views") or (values,))
        return {file["id"]: (file["picture_bytes"], file["modified_ns"]) for file in files}

    def set_aside(self) -> Iterator[PartRecord]:
        """The records of files that were no pictures. Raises RunError."""
        for key in self._asides:
            if (record := self.find(key)) is not None:
                yield record

    def _note(self, values: Mapping[str, Any], offset: int) -> None:
        key = _key_of(values)
        self._offsets.add(key, offset)
        if values["aside"] is not None:
            self._asides.append(key)


def _key_of(values: Mapping[str, Any]) -> PartKey:
    return part_key(values["id"], values["picture_hash"], values["picture_bytes"], values["modified_ns"])


def _key(record: PartRecord) -> PartKey:
    return part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)


def read_records(path: Path) -> Iterator[PartRecord]:
    """The records in a journal, at any moment, also while it is being written. Raises RunError where a line is damaged,
    changed or missing, OSError."""
    for values, where in chained.read_lines(path, PART_RECORDS):
        yield from_values(values, where)


def unguarded_lines(path: Path) -> int:
    """How many of a journal's first lines an earlier kenpin wrote, without a hash. Raises RunError, OSError."""
    return chained.unguarded_lines(path, PART_RECORDS)


def write_parquet(path: Path, out: Path) -> int:
    """Write a journal's records as Parquet, under a temporary name that is renamed last; returns how many they are.

    Raises RunError, OSError.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    count = 0
    with new_file(out) as unfinished, pq.ParquetWriter(unfinished, SCHEMA, compression="zstd") as writer:
        for rows in _in_blocks(map(to_row, read_records(path))):
            writer.write_table(pa.Table.from_pylist(rows, schema=SCHEMA))
            count += len(rows)
    return count


def _in_blocks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while block := list(islice(rows, _ROWS)):
        yield block
