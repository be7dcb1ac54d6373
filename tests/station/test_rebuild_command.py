"""`kenpin station rebuild` fills a lost store from the station's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.store.addresses import default_address
from kenpin.station.store.opening import Store
from tests.commands import Run
from tests.station.store.made import append, content, part, say, settled


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    """A station with three parts and one entry, without a store."""
    folder = StationFolder(tmp_path / "station")
    append(folder, [part(n) for n in range(3)])
    say(folder, [settled(part(1), Verdict.FAIL)])
    return folder


def test_a_lost_store_is_filled(kenpin: Run, folder: StationFolder, tmp_path: Path) -> None:
    told = f"{folder.store}: 3 parts and 1 entry of the trails were taken up.\n"
    assert kenpin("station", "rebuild", folder.path) == (0, "", told)
    other = f"sqlite:///{tmp_path / 'other.sqlite'}"
    assert kenpin("station", "rebuild", folder.path, "--store", other)[0] == 0
    folder.settings.write_text(f"store: sqlite:///{tmp_path / 'third.sqlite'}\n")
    assert kenpin("station", "rebuild", folder.path)[2].startswith(f"{tmp_path / 'third.sqlite'}: 3 parts")
    with Store(default_address(folder)) as first, Store(other) as second:
        assert content(first) == content(second)
        assert len(content(first)["parts"]) == 3


def test_a_store_that_is_none_is_told_with_what_helps(kenpin: Run, folder: StationFolder) -> None:
    folder.store.write_bytes(b"no database" * 999)
    status, out, err = kenpin("station", "rebuild", folder.path)
    assert (status, out) == (2, "")
    assert "move the file away, and fill a new one with `kenpin station rebuild`" in err
    folder.store.unlink()
    assert kenpin("station", "rebuild", folder.path)[0] == 0


def test_what_is_no_station_is_told(kenpin: Run, tmp_path: Path) -> None:
    status, _, err = kenpin("station", "rebuild", tmp_path / "nowhere")
    assert (status, err) == (2, f"kenpin: {tmp_path}/nowhere: holds no records of a station; name the folder of one.\n")
    assert not (tmp_path / "nowhere").exists()
