"""The folder sink: a file for each event, whole or absent, the same when told again, and never outside."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.station.sinks.contract import SinkAwayError, SinkPlace
from kenpin.station.sinks.kinds import folder
from kenpin.station.sinks.kinds.folder import FolderOptions, FolderSink, below_of, stem_of
from kenpin.station.sinks.message import message_of
from tests.pictures import write_parts
from tests.station.sinks.told_events import place, told


def opened(where: Path, picture: Path | None = None, /, **options: Any) -> FolderSink:
    own = SinkPlace("plant", "node-1", where, lambda content: picture)
    return folder.open(FolderOptions(folder=Path("told"), **options), own)


def _files(where: Path) -> list[str]:
    return sorted(path.relative_to(where).as_posix() for path in where.rglob("*") if path.is_file())


def test_an_event_is_a_file_and_told_again_it_is_the_same(tmp_path: Path) -> None:
    sink = opened(tmp_path)
    for one in (told(2, "b"), told(1, "lot 7/a.png"), told(1, "lot 7/a.png"), told(3, None, "switched")):
        sink.send(one)
    files = _files(tmp_path / "told")
    assert len(files) == 3
    assert [name.split("-")[1] for name in files] == ["judged", "judged", "switched"]  # by name in order of time
    assert json.loads((tmp_path / "told" / files[0]).read_text("utf-8")) == message_of(told(1, "lot 7/a.png"), "node-1")
    assert "lot 7_a.png" in files[0]


def test_folders_below_are_named_by_the_event(tmp_path: Path) -> None:
    opened(tmp_path, below="{product}/{date}/{verdict}").send(told(1))
    assert _files(tmp_path)[0].startswith("told/valve/2026-11-27/FAIL/")


def test_the_picture_lies_beside_it_with_the_ending_of_its_format(tmp_path: Path) -> None:
    parts = write_parts(tmp_path / "parts", count=1)
    picture = next(parts.rglob("*.png"))
    kept = tmp_path / "kept"
    kept.write_bytes(picture.read_bytes())
    opened(tmp_path, kept, picture=True).send(told(1))
    told_file, copy = sorted((tmp_path / "told").iterdir(), key=lambda path: path.suffix)
    assert copy.suffix == ".png"
    assert copy.read_bytes() == picture.read_bytes()
    assert json.loads(told_file.read_text())["picture"] == copy.name
    kept.write_bytes(b"no picture")
    opened(tmp_path, kept, picture=True).send(told(2, "broken"))
    assert [path.suffix for path in (tmp_path / "told").iterdir()].count(".bin") == 1


@pytest.mark.parametrize("gone", [None, Path("gone")])
def test_a_picture_that_was_removed_is_null(tmp_path: Path, gone: Path | None) -> None:
    opened(tmp_path, None if gone is None else tmp_path / gone, picture=True).send(told(1))
    (file,) = (tmp_path / "told").iterdir()
    assert json.loads(file.read_text())["picture"] is None


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=300)
NASTY = st.sampled_from(["..", ".", "", "/", "../../etc/passwd", "con", "a/../..", "\0", "-rf", "COM1.txt", " . "])


@given(id=ANY_TEXT | NASTY, lot=ANY_TEXT | NASTY, label=ANY_TEXT | NASTY)
def test_whatever_a_part_is_called_its_file_lies_where_it_should(id: str, lot: str, label: str) -> None:
    one = told(1, id, lot=lot, label=label)
    below, stem = below_of(one, "{lot}/{label}", "node-1"), stem_of(one)
    pieces = [*below.split("/"), stem]
    assert len(pieces) == 3
    for piece in pieces:
        assert piece not in ("", ".", "..")
        assert not piece.startswith(".")
        assert "\0" not in piece
        assert len(f".{piece}.partial-1.json".encode()) < 255
    assert os.path.normpath(Path("told", below)) == str(Path("told", *pieces[:2]))


def test_a_folder_that_cannot_be_written_to_is_away(tmp_path: Path) -> None:
    (tmp_path / "told").write_text("a file")
    with pytest.raises(SinkAwayError, match="cannot be written to"):
        opened(tmp_path)
    (tmp_path / "told").unlink()
    sink = opened(tmp_path, below="{product}")
    (tmp_path / "told" / "valve").write_text("a file in the way")
    with pytest.raises(SinkAwayError, match="cannot be written to"):
        sink.send(told(1))
    (tmp_path / "told" / "valve").unlink()
    sink.send(told(1))


def test_it_takes_the_folder_of_the_station_for_relative_paths(tmp_path: Path) -> None:
    folder.open(FolderOptions(folder=tmp_path / "elsewhere"), place(tmp_path / "station")).send(told(1))
    assert len(_files(tmp_path / "elsewhere")) == 1
