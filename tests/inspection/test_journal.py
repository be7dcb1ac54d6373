"""The journal: what was appended is there, whatever becomes of the writer; readers never see half a record."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields, replace
from itertools import accumulate
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kenpin.errors import RunError
from kenpin.inspection.journal import Journal, read_records, write_parquet
from kenpin.inspection.record import SCHEMA, part_key, to_line
from tests.inspection.made import record, unreadable

RECORDS = [record(1), unreadable(2), record(3)]


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
    lines = [to_line(one).encode() for one in short]
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
    assert sizes == [journal.path.stat().st_size] == [len("".join(map(to_line, RECORDS)).encode())]


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
    data = to_line(record(1)).encode() + damage + b"\n" + to_line(record(2)).encode()
    path.write_bytes(data)
    with pytest.raises(RunError, match="line 2: is not a part record"):
        Journal(path)
    assert path.read_bytes() == data


def test_a_journal_of_another_schema_is_refused(tmp_path: Path) -> None:
    (tmp_path / "records.jsonl").write_text(to_line(record(1)).replace('"schema":1', '"schema":9'))
    with pytest.raises(RunError, match="its schema is 9, this kenpin reads 1"):
        list(read_records(tmp_path / "records.jsonl"))


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
