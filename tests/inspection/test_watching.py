"""The watched folder: a file is handed out when it is whole, once, and given up only when it stays no picture."""

from __future__ import annotations

import errno
import io
import os
import time
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data import picture_files
from kenpin.inspection.pictures import Opened, Sighting, open_picture
from kenpin.inspection.watching import WatchedFolder, sightings


def _bytes(format: str, seed: int = 0) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 256, (24, 32, 3), np.uint8)).save(file, format)
    return file.getvalue()


class _Line:
    """A watched folder, a clock that is set by hand, and what an inspection would do with what comes."""

    def __init__(self, folder: Path, **settings: object) -> None:
        self.folder, self.now_s = folder, 0.0
        self.judged: list[str] = []
        self.given_up: list[str] = []
        usual: dict[str, object] = {"settle_s": 0.5, "aside_after_s": 5.0, "until_idle_s": None, "stop": Event()}
        self.watched = WatchedFolder(folder, {}, clock=lambda: self.now_s, **(usual | settings))  # type: ignore[arg-type]

    def write(self, name: str, data: bytes, *, age_s: float = 0.0) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        if age_s:
            written_ns = time.time_ns() - int(age_s * 1e9)
            os.utime(path, ns=(written_ns, written_ns))

    def after(self, seconds: float) -> list[str]:
        """What was judged once so much time has gone by."""
        self.now_s += seconds
        before = len(self.judged)
        for seen in self.watched.next(100, wait=False) or ():
            self._open(seen)
        return self.judged[before:]

    def _open(self, seen: Sighting) -> None:
        opened = open_picture(seen)
        if opened.error is None:
            self.judged.append(seen.id)
            self.watched.judged(seen)
        elif self.watched.gives_up(opened):
            self.given_up.append(seen.id)
            self.watched.judged(seen)


@pytest.fixture
def line(tmp_path: Path) -> _Line:
    """A line into an empty folder."""
    return _Line(tmp_path)


@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_a_picture_that_shows_its_end_is_taken_at_once(line: _Line, format: str) -> None:
    line.write(f"a.{format.lower()}", _bytes(format))
    assert line.after(0.1) == [f"a.{format.lower()}"]


def test_one_that_does_not_must_have_settled(line: _Line) -> None:
    line.write("a.bmp", _bytes("BMP"))
    assert line.after(0.1) == []
    assert line.after(0.3) == []
    assert line.after(0.3) == ["a.bmp"]


def test_one_that_was_written_long_ago_and_has_just_got_its_name_is_taken_at_once(line: _Line) -> None:
    line.write("a.bmp", _bytes("BMP"), age_s=10)
    assert line.after(0.1) == ["a.bmp"]


