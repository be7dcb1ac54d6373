"""A product's line under load: each part once, none lost, and a full or hindered line says so."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image

from kenpin.inspection.journal import Appended
from kenpin.inspection.line import Durable, Judged, Line, Recorded
from kenpin.inspection.part_pictures import OpenedPart
from kenpin.inspection.pictures import Opened, open_bytes
from kenpin.inspection.read_ahead import ReadAhead
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival, LineFullError, LineStoppedError
from kenpin.station.folder import StationFolder
from kenpin.station.intake.product_line import ProductLine
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.settings import Limits
from kenpin.station.store.node_parts import Claimed


class _Line(Line):
    """A line without runs, which records in memory."""

    def __init__(self, name: str, before: Callable[[], object] = lambda: None) -> None:
        self.name, self._before = name, before
        self.batch_size = 4
        self._read_ahead = ReadAhead(self.batch_size)
        self.records: dict[PartKey, PartRecord] = {}
        self.is_closed = False

    def judged(self, parts: Sequence[OpenedPart], *, sets_aside: bool = False) -> Judged:
        new = {part.key: _record(part, self.name) for part in parts}
        return Judged(tuple(part.key for part in parts), {}, new)

    def keep(self, judged: Judged) -> Durable:
        self._before()
        for key, record in judged.new.items():
            self.records.setdefault(key, record)
        return Durable([Recorded(self.records[key], is_new=True) for key in judged.keys], None)

    def close(self) -> None:
        self.is_closed = True
        self._read_ahead.close()


class _Known:
    """What lines recorded, as a store knows it once it has followed them."""

    def __init__(self, *lines: _Line) -> None:
        self._lines, self._followed = lines, dict[PartKey, PartRecord]()
        self.follows = 0

    def claim(self, keys: Sequence[PartKey]) -> Claimed:
        records = {key: self._followed[key] for key in keys if key in self._followed}
        return Claimed(records, frozenset(key for key in keys if key[0] == "elsewhere"))

    def follow(self, appended: Appended | None = None) -> None:
        self.follows += 1
        for line in self._lines:
            self._followed |= line.records


def _record(part: OpenedPart, policy: str) -> PartRecord:
    picture = part if isinstance(part, Opened) else part.whole(part.views[0])
    return PartRecord(
        picture.seen.id, picture.seen.id, picture.picture_hash, picture.seen.size_bytes, 0, None, Verdict.PASS, ("r",),
        picture.lot, policy, "0", "2026-01-01T00:00:00.000+00:00", 0.0,
    )  # fmt: skip


def _open(arrival: Arrival) -> Opened:
    return open_bytes(arrival.id, arrival.data, lot=arrival.lot)


@pytest.fixture(scope="module")
def data() -> bytes:
    """A picture's file."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def pictures(tmp_path: Path) -> KeptPictures:
    """Of an empty station."""
    return KeptPictures(StationFolder(tmp_path))


@pytest.fixture
def begin(pictures: KeptPictures) -> Iterator[Callable[..., ProductLine]]:
    """Begins a line, which is closed in the end."""
    begun: list[ProductLine] = []

    def start(line: _Line, known: _Known, **limits: int) -> ProductLine:
        begun.append(ProductLine("p", 1, line, known, pictures, Limits(free_bytes=0, **limits), _open))
        return begun[-1]

    yield start
    for line in begun:
        line.close()


def test_parts_are_recorded_once_with_their_lot_and_picture(
    begin: Callable[..., ProductLine], pictures: KeptPictures, data: bytes
) -> None:
    line = _Line("a")
    product = begin(line, _Known(line))
    arrivals = [Arrival(f"{number}.png", data, lot="L") for number in range(9)]
    records = [one.result(5) for one in [product.submit(arrival) for arrival in [*arrivals, *arrivals]]]
    assert [record.id for record in records] == [arrival.id for arrival in [*arrivals, *arrivals]]
    assert len(line.records) == 9
    assert {record.lot for record in records} == {"L"}
    kept = pictures.find(records[0].picture_hash)
    assert kept is not None
    assert kept.read_bytes() == data
    assert (product.state.waiting, product.state.judged, product.state.hindrance) == (0, 18, None)


def test_pictures_are_judged_while_records_are_written_and_each_part_once_in_order(
    begin: Callable[..., ProductLine], data: bytes
) -> None:
    may_look, looks_again, may_write = threading.Event(), threading.Event(), threading.Semaphore(0)
    looks: list[int] = []

    class Watched(_Line):
        def judged(self, parts: Sequence[OpenedPart], *, sets_aside: bool = False) -> Judged:
            assert may_look.wait(10)
            looks.append(len(parts))
            if len(looks) == 2:
                looks_again.set()
            return super().judged(parts)

    line, following = Watched("first", may_write.acquire), _Line("next")
    product = begin(line, _Known(line, following))
    sent = [product.submit(Arrival(f"a{number % 7}", data)) for number in range(13)]
    switched = threading.Event()
    may_look.set()
    assert looks_again.wait(10), "while those before them have no record"
    assert not any(answer.done() for answer in sent)
    product.switch(2, following, switched.set)
    closes_early = line.is_closed
    for _ in range(8):
        may_write.release()
    assert switched.wait(10)
    assert (closes_early, line.is_closed) == (False, True), "not before its last record was written"
    records = [answer.result(10) for answer in sent]
    ids = [f"a{number % 7}" for number in range(13)]
    assert [record.id for record in records] == ids
    assert len({id(record) for record in records}) == 7, "a part keeps its record"
    assert not {*line.records} & {*following.records}, "and is judged by one version"
    assert [key[0] for key in (*line.records, *following.records)] == ids[:7], "in the order in which they came"


