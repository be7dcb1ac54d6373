"""A file whose name tells its content is whole or absent, whoever writes it, dies or has no room."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import copyfile
from typing import Any

import pytest

from kenpin import unnamed_file
from kenpin.errors import OutputError
from kenpin.unnamed_file import take_once, write_once


@pytest.fixture(params=["none", errno.EOPNOTSUPP, errno.EISDIR, "link"])
def system(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One with files without names, and those that lack them: by their disk, their kernel, or for want of /proc."""
    opens, kind = os.open, request.param

    def refusing(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_TMPFILE == os.O_TMPFILE:
            raise OSError(kind, os.strerror(kind))
        return opens(path, flags, *rest, **named)

    def no_proc(*_: Any, **__: Any) -> None:
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    if kind == "link":
        monkeypatch.setattr(os, "link", no_proc)
    elif kind != "none":
        monkeypatch.setattr(os, "open", refusing)
    return kind


@pytest.mark.parametrize("size", [0, 1, 70_000])
def test_it_is_written_once_and_leaves_nothing_else(tmp_path: Path, system: Any, size: int) -> None:
    data = os.urandom(size)
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: write_once(tmp_path / "a", data), range(8)))
    assert (tmp_path / "a").read_bytes() == data
    assert [*tmp_path.iterdir()] == [tmp_path / "a"]
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o666 & ~_umask()


@pytest.mark.parametrize("there", [False, True])
def test_a_file_is_taken_without_being_copied(
    tmp_path: Path, system: Any, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    data, copied = os.urandom(70_000), list[Path]()
    came, target = tmp_path / "came", tmp_path / "a"
    came.write_bytes(data)
    if there:
        target.write_bytes(data)

    def noted(path: Path, to: Path) -> Path:
        copied.append(path)
        return copyfile(path, to)

    monkeypatch.setattr(unnamed_file, "copyfile", noted)
    take_once(target, came)
    assert copied == ([came] if system == "link" else []), "only where the disk has no links"
    came.unlink()
    assert target.read_bytes() == data
    assert [*tmp_path.iterdir()] == [target]
    assert target.stat().st_mode & 0o777 == 0o666 & ~_umask()


@pytest.mark.parametrize("step", ["write", "fsync"])
def test_without_room_there_is_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, step, full)
        with pytest.raises(OutputError, match="no room left"):
            write_once(tmp_path / "a", b"data")
    assert [*tmp_path.iterdir()] == []


def test_a_killed_writer_leaves_nothing(tmp_path: Path) -> None:
    writer = multiprocessing.get_context("spawn").Process(target=_write_and_die, args=(tmp_path / "a",))
    writer.start()
    writer.join(60)
    assert writer.exitcode == -signal.SIGKILL
    assert [*tmp_path.iterdir()] == []


def _write_and_die(target: Path) -> None:
    os.fsync = lambda _: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[assignment]
    write_once(target, b"data")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
