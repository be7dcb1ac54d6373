"""Files of lines that are only ever appended, on disk before they are reported.

Each line is a JSON object and holds the hash of all that stands above it: a line that is changed, or taken out, is
noticed by the next one.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from kenpin.errors import RunError
from kenpin.files import sync, sync_folder
from kenpin.strict_json import parse_json

BEFORE = "before"
"""Key of a line: the hash of all that stands above it."""
_LONGEST_LINE = 256 * 1024**2
_DIGEST_BYTES = 16
_READ_BYTES = 1024**2  # at a time, where lines are only hashed


@dataclass(frozen=True, slots=True)
class LineKind:
    """What the lines of a file are, for its checks and messages."""

    line: str
    """A line in words: "a part record"."""
    writer: str
    """Who writes them: "the inspection"."""
    remedy: str
    """What to do about a file that is damaged."""
    check: Callable[[Mapping[str, Any]], bool]
    """Whether the JSON of a line holds what every line must; may raise KeyError, TypeError."""


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a file was read."""

    offset: int = 0
    """Size of the lines that were read, in bytes."""
    lines: int = 0
    digest: str = hashlib.blake2b(digest_size=_DIGEST_BYTES).hexdigest()
    """Hash of these lines, as the next one holds it."""


@dataclass(frozen=True, slots=True)
class ChainedLine:
    """A line that was read."""

    values: dict[str, Any]
    """Its JSON."""
    offset: int
    """Where it begins, in bytes."""
    where: str
    """Its file and number, for messages."""


def line_of(values: Mapping[str, Any], before: str) -> str:
    """A line with its end. values: a JSON object whose first key is `schema`; before: hash of the lines above it."""
    with_hash = {"schema": values["schema"], BEFORE: before, **values}
    return json.dumps(with_hash, ensure_ascii=False, allow_nan=False, separators=(",", ":")) + "\n"


class CheckedLines:
    """The complete lines of a file, read once, and what was found sound so far; also behind an error."""

    def __init__(self, path: Path, kind: LineKind) -> None:
        self._path, self._kind = path, kind
        self._chain = _Chain(path, kind)
        self.lines = 0
        self.end = 0
        """Size in bytes of the lines so far."""

    @property
    def digest(self) -> str:
        """Hash of the lines so far: what the next one holds as `before`, 32 hexadecimal digits."""
        return self._chain.digest.hexdigest()

    def __iter__(self) -> Iterator[tuple[dict[str, Any], str]]:
        """The JSON of each line, and its place for messages. Raises as `read_lines` does."""
        with self._path.open("rb") as file:
            for offset, line in _whole_lines(file, self._kind):
                values = self._chain.values(line)
                self.lines += 1
                self.end = offset + len(line)
                yield values, self._chain.where


def read_lines(path: Path, kind: LineKind) -> Iterator[tuple[dict[str, Any], str]]:
    """The JSON of each complete line, and its place for messages; at any moment, also while the file is being written.
    Raises RunError where a line is damaged, changed or missing, OSError."""
    yield from CheckedLines(path, kind)


def read_back(path: Path, kind: LineKind) -> Iterator[tuple[dict[str, Any], str]]:
    """The JSON of each complete line, the last one first, and its place for messages; at any moment. Whether each
    follows the one above it, `read_lines` alone tells. Raises RunError where a line is damaged, OSError."""
    with path.open("rb") as file:
        pieces = _pieces_back(file, kind)
        next(pieces)  # behind the end of the last line: it is still being written
        for offset, line in pieces:
            where = f"{path} byte {offset}"
            yield _values(line, where, kind), where


def line_at(path: Path, kind: LineKind, offset: int) -> tuple[dict[str, Any], str]:
    """The JSON of the line at an offset in bytes, and its place for messages. Raises RunError, OSError."""
    where = f"{path} byte {offset}"
    with path.open("rb") as file:
        file.seek(offset)
        return _values(file.readline(_LONGEST_LINE + 1), where, kind), where


def unguarded_lines(path: Path, kind: LineKind) -> int:
    """How many of the first lines an earlier kenpin wrote, without a hash. Raises RunError, OSError."""
    count = 0
    for values, _ in read_lines(path, kind):
        if BEFORE in values:
            break
        count += 1
    return count


