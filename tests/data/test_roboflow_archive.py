"""Whatever an archive tries, nothing is written outside the folder, too much or in part."""

from __future__ import annotations

import io
import shutil
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.data import archive
from kenpin.errors import DownloadError
from tests.data.roboflow_stub import EXPORT, REFERENCE, Server, zipped


def entry(name: str, content: bytes = b"x", *, mode: int = 0, method: int = zipfile.ZIP_STORED) -> bytes:
    """An archive with one entry of this very name."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        info = zipfile.ZipInfo("placeholder")
        info.filename, info.external_attr, info.compress_type = name, mode << 16, method
        opened.writestr(info, content)
    return buffer.getvalue()


def two(first: str, second: str) -> bytes:
    """An archive with two entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name in (first, second):
            info = zipfile.ZipInfo("placeholder")
            info.filename = name
            opened.writestr(info, b"" if name.endswith("/") else b"x")
    return buffer.getvalue()


def encrypted() -> bytes:
    """An archive whose directory says that its entry is encrypted."""
    content = bytearray(entry("a.png"))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def corrupted() -> bytes:
    """An archive with a byte changed in its content."""
    return entry("a.png", b"content").replace(b"content", b"contend", 1)


def with_directory_bytes(count: int) -> bytes:
    """An archive that says that its directory is so long."""
    content = bytearray(entry("a.png", bytes(2 * count)))
    end = content.index(b"PK\x05\x06")
    struct.pack_into("<II", content, end + 12, count, end - count)
    return bytes(content)


OUTSIDE = "leads out of the folder"
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    "absolute": (lambda: entry("/tmp/a.png"), OUTSIDE),
    "above": (lambda: entry("../a.png"), OUTSIDE),
    "above, from below": (lambda: entry("train/../../a.png"), OUTSIDE),
    "above, as a folder": (lambda: entry("../"), OUTSIDE),
    "here": (lambda: entry("train/./a.png"), OUTSIDE),
    "no name": (lambda: entry(""), OUTSIDE),
    "empty part": (lambda: entry("train//a.png"), OUTSIDE),
    "backslash": (lambda: entry("..\\a.png"), OUTSIDE),
    "share": (lambda: entry("\\\\host\\share\\a.png"), OUTSIDE),
    "drive": (lambda: entry("C:/a.png"), OUTSIDE),
    "stream": (lambda: entry("a.png:hidden"), OUTSIDE),
    "device of Windows": (lambda: entry("train/Aux.png"), OUTSIDE),
    "dots at the end": (lambda: entry("train./a.png"), OUTSIDE),
    "zero byte": (lambda: entry("placeholder").replace(b"placeholder", b"train/\0/../x"[:11]), OUTSIDE),
    "control character": (lambda: entry("a\x1b[2J.png"), OUTSIDE),
    "link": (lambda: entry("a.png", b"/etc/passwd", mode=stat.S_IFLNK | 0o777), "link or a device"),
    "link of folders": (lambda: entry("train/", b"", mode=stat.S_IFLNK | 0o777), "link or a device"),
    "device": (lambda: entry("a.png", mode=stat.S_IFBLK | 0o600), "link or a device"),
    "pipe": (lambda: entry("a.png", mode=stat.S_IFIFO | 0o600), "link or a device"),
    "encrypted": (encrypted, "it is encrypted"),
    "rare method": (lambda: entry("a.png", method=zipfile.ZIP_LZMA), "rarely uses"),
    "twice": (lambda: two("a.png", "b.png").replace(b"b.png", b"a.png"), "has the same name"),
    "twice but for the case": (lambda: two("train/A.png", "TRAIN/a.PNG"), "has the same name"),
    "twice but for the accent": (lambda: two("\u00e9.png", "e\u0301.png"), "has the same name"),
    "file, then its folder": (lambda: two("a", "a/b.png"), "has the name of its folder"),
    "file, then as a folder": (lambda: two("a", "a/"), "has the name of its folder"),
    "folder, then as a file": (lambda: two("a/b.png", "a"), "has the same name"),
    "deep": (lambda: entry("a/" * 40 + "a.png"), "too long"),
    "long name": (lambda: entry("傷" * 100), "too long"),
    "ratio": (lambda: zipped({"a.png": bytes(3_000_000)}), "100 times its packed size"),
    "sum": (lambda: zipped({f"{i}.png": bytes(900_000) for i in range(5)}), "more than --limit-gib"),
    "count": (lambda: zipped({f"{i}.png": b"" for i in range(31)}), "more than 30 files"),
    "directory": (lambda: with_directory_bytes(100_000), "its directory takes 100,000 bytes"),
    "checksum": (corrupted, "damaged"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_each_hostile_archive_is_refused(
    offer: Callable[..., tuple[Server, Server]],
    convert: Callable[..., tuple[str, BaseException | None]],
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
) -> None:
    make, sentence = HOSTILE[kind]
    monkeypatch.setattr(archive, "LARGEST_FILE_COUNT", 30)
    monkeypatch.setattr(archive, "_LARGEST_DIRECTORY_BYTES", 50_000)
    offer(make())
    _, raised = convert(REFERENCE, "boards", "--limit-gib", 4 / 1024)
    assert isinstance(raised, DownloadError)
    assert sentence in str(raised)
    assert "\x1b" not in str(raised)


def test_a_damaged_archive_is_never_another_error(tmp_path: Path) -> None:
    whole = zipped({name: content[:50] for name, content in list(EXPORT.items())[:2]})
    refused = 0
    for place in range(len(whole)):
        for changed in (whole[:place], whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :]):
            file, folder = tmp_path / "a.zip", tmp_path / "inner" / f"out-{place}"
            file.write_bytes(changed)
            folder.parent.mkdir(exist_ok=True)
            try:
                archive.unpack(file, folder, limit_bytes=10_000, progress=lambda *_: None)
            except DownloadError:
                refused += 1
            shutil.rmtree(folder.parent)
    assert refused > len(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
