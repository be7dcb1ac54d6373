"""What is written is whole or not there: kills, full disks, missing rights and second writers leave no half."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from kenpin import files
from kenpin.errors import OutputError, OutputExistsError
from kenpin.files import cannot_write, new_file, new_folder, put_in_place, take_back, why_unwritable, write_text


def hidden(folder: Path) -> list[str]:
    """Names that a writer left beside its target."""
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def fill(folder: Path, text: str) -> Path:
    folder.mkdir(parents=True)
    (folder / "a").write_text(text)
    return folder


def put(write: Any, target: Path, text: str, *, overwrite: bool = False, then: Callable[[], object] = int) -> None:
    """Write a file, or a folder with one; then do something before it is put in place."""
    with write(target, overwrite=overwrite) as path:
        (path / "a" if path.is_dir() else path).write_text(text)
        then()


@pytest.fixture(params=["atomic", "in two steps"])
def exchange(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """File systems that exchange two names in one step, and those that cannot."""
    if request.param != "atomic":
        monkeypatch.setattr(files, "_rename", lambda *_: False)
    return str(request.param)


def test_a_file_and_a_folder_come_whole_and_nothing_lies_beside_them(tmp_path: Path, exchange: str) -> None:
    write_text(tmp_path / "new" / "a.txt", "1")
    with new_folder(tmp_path / "new" / "b") as folder:
        (folder / "c").write_text("2")
        assert not (tmp_path / "new" / "b").exists()
    write_text(tmp_path / "new" / "a.txt", "3")
    with new_folder(tmp_path / "new" / "b") as folder:
        (folder / "d").write_text("4")
    assert (tmp_path / "new" / "a.txt").read_text() == "3"
    assert [path.name for path in (tmp_path / "new" / "b").iterdir()] == ["d"]
    assert hidden(tmp_path / "new") == []


@pytest.mark.parametrize("there", ["file", "folder", "nothing"])
def test_a_failure_leaves_what_was_there(tmp_path: Path, there: str) -> None:
    target = tmp_path / "deep" / "er" / "out"
    if there == "file":
        write_text(target, "before")
    if there == "folder":
        fill(target, "before")
    write = new_folder if there == "folder" else new_file
    with pytest.raises(ZeroDivisionError):
        put(write, target, "after", overwrite=True, then=lambda: 1 // 0)
    kept = {"file": target, "folder": target / "a"}.get(there)
    assert kept is None or kept.read_text() == "before"
    assert (tmp_path / "deep").exists() is (kept is not None), "folders that were made for it are gone too"
    assert kept is None or hidden(target.parent) == []


def test_the_second_of_two_writers_is_refused(tmp_path: Path, exchange: str) -> None:
    for write, target in ((new_file, tmp_path / "file"), (new_folder, tmp_path / "folder")):
        quicker = partial(put, write, target, "quick")
        with pytest.raises(OutputExistsError, match="already exists"):
            put(write, target, "slow", then=quicker)
        assert (target / "a" if target.is_dir() else target).read_text() == "quick"
    assert hidden(tmp_path) == []


def test_an_empty_folder_that_was_made_for_it_is_taken(tmp_path: Path, exchange: str) -> None:
    (tmp_path / "out").mkdir()
    with new_folder(tmp_path / "out", overwrite=False) as folder:
        (folder / "a").write_text("1")
    assert (tmp_path / "out" / "a").exists()


def _write_and_die(target: Path, is_folder: bool) -> None:
    with (new_folder if is_folder else new_file)(target) as path:
        (path / "a" if is_folder else path).write_text("half")
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("is_folder", [True, False])
def test_what_a_kill_left_the_next_writer_takes_away_but_not_what_another_is_writing(
    tmp_path: Path, is_folder: bool
) -> None:
    target = tmp_path / "a.b[1]"
    dead = multiprocessing.get_context("fork").Process(target=_write_and_die, args=(target, is_folder))
    dead.start()
    dead.join()
    assert dead.exitcode == -signal.SIGKILL
    assert len(hidden(tmp_path)) == 1
    write = new_folder if is_folder else new_file
    with write(target) as path:
        assert len(hidden(tmp_path)) == 1, "only its own"
        with write(target) as other:
            assert len(hidden(tmp_path)) == 2, "the first still writes"
            (other / "a" if is_folder else other).write_text("1")
        (path / "a" if is_folder else path).write_text("2")
    assert hidden(tmp_path) == []


def test_a_name_that_only_looks_like_it_is_left_alone(tmp_path: Path) -> None:
    for name in (".out.partial", ".out.new-0.partial", ".outer.new-01234567.partial", ".out.more.partial"):
        (tmp_path / name).mkdir()
    write_text(tmp_path / "out", "1")
    assert len(hidden(tmp_path)) == 4


def test_a_kill_between_two_renames_is_mended(tmp_path: Path) -> None:
    """Where a file system exchanges nothing, the old one may lie aside for a moment."""
    fill(tmp_path / ".out.replaced", "old")
    take_back(tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "old"
    fill(tmp_path / ".out.replaced", "older")
    take_back(tmp_path / "out")
    assert (tmp_path / "out" / "a").read_text() == "old"
    assert hidden(tmp_path) == []


_OVERWRITES = """
import sys
from pathlib import Path
from kenpin.files import new_folder
target, number = Path(sys.argv[1]), 0
while True:
    number += 1
    with new_folder(target) as folder:
        for name in "abc":
            (folder / name).write_text(str(number))
    print(number, flush=True)