class ChainedFile:
    """A file of chained lines, for its only writer."""

    def __init__(self, path: Path, kind: LineKind, note: Callable[[Mapping[str, Any], int], None]) -> None:
        """Open or create it. note: called with the JSON of each line and its offset in bytes. An incomplete last line
        of a killed writer is cut off. Raises RunError where a line is damaged, changed or missing, OSError."""
        self.path = path
        self.end = 0
        """Size of all complete lines in bytes: where the next one begins."""
        self._chain = _Chain(path, kind)
        self._kind = kind
        path.touch()
        with path.open("rb") as file:
            for offset, line in _whole_lines(file, kind):
                note(self._chain.values(line), offset)
                self.end = offset + len(line)
        self._file = path.open("r+b", buffering=0)
        with self._named_errors():
            self._cut_off_the_rest()
            self._sync()
        sync_folder(path.parent)

    @property
    def unguarded(self) -> int:
        """How many of the first lines an earlier kenpin wrote: a change of one is not noticed."""
        return self._chain.unguarded

    @property
    def mark(self) -> Mark:
        """Behind the last line."""
        return Mark(self.end, self._chain.number, self._chain.digest.hexdigest())

    def append(self, several: Sequence[Mapping[str, Any]]) -> list[int]:
        """Add lines, and return the offset of each in bytes; when this returns they are on disk. Raises OSError with
        the name of the file, and then none of them is in it."""
        offsets, data = [], b""
        digest = self._chain.digest.copy()
        for values in several:
            offsets.append(self.end + len(data))
            line = line_of(values, digest.hexdigest()).encode()
            digest.update(line)
            data += line
        with self._named_errors():
            self._cut_off_the_rest()
            try:
                rest = memoryview(data)
                while rest:
                    rest = rest[self._file.write(rest) :]
                self._sync()
            except OSError:
                with suppress(OSError):  # at once: a reader would take whole lines for written ones
                    self._cut_off_the_rest()
                raise
        self.end += len(data)
        self._chain.digest = digest
        self._chain.number += len(offsets)
        return offsets

    def at(self, offset: int) -> tuple[dict[str, Any], str]:
        """The JSON of the line at an offset, and its place for messages. Raises RunError."""
        return line_at(self.path, self._kind, offset)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _cut_off_the_rest(self) -> None:
        """Cut off the bytes that a killed writer or a failed append left behind the last line."""
        self._file.truncate(self.end)
        self._file.seek(self.end)

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        """Add the file's name to errors on the open file, which lack it."""
        try:
            yield
        except OSError as error:
            raise type(error)(error.errno, error.strerror, str(self.path)) from error

    def _sync(self) -> None:
        os.fsync(self._file.fileno())


