"""The watched folder as a source: complete files, once, over restarts; others are recorded and moved aside."""

from __future__ import annotations

import io
import os
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from PIL.Image import Image

from kenpin.errors import OptionError
from kenpin.station.arrival import Arrival, LineFullError, LineStoppedError
from kenpin.station.sources import handing
from kenpin.station.sources.contract import open_here
from kenpin.station.sources.running import RunningSource
from tests.pictures import part
from tests.station.sinks.told_events import until
from tests.station.sources.lines import MadeLine, MemorySeen, running


def _picture(seed: int, format: str = "PNG") -> bytes:
    file = io.BytesIO()
    part(seed, scratched=False).save(file, format)
    return file.getvalue()


def _write(folder: Path, name: str, data: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


def watching(
    line: MadeLine, folder: Path, seen: MemorySeen | None = None, **values: Any
) -> AbstractContextManager[RunningSource]:
    quick: dict[str, Any] = {"kind": "folder", "folder": "in", "settle_s": 0.1, "aside_after_s": 0.2} | values
    return running(line, folder.parent, seen=seen, **quick)


def test_what_comes_is_handed_on_once_with_its_product_and_lot(folder: Path) -> None:
    line = MadeLine()
    _write(folder, "valve/L7/0.png", _picture(0))
    with watching(line, folder, path="{product}/{lot}/*", lot="none") as source:
        until(lambda: len(line.taken) == 1)
        for number in range(1, 20):
            _write(folder, f"cap/L{number % 2}/{number}.png", _picture(number))
        _write(folder, "other.png", _picture(99))
        _write(folder, "notes.txt", b"no picture by its name")
        until(lambda: source.state.parts.recorded == 21)
        time.sleep(0.2)
    assert len(set(line.ids)) == len(line.ids) == 21
    first = line.taken[0]
    assert (first.id, first.product, first.lot, first.data) == ("line-1/valve/L7/0.png", "valve", "L7", _picture(0))
    by_id = {one.id: one for one in line.taken}
    assert (by_id["line-1/cap/L1/7.png"].product, by_id["line-1/cap/L1/7.png"].lot) == ("cap", "L1")
    assert (by_id["line-1/other.png"].product, by_id["line-1/other.png"].lot) == (None, "none")


@pytest.mark.parametrize("format", ["PNG", "BMP"])
def test_a_file_is_handed_on_whole_however_slowly_it_is_written(folder: Path, format: str) -> None:
    line, data = MadeLine(), _picture(1, format)
    with watching(line, folder, settle_s=0.3, aside_after_s=10.0) as source:
        with open(folder / f"a.{format.lower()}", "wb", buffering=0) as file:
            for start in range(0, len(data), len(data) // 5 + 1):
                file.write(data[start : start + len(data) // 5 + 1])
                time.sleep(0.06)
        until(lambda: source.state.parts.recorded == 1)
    assert [one.data for one in line.taken] == [data]


def test_over_a_restart_nothing_is_handed_on_twice_and_nothing_is_left_out(folder: Path) -> None:
    line, seen = MadeLine(), MemorySeen()
    for number in range(5):
        _write(folder, f"{number}.png", _picture(number))
    with watching(line, folder, seen) as source:
        until(lambda: source.state.parts.recorded == 5)
    _write(folder, "1.png", _picture(11))  # another picture under a name that was taken
    _write(folder, "5.png", _picture(5))
    (folder / "4.png").unlink()
    with watching(line, folder, seen) as source:
        until(lambda: source.state.parts.recorded == 2)
        time.sleep(0.2)
    assert sorted(line.ids[5:]) == ["line-1/1.png", "line-1/5.png"]
    assert sorted(seen.files) == ["0.png", "1.png", "2.png", "3.png", "5.png"]  # what is gone is forgotten
    seen.files.clear()  # a lost store: all come again, and the line knows them
    with watching(line, folder, seen) as source:
        until(lambda: source.state.parts.recorded == 5)


def test_a_disk_that_is_not_there_makes_nothing_forgotten(folder: Path) -> None:
    seen = MemorySeen()
    seen.files["0.png"] = (1, 2)
    with watching(MadeLine(), folder, seen) as source:
        until(lambda: source.state.standing == "up")
        time.sleep(0.1)
    assert seen.files == {"0.png": (1, 2)}


def test_what_is_no_picture_is_recorded_and_then_moved_aside(folder: Path) -> None:
    line = MadeLine()
    _write(folder, "lot/text.png", b"no picture")
    _write(folder, "cut.png", _picture(1)[:500])
    _write(folder, "bits.png", _picture(1)[:500] + b"damage" + _picture(1)[506:])  # whole by its end, and damaged
    good = _write(folder, "good.png", _picture(2))
    with watching(line, folder) as source:
        until(lambda: source.state.parts.recorded == 4)
        until(lambda: len([*folder.parent.glob("aside/line-1/*")]) == 3)
    assert sorted(line.ids) == ["line-1/bits.png", "line-1/cut.png", "line-1/good.png", "line-1/lot/text.png"]
    assert good.exists()
    aside = {path.name.partition("-")[2]: path.read_bytes() for path in folder.parent.glob("aside/line-1/*")}
    assert aside["text.png"] == b"no picture"
    assert aside["cut.png"] == _picture(1)[:500]


def test_pictures_of_strangers_are_opened_where_the_station_says_and_only_where_they_must(folder: Path) -> None:
    opened: list[str] = []

    def opens(name: str, data: bytes) -> Image:
        opened.append(Path(name).name)
        return open_here(name, data)

    line = MadeLine()
    _write(folder, "ends.png", _picture(0))
    _write(folder, "has no end mark.bmp", _picture(1, "BMP"))
    with watching(line, folder, opens=opens) as source:
        until(lambda: source.state.parts.recorded == 2)
    assert opened == ["has no end mark.bmp"]


def test_a_slow_line_is_given_each_file_once(folder: Path) -> None:
    line = MadeLine(after_s=0.2)
    for number in range(20):  # more than may be on their way at a time
        _write(folder, f"{number}.png", _picture(number) if number % 5 else b"no picture")
    with watching(line, folder) as source:
        until(lambda: source.state.parts.recorded == 20)
    assert len(set(line.ids)) == len(line.ids) == 20


def test_what_cannot_be_moved_aside_stays_and_is_told(folder: Path) -> None:
    line = MadeLine()
    _write(folder.parent, "aside", b"a file in the way")
    _write(folder, "text.png", b"no picture")
    with watching(line, folder) as source:
        until(lambda: source.state.parts.note is not None)
        time.sleep(0.2)
    assert "cannot be moved aside" in (source.state.parts.note or "")
    assert line.ids == ["line-1/text.png"]


def test_a_file_that_cannot_be_read_is_told_and_taken_once_it_can(folder: Path) -> None:
    line = MadeLine()
    (folder / "a.png").symlink_to("nowhere")
    with watching(line, folder) as source:
        until(lambda: "a.png" in (source.state.parts.note or ""))
        assert line.ids == []
        _write(folder, "nowhere", _picture(1))
        until(lambda: line.ids == ["line-1/a.png"])


def test_a_full_line_is_waited_for_and_each_part_comes_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing, "_LONGEST_PAUSE_S", 0.01)
    refusals = 0

    def at_times(arrival: Arrival) -> None:
        nonlocal refusals
        refusals += 1
        if refusals % 3:
            raise (LineFullError("full", 0.001) if refusals % 2 else LineStoppedError("stopped"))

    line = MadeLine(at_times)
    for number in range(4):
        _write(folder, f"{number}.png", _picture(number))
    with watching(line, folder) as source:
        until(lambda: source.state.parts.recorded == 4)
    assert len(set(line.ids)) == len(line.ids) == 4


def test_a_part_that_no_line_takes_is_told_and_tried_again_when_the_station_starts(folder: Path) -> None:
    seen = MemorySeen()

    def unknown(arrival: Arrival) -> None:
        raise OptionError("product 'cap' is not known; did you mean `cup`?")

    _write(folder, "0.png", _picture(0))
    with watching(MadeLine(unknown), folder, seen) as source:
        until(lambda: source.state.parts.refused == 1)
        time.sleep(0.2)
        assert (
            source.state.parts.note
            == "line-1/0.png: no line takes it (product 'cap' is not known; did you mean `cup`?)"
        )
        assert source.state.parts.refused == 1
    assert seen.files == {}
    line = MadeLine()
    with watching(line, folder, seen) as source:
        until(lambda: source.state.parts.recorded == 1)


def test_a_folder_that_goes_away_is_shown_and_waited_for(folder: Path) -> None:
    line = MadeLine()
    with watching(line, folder) as source:
        until(lambda: source.state.standing == "up")
        time.sleep(0.1)
        away = folder.rename(folder.with_name("away"))
        until(lambda: source.state.standing == "waits")
        assert "cannot be read (No such file or directory); waiting until it is back" in (
            source.state.parts.hindrance or ""
        )
        _write(away, "0.png", _picture(0))
        away.rename(folder)
        until(lambda: line.ids == ["line-1/0.png"])
        until(lambda: source.state.standing == "up")


def test_a_missing_folder_may_come_later(tmp_path: Path) -> None:
    line = MadeLine()
    with watching(line, tmp_path / "in") as source:
        until(lambda: source.state.standing == "waits")
        _write(tmp_path / "in", "0.png", _picture(0))
        until(lambda: line.ids == ["line-1/0.png"])


def test_a_name_that_is_no_utf_8_has_a_part_too(folder: Path) -> None:
    line = MadeLine()
    (Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9.png"))).write_bytes(_picture(0))
    with watching(line, folder) as source:
        until(lambda: source.state.parts.recorded == 1)
    assert line.ids == ["line-1/caf\\xe9.png"]
