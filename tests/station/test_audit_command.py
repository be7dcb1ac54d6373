"""The commands `audit verify` and `audit show`: a line each, the right status, and no text of strangers that steers."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from kenpin.station.folder import StationFolder
from tests.commands import Run
from tests.station.station_files import made_station


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    return made_station(tmp_path / "station")


def test_all_is_sound(kenpin: Run, folder: StationFolder) -> None:
    status, out, err = kenpin("audit", "verify", folder.path, "--json", "report.json")
    assert (status, err) == (0, f"{folder.path}: 3 files, none not as it was written.\n")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[0] == [
        "trails/node-1.jsonl",
        "3 entries",
        "2026-11-27T09:30:00.000000+00:00",
        "2026-11-27T13:30:00.000000+00:00",
        "sound",
    ]
    assert [row[-1] for row in rows] == ["sound"] * 3
    files = json.loads(Path("report.json").read_text("utf-8"))["files"]
    assert [one["problem"] for one in files] == [None] * 3


def test_what_is_not_sound_has_its_line_and_status_1(kenpin: Run, folder: StationFolder) -> None:
    assert kenpin("audit", "verify", folder.path, "--json", "report.json")[0] == 0
    path = folder.trail("node-1")
    path.write_bytes(path.read_bytes().replace(b"admin", b"adman"))
    status, out, err = kenpin("audit", "verify", folder.path, "--json", "second.json")
    assert status == 1
    assert err.endswith("3 files, 1 not as it was written.\n")
    first, *others = out.splitlines()
    assert f"{path} line 2: does not follow what the station wrote before it: line 1 was changed" in first
    assert [line.rpartition("\t")[2] for line in others] == ["sound", "sound"]
    problem = json.loads(Path("second.json").read_text("utf-8"))["files"][0]["problem"]
    assert "line 1 was changed" in problem
    status, out, _ = kenpin("audit", "verify", folder.path, "--against", "report.json")
    assert status == 1


def test_an_earlier_report_tells_what_was_cut_off(kenpin: Run, folder: StationFolder) -> None:
    kenpin("audit", "verify", folder.path, "--json", "report.json")
    path = folder.trail("node-2")
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    assert kenpin("audit", "verify", folder.path)[0] == 0
    status, out, _ = kenpin("audit", "verify", folder.path, "--against", "report.json")
    assert status == 1
    assert "has 1 of the 2 lines that it had earlier" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("verify", "nowhere"), "nowhere: no such file or folder; name a pack"),
        (("verify", "."), "there is no trail and no journal in it"),
        (("show", "nowhere"), "there is no trail in it"),
        (("show", "{folder}", "--since", "soon"), "'soon' is not a time; give one such as 2026-11-27"),
        (("verify", "{folder}", "--against", "nothing.json"), "nothing.json: cannot be read"),
        (("verify", "{folder}", "--json", "taken"), "taken: already exists"),
        (("show", "{folder}", "--csv", "taken"), "taken: already exists"),
    ],
)
def test_misuse_is_one_sentence(kenpin: Run, folder: StationFolder, words: tuple[str, ...], sentence: str) -> None:
    Path("taken").write_text("kept")
    status, out, err = kenpin("audit", *(word.format(folder=folder.path) for word in words))
    assert (status, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert Path("taken").read_text() == "kept"


def test_entries_are_shown_a_line_each(kenpin: Run, folder: StationFolder) -> None:
    status, out, err = kenpin("audit", "show", folder.path)
    assert (status, err) == (0, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert rows[1] == ["2026-11-27T10:30:00.000000+00:00", "node-2/1", "aoi", "signed-in", '{"address": "192.0.2.7"}']
    assert len(rows) == 5
    assert "\x1b" not in out
    assert "\u202e" not in out
    assert "傷\\u001b[31m\\u202e" in out


def test_entries_are_chosen(kenpin: Run, folder: StationFolder) -> None:
    def shown(*words: str) -> list[str]:
        _, out, err = kenpin("audit", "show", folder.path, *words)
        assert bool(err) is not bool(out)
        return [line.split("\t")[1] for line in out.splitlines()]

    assert shown("--who", "REN", "--who", "station") == ["node-1/1", "node-2/2"]
    assert shown("--what", "part-reviewed", "--who", "aoi") == ["node-1/2"]
    assert shown("--since", "2026-11-27T12:30", "--until", "2026-11-27") == ["node-2/2", "node-1/3"]
    assert shown("--what", "nothing") == []


def test_a_spreadsheet_computes_nothing(kenpin: Run, folder: StationFolder) -> None:
    from kenpin.station.trail import Trail

    trail = Trail(folder.trail("node-1"), "node-1")
    trail.append("=1+1", "@what", {})
    trail.close()
    status, out, err = kenpin("audit", "show", folder.path, "--csv", "trail.csv")
    assert (status, out, err) == (0, "", "trail.csv: 6 entries.\n")
    with Path("trail.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["at", "entry", "who", "what", "about"]
    assert rows[6][2:4] == ["'=1+1", "'@what"]
    assert json.loads(rows[3][4])["label"] == "傷\x1b[31m\u202e"
    assert not [cell for row in rows for cell in row if cell[:1] in "=+-@\t\r" and cell]
    assert kenpin("audit", "show", folder.path, "--csv", "trail.csv", "--overwrite")[0] == 0
