"""The watched folder with a form of file names: pictures of a part are handed on together, in any order they come."""

from __future__ import annotations

import io
import random
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.picture_files import MAX_BYTES, PictureBytes, read_bytes_once
from kenpin.errors import OptionError
from kenpin.inspection import pictures
from kenpin.records import ImageSource, Verdict
from kenpin.station.running import Station
from kenpin.station.settings import Limits, StationSettings
from kenpin.station.sources.contract import SourcePlace, read_source
from kenpin.station.sources.running import RunningSource
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import PartRow, stream
from kenpin.words import Texts
from kenpin.words.recorded import translated
from tests.part_pictures import FORM, draw_parts
from tests.pictures import part
from tests.station.sinks.told_events import until
from tests.station.sources.lines import MadeLine, MemorySeen
from tests.station.test_parts_by_views import policy
from tests.training.test_by_part import parts, run

__all__ = ["parts", "policy", "run"]


def _picture(seed: int) -> bytes:
    file = io.BytesIO()
    part(seed, scratched=False).save(file, "PNG")
    return file.getvalue()


def _source(
    line: MadeLine, station: Path, seen: MemorySeen | None = None, limits: Limits | None = None, **values: Any
) -> RunningSource:
    quick = {"kind": "folder", "folder": "in", "settle_s": 0.05, "aside_after_s": 0.3, "by": FORM, "part_after_s": 1.0}
    name, kind, options = read_source("line-1", quick | values)

    def is_whole(product: str | None, views: Sequence[str | None]) -> bool:
        return sorted(view or "" for view in views) == ["side", "top"]

    place = SourcePlace(
        "line-1", station, station / "aside", seen or MemorySeen(), is_whole=is_whole, limits=limits or Limits()
    )
    return RunningSource(name, kind, options, place, line.submit)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize("seed", range(3))
def test_pictures_of_a_part_are_handed_on_together_and_once(folder: Path, seed: int) -> None:
    chance, line, memory = random.Random(seed), MadeLine(), MemorySeen()
    names = [f"A_{number}_{view}.png" for number in range(12) for view in ("side", "top")]
    chance.shuffle(names)
    data = {name: _picture(index) for index, name in enumerate(names)}
    source = _source(line, folder.parent, memory, part_after_s=60.0, lot="L7")
    source.start()
    for name in names:
        (folder / name).write_bytes(data[name])
        time.sleep(chance.choice([0.0, 0.0, 0.04]))
    until(lambda: source.state.parts.recorded == 12)
    source.close(10)
    assert sorted(one.id for one in line.parts) == sorted(f"line-1/A_{number}" for number in range(12))
    for one in line.parts:
        stem = one.id.removeprefix("line-1/")
        assert {(view.name, view.data) for view in one.views} == {
            (view, data[f"{stem}_{view}.png"]) for view in ("side", "top")
        }
        assert (one.product, one.lot) == (None, "L7")
    assert memory.files.keys() == set(names)
    again = _source(line, folder.parent, memory)
    again.start()
    time.sleep(0.4)
    again.close(10)
    assert (len(line.parts), line.taken) == (12, [])


def test_a_part_that_lacks_a_picture_waits_and_is_handed_on_as_it_is(folder: Path) -> None:
    line = MadeLine()
    source = _source(line, folder.parent)
    source.start()
    (folder / "half_top.png").write_bytes(_picture(1))
    (folder / "noform.png").write_bytes(_picture(2))
    began_s = time.monotonic()
    until(lambda: source.state.parts.recorded == 2)
    assert time.monotonic() - began_s >= 0.9
    assert [(one.id, [view.name for view in one.views]) for one in line.parts] == [("line-1/half", ["top"])]
    assert [one.id for one in line.taken] == ["line-1/noform.png"]
    source.close(10)


