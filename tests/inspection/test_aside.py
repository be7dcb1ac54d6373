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
from kenpin.inspection.record import PartRecord
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


def _recorded(id: str, path: Path, **said: str) -> PartRecord:
    """A record that this file was moved aside."""
    status = path.stat()
    one = replace(
        unreadable(1), id=id, picture=as_text(str(path)), picture_bytes=status.st_size, modified_ns=status.st_mtime_ns
    )
    return replace(one, **{"aside": place_aside(one)} | said)  # type: ignore[arg-type]


def _finish(folder: Path, record: PartRecord, watched: Path) -> None:
    with closing(Journal(folder / "records.jsonl")) as journal:
        journal.append([record])
        assert finish_moves(journal, watched, folder) is None


@pytest.mark.parametrize("name", [b"bad.png", b"caf\xe9.png", b"caf\\xe9.png"])
def test_a_restart_moves_what_could_not_be_moved_whatever_its_name(tmp_path: Path, name: bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(b"bad")
    record = _recorded(as_text(path.name), path)
    _finish(tmp_path, record, tmp_path)
    assert record.aside is not None
    assert (tmp_path / record.aside).read_bytes() == b"bad"
    assert not path.exists()


@pytest.mark.parametrize("way", ["whole path", "above", "through a link", "no picture", "aside", "hash"])
def test_the_journal_of_a_stranger_moves_no_other_file(tmp_path: Path, way: str) -> None:
    watched, out, victims = tmp_path / "watched", tmp_path / "out", tmp_path / "victims"
    for folder in (watched, out, victims):
        folder.mkdir()
    victim = victims / ("key" if way == "no picture" else "key.png")
    victim.write_bytes(b"secret")
    (watched / "linked").symlink_to(victims)
    id = {"whole path": str(victim), "above": "../victims/key.png", "through a link": "linked/key.png"}.get(way)
    said = {"aside": {"aside": "../key.png"}, "hash": {"picture_hash": "../../x"}}.get(way, {})
    if id is None:
        victim = victim.rename(watched / victim.name)
        id = victim.name
    record = _recorded(id, victim, **said)
    _finish(out, record, watched)
    assert victim.read_bytes() == b"secret"
    assert [*out.iterdir()] == [out / "records.jsonl"]


def test_nothing_is_moved_or_written_through_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "aside").symlink_to(elsewhere)
    seen = _seen(_bad(tmp_path))
    with pytest.raises(OSError, match="is a link to another folder"):
        put_aside(seen, tmp_path / "aside" / "bad.png")
    (tmp_path / "kept").mkdir()
    victim = tmp_path / "victim"
    victim.write_bytes(b"victim")
    (tmp_path / "kept" / ".moving.partial").symlink_to(victim)
    _across_file_systems(monkeypatch, Path(seen.path))
    put_aside(seen, tmp_path / "kept" / "bad.png")
    assert (victim.read_bytes(), (tmp_path / "kept" / "bad.png").read_bytes()) == (b"victim", b"bad")


def test_a_name_of_any_length_has_its_place(tmp_path: Path) -> None:
    name = "検" * 80 + ".png"
    place = place_aside(record(1, id=f"below/{name}"))
    (tmp_path / name).write_bytes(b"bad")
    put_aside(_seen(tmp_path / name), tmp_path / place)
    assert (tmp_path / place).read_bytes() == b"bad"
    assert place.endswith("検.png")
