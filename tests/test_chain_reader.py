"""A file of chained lines is read on from a mark, each line once; a change of what was read before is noticed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kenpin.chained
from kenpin.chained import ChainedFile, ChainReader, LineKind, Mark, line_at, read_back, read_lines
from kenpin.errors import RunError

KIND = LineKind("a number", "the test", "restore it", lambda values: isinstance(values["n"], int))
MANY = 10**9


def _append(path: Path, numbers: range) -> None:
    with closing(ChainedFile(path, KIND, lambda *_: None)) as file:
        file.append([{"schema": 1, "n": number, "text": "傷" * (number % 5)} for number in numbers])


def _numbers(reader: ChainReader, most_lines: int = MANY, most_bytes: int = MANY, **bounds: Any) -> list[int]:
    return [line.values["n"] for line in reader.read(most_lines, most_bytes, **bounds)]


@pytest.fixture(scope="module")
def ten(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the numbers 0 to 9. Read only."""
    path = tmp_path_factory.mktemp("ten") / "numbers.jsonl"
    _append(path, range(10))
    return path


@given(steps=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 200), st.booleans()), min_size=10, max_size=20))
def test_each_line_comes_once_whoever_goes_on(ten: Path, steps: list[tuple[int, int, bool]]) -> None:
    reader, numbers = ChainReader(ten, KIND), list[int]()
    for most_lines, most_bytes, is_new in steps:
        if is_new:
            mark, reader = reader.mark, ChainReader(ten, KIND)
            reader.move_to(mark)
            assert reader.mark == mark
        some = _numbers(reader, most_lines, most_bytes)
        assert len(some) == 1 or len(some) <= most_lines
        numbers += some
    assert numbers == [*range(10)], "fewer than all lines, or one twice"


def test_a_reader_goes_back_and_forth_between_marks(ten: Path) -> None:
    reader = ChainReader(ten, KIND)
    marks = [reader.mark]
    while _numbers(reader, 3):
        marks.append(reader.mark)
    assert marks[0] == Mark()
    for mark, rest in [(marks[2], 4), (marks[1], 7), (marks[4], 0), (Mark(), 10)]:
        reader.move_to(mark)
        assert len(_numbers(reader.copy())) == rest
        assert reader.mark == mark, "a copy moves by itself"


def test_lines_know_where_they_are(ten: Path) -> None:
    reader = ChainReader(ten, KIND)
    reader.read(4, MANY)
    onwards = ChainReader(ten, KIND)
    onwards.move_to(reader.mark)
    (line,) = onwards.read(1, MANY)
    assert line.where == f"{ten} line 5"
    assert line_at(ten, KIND, line.offset) == (line.values, f"{ten} byte {line.offset}")


def test_it_stops_where_it_is_told(ten: Path) -> None:
    reader = ChainReader(ten, KIND)
    assert _numbers(reader, takes=lambda values: values["n"] < 3) == [0, 1, 2]
    end = reader.copy().read(2, MANY)[-1].offset
    assert _numbers(reader, end=end) == [3]
    assert _numbers(reader) == [4, 5, 6, 7, 8, 9]


def test_a_half_written_line_is_left_until_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    _append(path, range(2))
    whole, reader = path.read_bytes(), ChainReader(path, KIND)
    first = whole.index(b"\n") + 1
    numbers = []
    for size in range(first, len(whole) + 1):
        path.write_bytes(whole[:size])
        numbers += _numbers(reader)
    assert numbers == [0, 1]


def _longer(data: bytes) -> bytes:
    return data.replace(b'"n":1,', b'"n":123,')


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda data: data[: len(data) // 2], r"has \d+ bytes, and \d+ were read before; restore it"),
        (lambda data: b"", r"has 0 bytes"),
        (lambda data: data.replace(b'"n":1,', b'"n":7,'), r"some are others now; restore it"),
        (_longer, r"some are others now"),
    ],
)
def test_what_was_read_and_is_another_now_is_told(
    ten: Path, tmp_path: Path, change: Callable[[bytes], bytes], told: str
) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(ten.read_bytes())
    reader = ChainReader(path, KIND)
    reader.read(MANY, MANY)
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(RunError, match=told):
        ChainReader(path, KIND).move_to(reader.mark)


def test_what_follows_must_belong_to_what_was_read(ten: Path, tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(ten.read_bytes())
    reader = ChainReader(path, KIND)
    reader.read(9, MANY)
    path.write_bytes(path.read_bytes()[: reader.mark.offset] + ten.read_bytes()[: reader.mark.offset])
    with pytest.raises(RunError, match="does not follow what the test wrote"):
        reader.read(MANY, MANY)


def test_what_is_handed_out_is_on_disk(ten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor).st_ino))
    reader = ChainReader(ten, KIND)
    reader.read(MANY, MANY)
    assert synced == [ten.stat().st_ino]
    reader.read(MANY, MANY)
    assert len(synced) == 1, "nothing new needs no disk"


def test_a_failed_append_leaves_no_whole_lines_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "numbers.jsonl"
    _append(path, range(2))
    with closing(ChainedFile(path, KIND, lambda *_: None)) as file:
        before, sync = path.read_bytes(), os.fsync

        def fails(_: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        monkeypatch.setattr(os, "fsync", fails)
        with pytest.raises(OSError, match=r"numbers\.jsonl"):
            file.append([{"schema": 1, "n": 2}])
        assert path.read_bytes() == before, "a reader would take them for written"
        monkeypatch.setattr(os, "fsync", sync)
        file.append([{"schema": 1, "n": 2}])
    assert [json.loads(line)["n"] for line in path.read_bytes().splitlines()] == [0, 1, 2]


@given(count=st.integers(0, 12), read_bytes=st.integers(1, 300), rest=st.sampled_from([b"", b"{", b'{"n":99}']))
def test_lines_come_back_from_the_last_to_the_first(
    tmp_path_factory: pytest.TempPathFactory, count: int, read_bytes: int, rest: bytes
) -> None:
    path = tmp_path_factory.mktemp("back") / "numbers.jsonl"
    _append(path, range(count))
    forwards = [values for values, _ in read_lines(path, KIND)]
    with path.open("ab") as file:
        file.write(rest)  # a line that is being written
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(kenpin.chained, "_READ_BYTES", read_bytes)
        back = [*read_back(path, KIND)]
    assert [values for values, _ in back] == forwards[::-1]
    for values, where in back:
        assert line_at(path, KIND, int(where.rpartition(" ")[2]))[0] == values


def test_a_damaged_line_is_found_from_behind_too(ten: Path, tmp_path: Path) -> None:
    path = tmp_path / "numbers.jsonl"
    path.write_bytes(ten.read_bytes().replace(b'"n":7', b'"n":"'))
    lines = read_back(path, KIND)
    assert [next(lines)[0]["n"] for _ in range(2)] == [9, 8]
    with pytest.raises(RunError, match=r"numbers\.jsonl byte \d+: is not a number; restore it"):
        next(lines)