def test_a_file_that_grows_or_is_no_picture_holds_its_part_alone(folder: Path) -> None:
    line = MadeLine()
    source = _source(line, folder.parent, aside_after_s=1.2, part_after_s=5.0)
    (folder / "slow_top.png").write_bytes(_picture(1))
    (folder / "slow_side.png").write_bytes(_picture(2)[:-40])
    (folder / "bad_top.png").write_bytes(_picture(3))
    (folder / "bad_side.png").write_bytes(b"no picture")
    source.start()
    time.sleep(0.4)
    (folder / "good_top.png").write_bytes(_picture(4))
    (folder / "good_side.png").write_bytes(_picture(5))
    until(lambda: len(line.parts) >= 1)
    assert [one.id for one in line.parts] == ["line-1/good"]
    (folder / "slow_side.png").write_bytes(_picture(2))
    until(lambda: source.state.parts.recorded == 3)
    source.close(10)
    views = {one.id: {view.name: view.data for view in one.views} for one in line.parts}
    assert views["line-1/slow"] == {"top": _picture(1), "side": _picture(2)}
    assert views["line-1/bad"] == {"top": _picture(3), "side": b"no picture"}
    assert {path.name for path in folder.iterdir()} >= {"bad_side.png", "bad_top.png"}


@pytest.mark.parametrize("limit", ["picture_bytes", "part_bytes"])
def test_what_is_larger_than_the_station_takes_is_not_read_and_holds_up_nothing(
    folder: Path, limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, line = list[str](), MadeLine()

    def noted(source: ImageSource, limit: int = MAX_BYTES) -> PictureBytes:
        once = read_bytes_once(source, limit)
        read.append(Path(source.path or "").name)
        return once

    monkeypatch.setattr(pictures, "read_bytes_once", noted)
    usual = {name: _picture(number) for number, name in enumerate(("ok_top.png", "ok_side.png"))}
    large = sum(map(len, usual.values())) + 10_000
    for name, data in usual.items():
        (folder / name).write_bytes(data)
    for name in ("vast_top.png", "vast_side.png"):
        (folder / name).write_bytes(b"\x89PNG" + bytes(large // 2 if limit == "part_bytes" else large))
    source = _source(line, folder.parent, limits=Limits.from_mapping({limit: large - 1}, "made"))
    source.start()
    until(lambda: source.state.parts.recorded == 1 and "vast" in (source.state.parts.note or ""))
    (folder / "ok2_top.png").write_bytes(_picture(3))
    (folder / "ok2_side.png").write_bytes(_picture(4))
    until(lambda: source.state.parts.recorded == 2)
    source.close(10)
    assert {one.id for one in line.parts} == {"line-1/ok", "line-1/ok2"}
    assert not [name for name in read if name.startswith("vast")]
    note = source.state.parts.note or ""
    assert ("`part_bytes`" in note) is (limit == "part_bytes")
    assert translated(note, Texts("ja")) is not None


def test_a_form_that_names_no_part_is_refused() -> None:
    with pytest.raises(OptionError, match="names no part"):
        read_source("line-1", {"kind": "folder", "folder": "in", "by": "{view}"})


def test_a_station_judges_the_parts_of_a_folder(tmp_path: Path, policy: Path) -> None:
    line = tmp_path / "line"
    line.mkdir()
    settings = StationSettings.from_mapping(
        {
            "products": {"parts": {"policy": str(policy)}},
            "sources": {
                "camera": {"kind": "folder", "folder": str(line), "by": FORM, "settle_s": 0.05, "part_after_s": 60}
            },
            "limits": {"free_bytes": 0},
        },
        "made",
    )
    files = sorted(draw_parts(tmp_path / "new", 8, 3, seed=7).rglob("*.png"))

    def rows(station: Station) -> list[PartRow]:
        return [*stream(station.store, PartFilter("parts"))]

    with Station(tmp_path / "station", settings, engine="torch") as station:
        for file in random.Random(1).sample(files, len(files)):
            shutil.copy(file, line / file.name)
        until(lambda: len(rows(station)) == 8)
        verdicts = {row.id: row.verdict for row in rows(station)}
    assert verdicts == {f"camera/p7-{n:02d}": Verdict.FAIL if n < 3 else Verdict.PASS for n in range(8)}
    with Station(tmp_path / "station", settings, engine="torch") as again:
        time.sleep(0.5)
        assert (again.state()["parts"].judged, len(rows(again))) == (0, 8)