class ChainReader:
    """Reads a file of chained lines further and further, also while it is written; of any process."""

    def __init__(self, path: Path, kind: LineKind) -> None:
        """At the beginning of the file."""
        self.path, self._kind = path, kind
        self._chain, self._offset = _Chain(path, kind), 0

    @property
    def mark(self) -> Mark:
        """How far it has read."""
        return Mark(self._offset, self._chain.number, self._chain.digest.hexdigest())

    def copy(self) -> ChainReader:
        """Another one that has read as far."""
        other = ChainReader(self.path, self._kind)
        other._chain, other._offset = self._chain.copy(), self._offset
        return other

    def move_to(self, mark: Mark) -> None:
        """Take up where another reader stopped. Lines before it are hashed and not parsed, and those that this one has
        read are not read again. Raises RunError where the file is shorter, or holds other lines, OSError."""
        if mark == self.mark:
            return
        if mark.offset <= self._offset:
            self._chain, self._offset = _Chain(self.path, self._kind), 0
        digest = self._chain.digest
        with self.path.open("rb") as file:
            self._check_size(file, mark.offset)
            file.seek(self._offset)
            while data := file.read(min(_READ_BYTES, mark.offset - self._offset)):
                digest.update(data)
                self._offset += len(data)
        if digest.hexdigest() != mark.digest:
            raise RunError(
                f"{self.path}: of its first {mark.offset:,} bytes, which were read before, some are others now; "
                f"{self._kind.remedy}."
            )
        self._chain.number = mark.lines

    def read(
        self,
        most_lines: int,
        most_bytes: int,
        *,
        end: int | None = None,
        takes: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> list[ChainedLine]:
        """The next complete lines, at least one where there is any; they are on disk.

        end: offset beyond which nothing is read; takes: whether a line is read, by its JSON, else it stops before it.
        Raises RunError where the file is shorter than what was read, or a line is damaged, changed or missing, OSError.
        """
        lines: list[ChainedLine] = []
        with self.path.open("rb") as file:
            self._check_size(file, self._offset)
            began = self._offset
            for offset, line in _whole_lines(file, self._kind, self._offset):
                after = offset + len(line)
                full = len(lines) == most_lines or (lines and after - began > most_bytes)
                if full or (end is not None and after > end):
                    break
                if takes is not None and not takes(self._chain.parsed(line)):
                    break
                lines.append(ChainedLine(self._chain.values(line), offset, self._chain.where))
                self._offset = after
            if lines:
                sync(self.path)  # what its writer was killed before it could do
        return lines

    def _check_size(self, file: IO[bytes], least: int) -> None:
        size = os.fstat(file.fileno()).st_size
        if size < least:
            raise RunError(f"{self.path}: has {size:,} bytes, and {least:,} were read before; {self._kind.remedy}.")


class _Chain:
    """The lines of a file as they are read or written, each checked against the hash in the next one."""

    def __init__(self, path: Path, kind: LineKind) -> None:
        self._path, self._kind = path, kind
        self.number = 0
        """Lines so far."""
        self.digest = hashlib.blake2b(digest_size=_DIGEST_BYTES)
        """Of all lines so far."""
        self.unguarded = 0
        """Lines so far without a hash; they stand above all others."""

    @property
    def where(self) -> str:
        """The present line, for messages."""
        return f"{self._path} line {self.number}"

    def copy(self) -> _Chain:
        """Another one of the same lines."""
        other = _Chain(self._path, self._kind)
        other.number, other.digest, other.unguarded = self.number, self.digest.copy(), self.unguarded
        return other

    def parsed(self, line: bytes) -> dict[str, Any]:
        """The JSON of the next line, which is not yet taken. Raises RunError."""
        return _values(line, f"{self._path} line {self.number + 1}", self._kind)

    def values(self, line: bytes) -> dict[str, Any]:
        """The JSON of the next line. Raises RunError."""
        self.number += 1
        values = _values(line, self.where, self._kind)
        before = values.get(BEFORE)
        if before is None and self.unguarded == self.number - 1:
            self.unguarded += 1
        elif before != self.digest.hexdigest():
            what = f"line {self.number - 1} was changed, or a line was taken out or put in behind it"
            if self.number == 1:
                what = "a line was taken out above it"
            raise RunError(
                f"{self.where}: does not follow what {self._kind.writer} wrote before it: {what}; {self._kind.remedy}."
            )
        self.digest.update(line)
        return values


def _whole_lines(file: IO[bytes], kind: LineKind, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """Offset in bytes and each complete line from one on; the last may still be written. Raises RunError for an endless
    one."""
    file.seek(offset)
    while line := file.readline(_LONGEST_LINE + 1):
        if len(line) > _LONGEST_LINE:
            raise RunError(f"{file.name} byte {offset}: a line has more than {_LONGEST_LINE:,} bytes; {kind.remedy}.")
        if line.endswith(b"\n"):
            yield offset, line
        offset += len(line)


def _pieces_back(file: IO[bytes], kind: LineKind) -> Iterator[tuple[int, bytes]]:
    """Offset in bytes and each piece between two ends of lines, the last one first. Raises RunError for an endless
    one."""
    offset, rest = file.seek(0, os.SEEK_END), b""
    while offset:
        size = min(_READ_BYTES, offset)
        offset -= size
        file.seek(offset)
        at = offset + size + len(rest)
        rest, *whole = (file.read(size) + rest).split(b"\n")
        for piece in reversed(whole):
            at -= len(piece)
            yield at, piece
            at -= 1
        if len(rest) > _LONGEST_LINE:
            raise RunError(f"{file.name} byte {at}: a line has more than {_LONGEST_LINE:,} bytes; {kind.remedy}.")
    yield 0, rest


def _values(line: bytes, where: str, kind: LineKind) -> dict[str, Any]:
    try:
        values: dict[str, Any] = parse_json(line)
        if not isinstance(values, dict) or not kind.check(values):
            raise TypeError
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(f"{where}: is not {kind.line}; {kind.remedy}.") from error
    return values