@pytest.mark.parametrize("format", ["PNG", "JPEG", "BMP", "TIFF", "GIF", "WEBP"])
def test_a_picture_that_grows_is_judged_once_and_whole(line: _Line, format: str) -> None:
    data, name = _bytes(format), f"a.{format.lower()}"
    path = line.folder / name
    for end in [*range(0, len(data), max(1, len(data) // 40)), len(data)]:
        path.write_bytes(data[:end])
        found = line.after(0.2)
        assert not found or path.read_bytes() == data
    line.after(1.0)
    assert line.judged == [name]


def test_only_what_stays_as_it_is_for_the_stated_time_is_given_up(line: _Line) -> None:
    line.write("a.png", b"no picture")
    line.write("b.png", b"no picture either")
    for seconds in (0.1, 2.0, 2.0):
        assert line.after(seconds) == []
    assert line.given_up == []
    line.write("b.png", b"something else, still none")
    line.after(1.5)
    assert line.given_up == ["a.png"]
    line.after(4.0)
    line.write("b.png", _bytes("PNG"))
    assert line.after(0.5) == ["b.png"]


def test_what_becomes_a_picture_at_the_last_moment_is_not_given_up(line: _Line) -> None:
    line.write("a.png", b"no picture")
    line.after(0.1)
    line.after(1.0)
    line.now_s += 5.0
    (seen,) = line.watched.next(100, wait=False) or []
    line.write("a.png", _bytes("PNG"))
    assert not line.watched.gives_up(open_picture(seen))
    assert line.after(1.0) == ["a.png"]


def test_a_file_that_cannot_be_read_is_tried_as_long_however_late_its_turn_comes(line: _Line) -> None:
    line.write("a.png", _bytes("PNG"))
    path = line.folder / "a.png"
    line.watched.next(0, wait=False)  # it is seen
    line.now_s += 60.0  # and other parts come first
    (seen,) = line.watched.next(100, wait=False) or []
    path.rename(path.with_name("elsewhere"))
    unread = open_picture(seen)
    path.with_name("elsewhere").rename(path)
    assert not unread.picture_hash
    assert not line.watched.gives_up(unread)
    assert line.after(1.5) == ["a.png"]


def test_what_is_no_picture_is_not_read_again_and_again(line: _Line, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[Opened] = []
    gives_up = line.watched.gives_up

    def counted(opened: Opened) -> bool:
        tried.append(opened)
        return gives_up(opened)

    monkeypatch.setattr(line.watched, "gives_up", counted)
    line.write("a.png", b"no picture")
    for _ in range(20):
        line.after(0.1)
    assert len(tried) == 1


def test_another_content_under_the_same_name_is_another_part_and_the_same_one_is_not(line: _Line) -> None:
    line.write("a.png", _bytes("PNG"))
    assert line.after(0.1) == ["a.png"]
    assert line.after(0.1) == []
    line.write("a.png", _bytes("PNG", seed=1))  # in its place
    assert line.after(1.0) == ["a.png"]
    line.write("new", _bytes("PNG", seed=2))
    (line.folder / "new").rename(line.folder / "a.png")
    assert line.after(0.1) == ["a.png"]
    (line.folder / "a.png").touch()
    assert line.after(1.0) == ["a.png"], "its content is read, and decides"


def test_hidden_files_and_other_endings_are_left_alone(line: _Line) -> None:
    for name in (".a.png", "a.png.part", "a.txt", ".hidden/a.png"):
        line.write(name, _bytes("PNG"))
    line.write("below/a.PNG", _bytes("PNG"))
    assert line.after(10.0) == ["below/a.PNG"]


def test_what_was_judged_before_is_told_by_its_size_and_time(line: _Line) -> None:
    line.write("a.png", _bytes("PNG"))
    line.write("b.png", _bytes("PNG"))
    known = {seen.id: (seen.size_bytes, seen.modified_ns) for seen in sightings(line.folder, {})}
    line.watched = WatchedFolder(
        line.folder, known, settle_s=0, aside_after_s=5, until_idle_s=0, stop=Event(), clock=lambda: line.now_s
    )
    line.write("b.png", _bytes("PNG", seed=1))
    assert line.after(0.1) == ["b.png"]


def test_the_first_come_is_the_first_served(line: _Line) -> None:
    for age_s, name in enumerate(("c.png", "a.png", "b.png")):
        line.write(name, _bytes("PNG"), age_s=10 - age_s)
    assert line.after(0.1) == ["c.png", "a.png", "b.png"]


def test_it_ends_when_nothing_came_for_so_long_and_nothing_is_waited_for(tmp_path: Path) -> None:
    stop = Event()
    watched = WatchedFolder(tmp_path, {}, settle_s=0, aside_after_s=0.2, until_idle_s=0.1, stop=stop)
    (tmp_path / "a.png").write_bytes(b"no picture")
    (seen,) = watched.next(8, wait=True) or []
    assert not watched.gives_up(open_picture(seen))
    started_s = time.monotonic()
    assert watched.next(8, wait=True) == [seen], "it waits for the bad one, and tries it once more"
    assert watched.gives_up(open_picture(seen))
    watched.judged(seen)
    assert watched.next(8, wait=True) is None
    assert time.monotonic() - started_s > 0.2
    stop.set()


def test_it_ends_when_it_is_stopped(tmp_path: Path) -> None:
    stop = Event()
    stop.set()
    watched = WatchedFolder(tmp_path, {}, settle_s=0, aside_after_s=0, until_idle_s=None, stop=stop)
    assert watched.next(8, wait=True) is None


def test_a_folder_below_that_goes_away_is_passed_over(line: _Line) -> None:
    line.write("below/a.png", _bytes("PNG"))
    assert line.after(0.1) == ["below/a.png"]
    (line.folder / "below" / "a.png").unlink()
    (line.folder / "below").rmdir()
    assert line.after(0.1) == []


def test_a_watched_folder_that_is_away_for_a_moment_is_waited_for(line: _Line) -> None:
    notes: list[str] = []
    line.watched = WatchedFolder(
        line.folder, {}, settle_s=0, aside_after_s=5, until_idle_s=0, stop=Event(), clock=lambda: line.now_s,
        note=notes.append,
    )  # fmt: skip
    line.write("a.png", _bytes("PNG"))
    assert line.after(0.1) == ["a.png"]
    line.write("b.png", _bytes("PNG"))
    line.folder.rename(line.folder.with_name("away"))
    for seconds in (1.0, 1.0, 1.0):
        assert line.after(seconds) == []
    line.folder.with_name("away").rename(line.folder)
    assert line.after(1.0) == ["b.png"]
    assert [note.removeprefix(f"{line.folder}: ") for note in notes] == [
        "cannot be read (No such file or directory); waiting until it is back.",
        "is back.",
    ]


def test_one_that_stays_away_is_an_error_where_watching_was_to_end(line: _Line) -> None:
    line.watched = WatchedFolder(
        line.folder, {}, settle_s=0, aside_after_s=5, until_idle_s=0, stop=Event(), clock=lambda: line.now_s
    )
    line.after(0.1)
    line.folder.rmdir()
    assert line.after(1.0) == []
    with pytest.raises(FileNotFoundError):
        line.after(5.0)


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
def test_what_cannot_be_read_for_a_moment_is_judged_as_soon_as_it_can(
    line: _Line, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    line.write("a.png", _bytes("PNG"))
    with monkeypatch.context() as away:
        away.setattr(picture_files, "open_regular", _raises(OSError(error, os.strerror(error))))
        assert line.after(0.1) == []
        assert line.after(1.5) == []
    assert line.after(1.5) == ["a.png"]
    assert line.given_up == []


@pytest.mark.parametrize("kind", ["pipe", "nowhere", "itself", "device"])
def test_what_is_no_file_is_given_up_and_never_waited_for_in_a_read(line: _Line, kind: str) -> None:
    path = line.folder / "a.png"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to({"nowhere": "none.png", "itself": "a.png", "device": "/dev/zero"}[kind])
    assert line.after(0.1) == []
    line.after(6.0)
    line.after(6.0)
    assert line.given_up == ["a.png"]
    assert line.after(6.0) == []


def test_a_folder_below_that_cannot_be_listed_is_given_up_once_and_the_others_go_on(
    line: _Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    line.write("locked/a.png", _bytes("PNG"))
    line.write("open/a.png", _bytes("PNG"))
    scandir = os.scandir

    def refused(path: str) -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as locked:
        locked.setattr(os, "scandir", refused)
        assert line.after(0.1) == ["open/a.png"]
        for _ in range(4):
            line.after(4.0)
        assert line.given_up == ["locked/"]
    assert line.after(4.0) == ["locked/a.png"]


def _raises(error: Exception) -> Any:
    def fails(*_: object, **__: object) -> None:
        raise error

    return fails
