"""The journal: part records as lines of JSON, append-only, on disk before they are reported, each part once.

Each line holds the hash of all that stands above it: a line that is changed, or taken out, is noticed by the next one.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, Any

from kenpin.errors import RunError
from kenpin.files import new_file, sync_folder
from kenpin.inspection.record import BEFORE, SCHEMA, PartKey, PartRecord, from_values, part_key, to_line, to_row
from kenpin.strict_json import parse_json

JOURNAL = "records.jsonl"
_INDEXED = {
    "id": str,
    "picture_hash": str,
    "picture_bytes": int,
    "modified_ns": int,
    "aside": str | None,
}
_ROWS = 5_000  # records turned into Arrow at a time
_LONGEST_LINE = 256 * 1024**2
_REMEDY = "restore the file from a copy, or choose another --out and its parts are judged again"


class Journal:
    """The records of a folder, for its only writer."""

    def __init__(self, path: Path) -> None:
        """Open or create it. An incomplete last line of a killed writer is cut off: that part is judged again.

        Raises RunError where a line is damaged, changed or missing.
        """
        self.path = path
        self._offsets: dict[PartKey, int] = {}
        self._files: dict[str, tuple[int, int]] = {}
        self._asides: list[PartKey] = []
        self._end = 0
        path.touch()
        self._chain = _Chain(path)
        with path.open("rb") as file:
            for offset, line in _whole_lines(file):
                self._note(self._chain.values(line), offset)
                self._end = offset + len(line)
        self._file = path.open("r+b", buffering=0)
        with self._named_errors():
            self._cut_off_the_rest()
            self._sync()
        sync_folder(path.parent)

    def __len__(self) -> int:
        return len(self._offsets)

    @property
    def unguarded(self) -> int:
        """How many of the first lines an earlier kenpin wrote: a change of one is not noticed."""
        return self._chain.unguarded

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def append(self, records: Sequence[PartRecord]) -> None:
        """Add records; when this returns they are on disk.

        Raises RunError for a part that has a record, OSError with the name of the file.
        """
        offsets: dict[PartKey, int] = {}
        data = b""
        digest = self._chain.digest.copy()
        for record in records:
            key = _key(record)
            if key in self._offsets or key in offsets:
                raise RunError(
                    f"{self.path}: already has a record of {record.id} with this content; it stays as it is."
                )
            offsets[key] = self._end + len(data)
            line = to_line(record, digest.hexdigest()).encode()
            digest.update(line)
            data += line
        with self._named_errors():
            self._cut_off_the_rest()
            rest = memoryview(data)
            while rest:
                rest = rest[self._file.write(rest) :]
            self._sync()
        self._end += len(data)
        self._chain.digest = digest
        for record, offset in zip(records, offsets.values(), strict=True):
            self._note({name: getattr(record, name) for name in _INDEXED}, offset)

    def find(self, key: PartKey) -> PartRecord | None:
        """The record of a part; None where there is none. Raises RunError."""
        offset = self._offsets.get(key)
        if offset is None:
            return None
        with self.path.open("rb") as file:
            file.seek(offset)
            return from_values(_values(file.readline(), f"{self.path} byte {offset}"), f"{self.path} byte {offset}")

    def files(self) -> dict[str, tuple[int, int]]:
        """By id, size in bytes and modification time in nanoseconds of the file as last judged."""
        return dict(self._files)

    def set_aside(self) -> Iterator[PartRecord]:
        """The records of files that were no pictures. Raises RunError."""
        for key in self._asides:
            if (record := self.find(key)) is not None:
                yield record

    def _note(self, values: Mapping[str, Any], offset: int) -> None:
        key = part_key(values["id"], values["picture_hash"], values["picture_bytes"], values["modified_ns"])
        self._offsets[key] = offset
        self._files[values["id"]] = (values["picture_bytes"], values["modified_ns"])
        if values["aside"] is not None:
            self._asides.append(key)

    def _cut_off_the_rest(self) -> None:
        """Cut off the bytes that a killed writer or a failed append left behind the last record."""
        self._file.truncate(self._end)
        self._file.seek(self._end)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Add the file's name to errors on the open file, which lack it."""
        try:
            yield
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(self.path)) from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


def _key(record: PartRecord) -> PartKey:
    return part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)


def read_records(path: Path) -> Iterator[PartRecord]:
    """The records in a journal, at any moment, also while it is being written. Raises RunError where a line is damaged,
    changed or missing, OSError."""
    chain = _Chain(path)
    with path.open("rb") as file:
        for _, line in _whole_lines(file):
            yield from_values(chain.values(line), chain.where)


def unguarded_lines(path: Path) -> int:
    """How many of a journal's first lines an earlier kenpin wrote, without a hash. Raises RunError, OSError."""
    chain = _Chain(path)
    with path.open("rb") as file:
        for _, line in _whole_lines(file):
            if BEFORE in chain.values(line):
                break
    return chain.unguarded


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


class _Chain:
    """The lines of a journal as they are read or written, each checked against the hash in the next one."""

    def __init__(self, path: Path) -> None:
        self._path, self._number = path, 0
        self.digest = hashlib.blake2b(digest_size=16)
        """Of all lines so far."""
        self.unguarded = 0
        """Lines so far without a hash; they stand above all others."""

    @property
    def where(self) -> str:
        """The present line, for messages."""
        return f"{self._path} line {self._number}"

    def values(self, line: bytes) -> dict[str, Any]:
        """The JSON of the next line. Raises RunError."""
        self._number += 1
        values = _values(line, self.where)
        before = values.get(BEFORE)
        if before is None and self.unguarded == self._number - 1:
            self.unguarded += 1
        elif before != self.digest.hexdigest():
            what = f"line {self._number - 1} was changed, or a line was taken out or put in behind it"
            if self._number == 1:
                what = "a line was taken out above it"
            raise RunError(f"{self.where}: does not follow what the inspection wrote before it: {what}; {_REMEDY}.")
        self.digest.update(line)
        return values


def _whole_lines(file: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Offset in bytes and each complete line; the last may still be written. Raises RunError for an endless one."""
    offset = 0
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise RunError(f"{file.name} byte {offset}: a line has more than {_LONGEST_LINE:,} bytes; {_REMEDY}.")
        if line.endswith(b"\n"):
            yield offset, line
        offset += len(line)


def _values(line: bytes, where: str) -> dict[str, Any]:
    try:
        values: dict[str, Any] = parse_json(line)
        if not all(isinstance(values[name], kinds) for name, kinds in _INDEXED.items()):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{where}: is not a part record; {_REMEDY}.") from error
    return values


def _in_blocks(rows: Iterator[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    while block := list(islice(rows, _ROWS)):
        yield block