def test_what_is_no_picture_is_a_part_too(begin: Callable[..., ProductLine]) -> None:
    line = _Line("a")
    assert begin(line, _Known(line)).submit(Arrival("a.png", b"words")).result(5).id == "a.png"


def test_a_full_line_takes_no_more_and_says_when_to_come_again(begin: Callable[..., ProductLine], data: bytes) -> None:
    go_on = threading.Event()
    line = _Line("a", lambda: go_on.wait(5))
    product = begin(line, _Known(line), waiting_parts=5)
    taken = [product.submit(Arrival(f"{number}", data)) for number in range(5)]
    with pytest.raises(LineFullError, match="full, with 5 parts") as refused:
        product.submit(Arrival("6", data))
    assert refused.value.retry_after_s >= 1
    go_on.set()
    assert [one.result(5).id for one in taken] == [f"{number}" for number in range(5)]
    assert product.submit(Arrival("6", data)).result(5).id == "6"


def test_the_bytes_that_wait_are_bounded_but_one_part_is_always_taken(
    begin: Callable[..., ProductLine], data: bytes
) -> None:
    go_on = threading.Event()
    line = _Line("a", lambda: go_on.wait(5))
    product = begin(line, _Known(line), waiting_bytes=1)
    first = product.submit(Arrival("0", data))
    with pytest.raises(LineFullError):
        product.submit(Arrival("1", data))
    go_on.set()
    assert first.result(5).id == "0"


def test_a_fault_is_told_to_those_who_wait_and_the_line_goes_on(
    begin: Callable[..., ProductLine], data: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = [OSError(28, "No space left on device", "records.jsonl")]

    def fail() -> None:
        if faults:
            raise faults.pop()

    line = _Line("a", fail)
    known = _Known(line)
    product = begin(line, known)
    with pytest.raises(LineStoppedError, match="No space left"):
        product.submit(Arrival("0", data)).result(5)
    with pytest.raises(LineStoppedError, match="No space left"):
        product.submit(Arrival("0", data))
    assert "No space left" in f"{product.state.hindrance}"
    monkeypatch.setattr("kenpin.station.intake.product_line.time.monotonic", lambda: time.perf_counter() + 1e6)
    assert product.submit(Arrival("0", data)).result(5).id == "0"
    assert (product.state.hindrance, known.follows) == (None, 2)


def test_a_picture_that_cannot_be_kept_is_not_judged(
    begin: Callable[..., ProductLine], data: bytes, pictures: KeptPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = _Line("a")
    product = begin(line, _Known(line))

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pictures, "keep", full)
    with pytest.raises(LineStoppedError, match="No space left"):
        product.submit(Arrival("0", data)).result(5)
    assert not line.records


def test_a_disk_with_little_room_takes_no_parts(pictures: KeptPictures, data: bytes) -> None:
    line = _Line("a")
    product = ProductLine("p", 1, line, _Known(line), pictures, Limits(free_bytes=2**60), _open)
    with pytest.raises(LineStoppedError, match="fewer than `free_bytes`"):
        product.submit(Arrival("0", data))
    product.close()


def test_a_part_of_another_node_is_to_be_asked_for_again(begin: Callable[..., ProductLine], data: bytes) -> None:
    line = _Line("a")
    product = begin(line, _Known(line))
    here, elsewhere = product.submit(Arrival("here", data)), product.submit(Arrival("elsewhere", data))
    assert here.result(5).id == "here"
    with pytest.raises(LineFullError, match="another node"):
        elsewhere.result(5)
    assert [key[0] for key in line.records] == ["here"]


def test_versions_are_switched_under_load_and_each_part_is_judged_once(
    begin: Callable[..., ProductLine], data: bytes
) -> None:
    lines = [_Line(f"{number}", lambda: time.sleep(0.001)) for number in range(6)]
    known = _Known(*lines)
    product = begin(lines[0], known, waiting_parts=1_000)
    switched: list[int] = []
    taken = []
    for number in range(200):
        taken.append(product.submit(Arrival(f"{number % 150}.png", data)))
        if number % 40 == 20:
            product.switch(number, lines[number // 40 + 1], lambda number=number: switched.append(number))  # type: ignore[misc]
    records = [one.result(10) for one in taken]
    assert [record.id for record in records] == [f"{number % 150}.png" for number in range(200)]
    assert sum(len(line.records) for line in lines) == 150
    product.close()
    assert switched == sorted(switched)
    assert product.state.version == switched[-1] == 180
    assert all(line.is_closed for line in lines)
    with pytest.raises(LineStoppedError, match="closing"):
        product.submit(Arrival("0", data))
