"""The journal: what was appended is there, whatever becomes of the writer; readers never see half a record."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields, replace
from hashlib import blake2b
from itertools import accumulate
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kenpin.chained import line_of
from kenpin.errors import RunError
from kenpin.inspection.journal import Journal, read_records, unguarded_lines, write_parquet
from kenpin.inspection.record import SCHEMA, PartRecord, part_key, to_values
from tests.inspection.made import record, unreadable

RECORDS = [record(1), unreadable(2), record(3)]


_EMPTY = blake2b(digest_size=16).hexdigest()


def _lines(records: Sequence[PartRecord]) -> list[bytes]:
    """The lines of a journal: each holds the hash of all above it."""
    lines: list[bytes] = []
    for one in records:
        lines.append(line_of(to_values(one), blake2b(b"".join(lines), digest_size=16).hexdigest()).encode())
    return lines


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """An empty one."""
    with closing(Journal(tmp_path / "records.jsonl")) as opened:
        yield opened


def test_records_come_back_as_they_were(journal: Journal) -> None:
    journal.append(RECORDS[:2])
    journal.append(RECORDS[2:])
    assert list(read_records(journal.path)) == RECORDS
    assert journal.find(("00003.png", f"{3:032x}")) == RECORDS[2]
    assert journal.find(("00003.png", f"{4:032x}")) is None
    assert journal.files()["00001.png"] == (101, 1_800_000_000_000_000_001)
    assert len(journal) == 3
    assert list(journal.set_aside()) == RECORDS[1:2]
    assert all(json.loads(line) for line in journal.path.read_text("utf-8").split("\n")[:-1])


def test_torn_at_any_byte_what_was_whole_stays_and_the_rest_is_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand of them would take a minute
    path = tmp_path / "records.jsonl"
    short = [unreadable(1), replace(record(2), answers=(), description=None), unreadable(3)]
    lines = _lines(short)
    whole, ends = b"".join(lines), [*accumulate(map(len, lines))]
    for cut in range(len(whole) + 1):
        path.write_bytes(whole[:cut])
        survived = sum(end <= cut for end in ends)
        assert list(read_records(path)) == short[:survived], "a reader saw half a record"
        journal = Journal(path)
        assert len(journal) == survived
        assert path.stat().st_size == (ends[survived - 1] if survived else 0)
        journal.append(short[survived:])
        journal.close()
        assert path.read_bytes() == whole


def test_a_record_is_on_disk_before_the_append_returns(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    journal.append(RECORDS)
    assert sizes == [journal.path.stat().st_size] == [len(b"".join(_lines(RECORDS)))]


def test_a_part_is_never_recorded_twice(journal: Journal) -> None:
    journal.append([record(1)])
    for again in ([record(1)], [record(2), record(2)]):
        with pytest.raises(RunError, match=r"already has a record of 0000\d.png"):
            journal.append(again)
    journal.append([record(1, content="another content"), record(2, content=f"{1:032x}")])
    assert len(list(read_records(journal.path))) == 3


def test_what_could_not_be_read_is_told_from_another_of_its_name_by_size_and_time(journal: Journal) -> None:
    first = unreadable(1)
    others = [replace(first, picture_bytes=7), replace(first, modified_ns=7)]
    journal.append([first])
    journal.append(others)
    with pytest.raises(RunError, match="already has a record"):
        journal.append([first])
    with closing(Journal(journal.path)) as again:
        assert [again.find(part_key(one.id, "", one.picture_bytes, one.modified_ns)) for one in others] == others


@pytest.mark.parametrize("damage", [b"\0" * 40, b"{}", b"[1]", b'{"schema": 1, "id": "a"', b"\xff\xfe"])
def test_a_damaged_line_is_refused_and_nothing_is_lost(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "records.jsonl"
    first, second = _lines([record(1), record(2)])
    data = first + damage + b"\n" + second
    path.write_bytes(data)
    with pytest.raises(RunError, match="line 2: is not a part record"):
        Journal(path)
    assert path.read_bytes() == data


def test_a_journal_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(line_of(to_values(record(1)), _EMPTY).replace('"schema":2', '"schema":9'))
    with pytest.raises(RunError, match="its schema is 9, this kenpin reads up to 2"):
        list(read_records(tmp_path / "records.jsonl"))


@pytest.mark.parametrize(
    "nested", [b"[" * 100_000, b'{"a":' * 100_000, b'{"schema":2,"id":' + b"[" * 900 + b"]" * 900 + b"}"]
)
def test_a_line_that_is_nested_without_end_is_refused(tmp_path: Path, nested: bytes) -> None:
    path = tmp_path / "records.jsonl"
    path.write_bytes(nested + b"\n")
    with pytest.raises(RunError, match="line 1: is not a part record"):
        Journal(path)


def _changes(lines: Sequence[bytes]) -> Iterator[tuple[int, list[bytes]]]:
    """Ways to change a journal, and the line at which each is told."""
    for row in range(len(lines) - 1):
        yield row + 2, [*lines[:row], lines[row].replace(b"FAIL", b"PASS"), *lines[row + 1 :]]
        yield row + 1, [*lines[:row], *lines[row + 1 :]]  # taken out
        yield row + 2, [*lines[: row + 1], *lines[row:]]  # put in again
    yield 1, [lines[1], lines[0], *lines[2:]]
    yield 3, [*lines[:2], *(line.replace(b'"before"', b'"Before"') for line in lines[2:])]


def test_a_changed_line_is_noticed_by_every_reader(tmp_path: Path) -> None:
    lines = _lines([record(number) for number in range(1, 6)])
    path = tmp_path / "records.jsonl"
    readers: list[Callable[[], object]] = [
        lambda: [*read_records(path)],
        lambda: Journal(path),
        lambda: write_parquet(path, tmp_path / "records.parquet"),
    ]
    for row, changed in _changes(lines):
        path.write_bytes(b"".join(changed))
        for read in readers:
            with pytest.raises(RunError, match=rf"line {row}: does not follow what the inspection wrote"):
                read()
        assert path.read_bytes() == b"".join(changed)
    assert not (tmp_path / "records.parquet").exists()


def test_a_journal_of_an_earlier_kenpin_is_read_and_goes_on_with_hashes(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    old = [json.loads(line) | {"schema": 1} for line in _lines(RECORDS)]
    for values in old:
        del values["before"]
    path.write_text("".join(f"{json.dumps(values)}\n" for values in old))
    assert (list(read_records(path)), unguarded_lines(path)) == (RECORDS, 3)
    with closing(Journal(path)) as journal:
        assert journal.unguarded == 3
        journal.append([record(7), record(8)])
    assert (list(read_records(path)), unguarded_lines(path)) == ([*RECORDS, record(7), record(8)], 3)
    path.write_text(path.read_text().replace("It has 0 bytes", "It had 0 bytes"))
    with pytest.raises(RunError, match=r"line 4: does not follow .*: line 3 was changed, or a line was taken out"):
        Journal(path)


def test_parquet_has_every_record_in_the_fixed_schema(journal: Journal, tmp_path: Path) -> None:
    journal.append(RECORDS)
    assert write_parquet(journal.path, tmp_path / "records.parquet") == 3
    table = pq.read_table(tmp_path / "records.parquet")
    assert table.schema.equals(SCHEMA, check_metadata=False)
    rows = table.to_pylist()
    assert [row["id"] for row in rows] == [one.id for one in RECORDS]
    named, far, boxes, empty = rows[0]["answers"]
    assert dict(named["probabilities"]) == RECORDS[0].answers[0].probabilities
    assert far["fail_from"] == float("inf")
    assert boxes["boxes"][0] == {"label": "傷", "score": 0.9, "x1_px": 1, "y1_px": 2, "x2_px": 30.5, "y2_px": 40}
    assert (empty["boxes"], far["boxes"]) == ([], None)
    assert rows[0]["cases"][0]["note"] == "wiped"
    assert not list(tmp_path.glob(".*"))


def test_every_field_of_a_record_has_its_column() -> None:
    from kenpin.inspection.record import Answer, PartRecord, RecordedCase

    assert SCHEMA.names == [field.name for field in fields(PartRecord)]
    for column, kind in (("answers", Answer), ("cases", RecordedCase)):
        assert [one.name for one in SCHEMA.field(column).type.value_type] == [one.name for one in fields(kind)]
