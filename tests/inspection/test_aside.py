"""Files that are no pictures move out of the way; never over another, and not where they have become something else."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from kenpin.inspection.aside import place_aside, put_aside
from kenpin.inspection.pictures import Sighting, sighting_of
from tests.inspection.made import record


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


def test_a_name_of_any_length_has_its_place(tmp_path: Path) -> None:
    name = "検" * 80 + ".png"
    place = place_aside(record(1, id=f"below/{name}"))
    (tmp_path / name).write_bytes(b"bad")
    put_aside(_seen(tmp_path / name), tmp_path / place)
    assert (tmp_path / place).read_bytes() == b"bad"
    assert place.endswith("検.png")
