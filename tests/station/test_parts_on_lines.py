"""Parts by several pictures on a product's line: bounded in the queue and in memory, and none lost by a switch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kenpin.inspection import Line, read_policy
from kenpin.inspection.part_pictures import PartPictures
from kenpin.inspection.pictures import Opened, open_bytes
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival, ArrivedView, LineFullError, LineStoppedError, PartArrival
from kenpin.station.folder import StationFolder
from kenpin.station.intake.opening import opened_part
from kenpin.station.intake.product_line import ProductLine
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.settings import Limits
from tests.builders import picture_bytes
from tests.station.test_parts_by_views import new, policy, toy_policy
from tests.station.test_product_line import _Known, _Line, _open
from tests.training.test_by_part import parts, run

__all__ = ["new", "parts", "policy", "run", "toy_policy"]


def _arrival(id: str, *data: bytes) -> PartArrival:
    return PartArrival(id, tuple(ArrivedView(f"v{number}", one) for number, one in enumerate(data)), lot="L")


@pytest.fixture
def pictures(tmp_path: Path) -> KeptPictures:
    return KeptPictures(StationFolder(tmp_path))


@pytest.fixture
def begin(pictures: KeptPictures) -> Iterator[Callable[..., ProductLine]]:
    begun: list[ProductLine] = []

    def start(line: Line, known: _Known, opening: Callable[[Arrival], Opened] = _open, **limits: int) -> ProductLine:
        begun.append(ProductLine("p", 1, line, known, pictures, Limits(free_bytes=0, **limits), opening))
        return begun[-1]

    yield start
    for line in begun:
        line.close()


def test_pictures_of_a_part_take_no_more_memory_than_they_may() -> None:
    opened: list[str] = []

    def opening(arrival: Arrival) -> Opened:
        opened.append(arrival.id)
        return open_bytes(arrival.id, arrival.data, lot=arrival.lot)

    data = [picture_bytes(number) for number in range(5)]
    whole = opened_part(_arrival("p", *data), opening)
    assert isinstance(whole, PartPictures)
    assert [view.opened.error for view in whole.views] == [None] * 5
    one = whole.views[0].opened.image
    assert one is not None
    part = opened_part(_arrival("p", *data), opening, most_bytes=2 * 3 * one.width * one.height)
    assert isinstance(part, PartPictures)
    assert [view.opened.image is None for view in part.views] == [False, False, True, True, True]
    assert all("Send smaller ones" in f"{view.opened.error}" for view in part.views[2:])
    assert part.key == whole.key, "what is kept does not depend on memory"
    assert len({*opened}) == 5


def test_a_queue_counts_the_bytes_of_all_pictures(begin: Callable[..., ProductLine]) -> None:
    may_go = threading.Event()

    def opening(arrival: Arrival) -> Opened:
        assert may_go.wait(10)
        return _open(arrival)

    line = _Line("a")
    data = [picture_bytes(number) for number in range(3)]
    size = sum(map(len, data))
    product = begin(line, _Known(line), opening, waiting_bytes=2 * size)
    sent = [product.submit(_arrival(f"p{number}", *data)) for number in range(2)]
    with pytest.raises(LineFullError):
        product.submit(_arrival("p2", data[0]))
    may_go.set()
    assert [one.result(10).id for one in sent] == ["p0", "p1"]
    assert product.submit(_arrival("p2", data[0])).result(10).id == "p2"
    assert product.state.waiting == 0


def test_a_picture_that_cannot_be_kept_is_no_record(
    begin: Callable[..., ProductLine], pictures: KeptPictures, monkeypatch: pytest.MonkeyPatch
) -> None:
    line, data = _Line("a"), [picture_bytes(number) for number in range(2)]
    keep = pictures.keep

    def fails(picture_hash: str, of: bytes) -> None:
        if of == data[1]:
            raise OSError("no room")
        keep(picture_hash, of)

    monkeypatch.setattr(pictures, "keep", fails)
    product = begin(line, _Known(line))
    with pytest.raises(LineStoppedError, match="no room"):
        product.submit(_arrival("p", *data)).result(10)
    assert line.records == {}


def test_parts_that_wait_while_another_kind_of_version_begins_are_recorded(
    begin: Callable[..., ProductLine], policy: Path, toy_policy: Path, new: dict[int, dict[str, bytes]], tmp_path: Path
) -> None:
    may_go = threading.Event()

    def opening(arrival: Arrival) -> Opened:
        assert may_go.wait(30)
        return _open(arrival)

    single = Line(read_policy(toy_policy), tmp_path / "single", engine="torch")
    by_part = Line(read_policy(policy), tmp_path / "by_part")
    product = begin(single, _Known(), opening)
    assert (product.views, product.known_form) == (None, None)

    def sent(name: str) -> list[tuple[str, object]]:
        views = tuple(ArrivedView(view, data) for view, data in new[6].items())
        whole = product.submit(PartArrival(f"{name} whole", views))
        alone = product.submit(Arrival(f"{name} alone", new[6]["top"]))
        return [(f"{name} whole", whole), (f"{name} alone", alone)]

    waiting = [one for number in range(20) for one in sent(f"first {number}")]
    until_s = time.monotonic() + 30
    while len(product._queue) == len(waiting):  # of a busy machine, whose line has not taken the first of them yet
        assert time.monotonic() < until_s
        time.sleep(0.01)
    switched = threading.Event()
    product.switch(2, by_part, switched.set)
    may_go.set()
    assert switched.wait(30)
    waiting += sent("then")
    records = {name: one.result(30) for name, one in waiting}  # type: ignore[attr-defined]
    assert [record.id for record in records.values()] == [name for name, _ in waiting]
    assert records["then whole"].verdict is Verdict.PASS
    assert records["then alone"].verdict is Verdict.REVIEW
    assert records["first 0 whole"].verdict is Verdict.REVIEW
    assert product.views == by_part.views
    assert product.known_form == by_part.form
