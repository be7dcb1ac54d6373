"""Files that are no pictures move out of the way; never over another, and not where they have become something else."""

from __future__ import annotations

import errno
import os
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from kenpin.inspection.aside import finish_moves, place_aside, put_aside
from kenpin.inspection.journal import Journal
from kenpin.inspection.pictures import Sighting, as_text, sighting_of, status_of
from tests.inspection.made import record, unreadable


def _seen(path: Path) -> Sighting:
    return sighting_of(path.name, str(path), path.stat())


def _bad(folder: Path, content: bytes = b"bad") -> Path:
    path = folder / "bad.png"
    path.write_bytes(content)
    return path


def _across_file_systems(monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    """Let this path not be moved by its name alone."""
    rename = Path.rename

    def refused(self: Path, target: Path) -> Path:
        if self == path:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refused)


@pytest.mark.parametrize("across", [False, True])
def test_a_name_that_is_taken_stays_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool) -> None:
    if across:
        _across_file_systems(monkeypatch, tmp_path / "bad.png")
    place = tmp_path / "aside" / "x-bad.png"
    contents = [b"first", b"second", b"third"]
    for content in contents:
        put_aside(_seen(_bad(tmp_path, content)), place)
    assert [
        path.read_bytes() for path in sorted(place.parent.iterdir(), key=lambda one: (len(one.name), one.name))
    ] == contents
    assert not (tmp_path / "bad.png").exists()


@pytest.mark.parametrize("across", [False, True])
def test_what_has_changed_stays_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, across: bool) -> None:
    seen = _seen(_bad(tmp_path))
    path = _bad(tmp_path, b"a picture by now")
    if across:
        _across_file_systems(monkeypatch, path)
    put_aside(seen, tmp_path / "aside" / "bad.png")
    assert path.read_bytes() == b"a picture by now"
    assert not list((tmp_path / "aside").iterdir())


def test_what_takes_the_name_in_the_very_moment_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = _seen(_bad(tmp_path))
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        if self.name == "bad.png" and self.parent == tmp_path:
            (tmp_path / "new").write_bytes(b"another picture")
            rename(tmp_path / "new", self)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    put_aside(seen, tmp_path / "aside" / "x.png")
    assert (tmp_path / "bad.png").read_bytes() == b"another picture"


@pytest.mark.parametrize("kind", ["pipe", "huge", "read-only"])
def test_what_cannot_be_moved_to_another_disk_stays_and_leaves_no_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    path = tmp_path / "bad.png"
    if kind == "pipe":
        os.mkfifo(path)
    else:
        _bad(tmp_path)
    if kind == "huge":
        os.truncate(path, 60 * 10**9)
    if kind == "read-only":
        unlink = Path.unlink

        def refused(self: Path, missing_ok: bool = False) -> None:
            if self == path:
                raise OSError(errno.EROFS, "Read-only file system")
            unlink(self, missing_ok)

        monkeypatch.setattr(Path, "unlink", refused)
    _across_file_systems(monkeypatch, path)
    with pytest.raises(OSError, match=r"another file system|Read-only file system"):
        put_aside(_seen(path), tmp_path / "aside" / "x.png")
    assert path.exists()
    assert not list((tmp_path / "aside").iterdir())
    monkeypatch.undo()
    path.unlink()


def test_a_link_is_moved_itself_wherever_it_leads(tmp_path: Path) -> None:
    _bad(tmp_path)
    for name, leads_to in (("to-bad.png", "bad.png"), ("nowhere.png", "none.png"), ("itself.png", "itself.png")):
        path = tmp_path / name
        path.symlink_to(leads_to)
        put_aside(sighting_of(name, str(path), status_of(str(path))), tmp_path / "aside" / name)
        assert not os.path.lexists(path)
        assert (tmp_path / "aside" / name).is_symlink()
    assert (tmp_path / "bad.png").read_bytes() == b"bad"


@pytest.mark.parametrize("name", [b"bad.png", b"caf\xe9.png", b"caf\\xe9.png"])
def test_a_restart_moves_what_could_not_be_moved_whatever_its_name(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"bad")
    seen = _seen(path)
    record = replace(
        unreadable(1), picture=as_text(str(path)), picture_bytes=seen.size_bytes, modified_ns=seen.modified_ns
    )
    with closing(Journal(tmp_path / "records.jsonl")) as journal:
        journal.append([record])
        assert finish_moves(journal, tmp_path) is None
    assert record.aside is not None
    assert (tmp_path / record.aside).read_bytes() == b"bad"
    assert not path.exists()


def test_a_name_of_any_length_has_its_place(tmp_path: Path) -> None:
    name = "検" * 80 + ".png"
    place = place_aside(record(1, id=f"below/{name}"))
    (tmp_path / name).write_bytes(b"bad")
    put_aside(_seen(tmp_path / name), tmp_path / place)
    assert (tmp_path / place).read_bytes() == b"bad"
    assert place.endswith("検.png")
