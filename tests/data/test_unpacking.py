"""An archive given as a data set is unpacked without trust, kept or converted, be it zip or tar."""

from __future__ import annotations

import io
import shutil
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.data import archive, load_dataset
from kenpin.data.unpacking import unpack_dataset
from kenpin.errors import DownloadError
from tests.commands import Run
from tests.pictures import write_parts

MADE = ("zip", "tar", "gztar", "bztar", "xztar")


@pytest.fixture
def parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of four pictures, in an empty folder to work in."""
    monkeypatch.chdir(tmp_path)
    return write_parts(Path("parts"), count=2)


@pytest.mark.parametrize("kind", MADE)
def test_an_archive_is_kept_or_converted_by_the_command_that_the_refusal_names(
    kenpin: Run, parts: Path, kind: str
) -> None:
    packed = shutil.make_archive("packed set", kind, ".", "parts")
    name = Path(packed).name
    for words in (("doctor", name), ("split", name, "x"), ("train", "mahalanobis", "--data", name, "--out", "x")):
        status, _, told = kenpin(*words)
        assert status == 2
        assert f"it is an archive. Unpack it: `kenpin convert '{name}' OUT`." in told
    assert kenpin("convert", name, "OUT") == (0, "OUT: 4 pictures as folders.\n", "")
    assert sorted(load_dataset("OUT").column("label")) == ["ok", "ok", "scratch", "scratch"]
    assert kenpin("convert", name, "table", "--to", "csv")[0] == 0
    assert (load_dataset("table").format, len(load_dataset("table"))) == ("csv", 4)
    assert Path("OUT/parts/ok/000.png").read_bytes() == (parts / "ok/000.png").read_bytes()


def test_names_of_a_japanese_windows_are_read(parts: Path) -> None:
    names = ("良品/表面_01.png", "不良/打痕_能.png")  # in CP932 some end in the byte of a backslash
    Path("a.zip").write_bytes(_zip_of({name.encode("cp932"): b"x" for name in names}))
    archive.unpack(Path("a.zip"), Path("plain"), limit_bytes=1000, progress=lambda *_: None)
    assert {p.relative_to("plain").as_posix() for p in Path("plain").rglob("*.png")} == set(names)
    archive.unpack(Path("a.zip"), Path("settled"), limit_bytes=1000, progress=lambda *_: None, encoding="cp932")
    assert {p.relative_to("settled").as_posix() for p in Path("settled").rglob("*.png")} == set(names)
    with pytest.raises(DownloadError, match="not ascii; leave --encoding out"):
        archive.unpack(Path("a.zip"), Path("x"), limit_bytes=1000, progress=lambda *_: None, encoding="ascii")


def _zip_of(files: dict[bytes, bytes]) -> bytes:
    """A zip archive with names of these bytes, which are not marked as UTF-8."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for number, content in enumerate(files.values()):
            opened.writestr(zipfile.ZipInfo(f"{number:0{len(list(files)[number])}d}"), content)
    packed = buffer.getvalue()
    for number, name in enumerate(files):
        packed = packed.replace(f"{number:0{len(name)}d}".encode(), name)
    return packed


def _tar_of(*entries: tarfile.TarInfo, kind: str = "w") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=kind) as opened:  # type: ignore[call-overload]
        for entry in entries:
            opened.addfile(entry, io.BytesIO(bytes(entry.size)))
    return buffer.getvalue()


def _entry(name: str, size: int = 1, type: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.type, entry.linkname = size, type, link
    return entry


OUTSIDE = "leads out of the folder"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute": (lambda: _tar_of(_entry("/tmp/a.png")), OUTSIDE),
    "above": (lambda: _tar_of(_entry("../a.png")), OUTSIDE),
    "above, from below": (lambda: _tar_of(_entry("a/../../a.png")), OUTSIDE),
    "control character": (lambda: _tar_of(_entry("a\x1b[2J.png")), OUTSIDE),
    "link": (lambda: _tar_of(_entry("a.png", 0, tarfile.SYMTYPE, "/etc/passwd")), "link or a device"),
    "hard link": (lambda: _tar_of(_entry("a.png", 0, tarfile.LNKTYPE, "/etc/passwd")), "link or a device"),
    "device": (lambda: _tar_of(_entry("a.png", 0, tarfile.BLKTYPE)), "link or a device"),
    "pipe": (lambda: _tar_of(_entry("a.png", 0, tarfile.FIFOTYPE)), "link or a device"),
    "twice": (lambda: _tar_of(_entry("a.png"), _entry("A.png")), "the same name"),
    "file, then its folder": (lambda: _tar_of(_entry("a"), _entry("a/b.png")), "the name of its folder"),
    "ratio": (lambda: _tar_of(_entry("a.png", 3_000_000), kind="w:gz"), "100 times its packed size"),
    "sum": (lambda: _tar_of(*(_entry(f"{n}.png", 900_000) for n in range(5))), "more than --limit-gib"),
    "count": (lambda: _tar_of(*(_entry(f"{n}.png") for n in range(31))), "more than 30 files"),
    "head": (lambda: _tar_of(_entry("a" * 3_000_000)), "a head of more than a MiB"),
    "cut": (lambda: _tar_of(_entry("a.png", 9000))[:2000], "damaged"),
    "cut, packed": (lambda: _tar_of(_entry("a.png", 9000), kind="w:xz")[:100], "damaged"),
    "packed, and no tar": (lambda: b"\x1f\x8b" + bytes(50), "damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_each_hostile_tar_archive_is_refused_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    make, sentence = HOSTILE[kind]
    monkeypatch.setattr(archive, "LARGEST_FILE_COUNT", 30)
    (tmp_path / "a.tar").write_bytes(make())
    with pytest.raises(DownloadError, match=sentence) as refused:
        unpack_dataset(tmp_path / "a.tar", tmp_path / "out", limit_gib=4 / 1024)
    assert "\x1b" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tar"]


def test_a_tar_archive_damaged_anywhere_is_never_another_error(tmp_path: Path) -> None:
    for mode in ("w", "w:gz"):
        whole = _tar_of(_entry("a/b.png", 700), kind=mode)[:2048]
        for place in range(0, len(whole), 7 if mode == "w" else 1):
            damaged = whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]
            (tmp_path / "a.tar").write_bytes(damaged)
            out = tmp_path / f"out-{mode[-2:]}-{place}"
            try:
                archive.unpack(tmp_path / "a.tar", out, limit_bytes=10_000, progress=lambda *_: None)
            except DownloadError:
                continue
            assert {path.resolve().is_relative_to(out.resolve()) for path in out.rglob("*")} <= {True}


def test_what_an_archive_names_outside_of_it_is_refused(tmp_path: Path) -> None:
    write_parts(tmp_path / "own", count=1)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("table.csv", f"path,label\n{tmp_path / 'own/ok/000.png'},ok\n")
    with pytest.raises(DownloadError, match=r"outside of it; nothing was kept"):
        unpack_dataset(tmp_path / "a.zip", tmp_path / "out", how={"format": "csv"})
    assert not (tmp_path / "out").exists()