"""


def test_kills_while_a_folder_is_overwritten_leave_a_whole_one(tmp_path: Path) -> None:
    target = tmp_path / "out"
    for moment in range(8):
        writer = subprocess.Popen([sys.executable, "-c", _OVERWRITES, str(target)], stdout=subprocess.PIPE, text=True)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(0.003 * moment)
        writer.kill()
        writer.wait()
        writer.stdout.close()
        values = {(target / name).read_text() for name in "abc"}
        assert len(values) == 1, "all of one writing"
    write_text(tmp_path / "out" / "d", "")
    with new_folder(target) as folder:
        (folder / "a").write_text("last")
    assert hidden(tmp_path) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 kB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "none", place], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root alone")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_full_disk_is_told_with_the_place_and_nothing_is_left(small_disk: Path) -> None:
    write_text(small_disk / "a.txt", "before")
    for write, target in ((new_file, small_disk / "a.txt"), (new_folder, small_disk / "b")):
        with pytest.raises(OutputError, match=f"{target}: there is no room left on its disk; free some, or choose"):
            put(write, target, "0" * 200_000, overwrite=True)
    assert (small_disk / "a.txt").read_text() == "before"
    assert sorted(path.name for path in small_disk.iterdir()) == ["a.txt"]


def raised(make: Callable[[], object]) -> BaseException:
    try:
        make()
    except Exception as error:  # noqa: BLE001 whatever it is
        return error
    raise AssertionError("nothing was raised")


def test_whose_error_it_is_and_what_it_says(tmp_path: Path) -> None:
    def wrapped() -> None:
        try:
            raise RuntimeError("LanceError(IO): No space left on device (os error 28)")
        except RuntimeError as error:
            raise ValueError("could not add") from error

    assert "no room" in str(why_unwritable(raised(wrapped)))
    assert "no room" in str(why_unwritable(OSError(errno.EDQUOT, "Disk quota exceeded")))
    readonly = OSError(errno.EROFS, "Read-only file system", str(tmp_path / "run"))
    assert "may not be written there (Read-only file system)" in str(why_unwritable(readonly, tmp_path / "run"))
    unreadable = PermissionError(errno.EACCES, "Permission denied", "/data/picture.png")
    assert why_unwritable(unreadable, tmp_path / "run") is None, "it is the picture that may not be read"
    with pytest.raises(PermissionError), cannot_write(tmp_path / "run"):
        raise unreadable
    assert why_unwritable(KeyError("space")) is None
    ring, closing = KeyError("a"), KeyError("b")
    ring.__cause__, closing.__cause__ = closing, ring
    assert why_unwritable(ring) is None, "some libraries' chains of causes have no end"


def test_a_folder_is_not_put_over_what_came_there_meanwhile(tmp_path: Path, exchange: str) -> None:
    new, there = fill(tmp_path / "new", "new"), fill(tmp_path / "there", "there")
    with pytest.raises(OutputExistsError):
        put_in_place(new, there, overwrite=False)
    assert (there / "a").read_text() == "there"
