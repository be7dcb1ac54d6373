"""Unpacking an untrusted zip archive: no file outside its folder, no links, bounds while writing."""

from __future__ import annotations

import re
import stat
import unicodedata
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from kenpin.data.roboflow.api import Progress
from kenpin.errors import DownloadError

LARGEST_FILE_COUNT = 200_000
LARGEST_RATIO = 100
"""An entry may grow to so many times its packed size; a COCO file grows about 7 times, a bare list of pictures 23."""

_UNBOUNDED_RATIO_BYTES = 1 << 20  # small and repetitive files, such as a class list, may grow further
_LARGEST_DIRECTORY_BYTES = LARGEST_FILE_COUNT * 256
_DEEPEST = 32
_LONGEST_NAME_BYTES = 255  # of every common file system
_PIECE_BYTES = 1 << 20
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\:]|^\.{0,2}$|[. ]$", re.ASCII)
"""Path parts that leave the folder on some system, or name another file there than here."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)


def unpack(archive: Path, folder: Path, *, limit_bytes: int, progress: Progress) -> None:
    """Write the archive's files into the new folder. Raises DownloadError, which names the entry at fault."""
    with _BoundedReads(FileIO(archive)) as stream, _opened(stream) as opened:
        entries = opened.infolist()
        if len(entries) > LARGEST_FILE_COUNT:
            raise DownloadError(
                f"the archive holds more than {LARGEST_FILE_COUNT:,} files; export the project in parts."
            )
        targets = _checked_entries(entries)
        folder.mkdir()
        left_bytes = limit_bytes
        for number, (entry, parts) in enumerate(targets, start=1):
            progress("unpacking", number, len(targets))
            target = folder.joinpath(*parts)
            if entry.is_dir():
                target.mkdir(parents=True, exist_ok=True)
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                left_bytes -= _write(opened, entry, target, left_bytes)


class _BoundedReads(BufferedReader):
    """The archive's file; the library reads the directory at once, however long it says that it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY_BYTES:
            raise BadZipFile(f"its directory takes {size:,} bytes")
        return super().read(size)


@contextmanager
def _damage_in_words() -> Iterator[None]:
    """Turns any error of the library on a damaged archive into a DownloadError."""
    try:
        yield
    except (BadZipFile, EOFError, NotImplementedError, OSError, RuntimeError, ValueError, zlib.error) as error:
        raise DownloadError(f"the archive is damaged or not a zip archive ({error}); run the command again.") from error


def _opened(stream: BinaryIO) -> ZipFile:
    with _damage_in_words():
        return ZipFile(stream)


def _checked_entries(entries: list[ZipInfo]) -> list[tuple[ZipInfo, tuple[str, ...]]]:
    """Each entry with the parts of its path, all of them checked before anything is written."""
    checked: list[tuple[ZipInfo, tuple[str, ...]]] = []
    files: set[str] = set()
    folders: set[str] = set()
    for entry in entries:
        _check_kind(entry)
        parts = _parts(entry)
        # some file systems ignore case and the Unicode form of an accent
        keys = [unicodedata.normalize("NFC", "/".join(parts[: n + 1])).casefold() for n in range(len(parts))]
        if not entry.is_dir():
            own = keys.pop()
            if own in files or own in folders:
                raise _refused(entry, "another entry has the same name")
            files.add(own)
        if not files.isdisjoint(keys):
            raise _refused(entry, "another entry, a file, has the name of its folder")
        folders.update(keys)
        checked.append((entry, parts))
    return checked


def _check_kind(entry: ZipInfo) -> None:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(entry, "it is a link or a device")
    if entry.flag_bits & 1:
        raise _refused(entry, "it is encrypted")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _refused(entry, "it is packed in a way that the zip format rarely uses")


def _parts(entry: ZipInfo) -> tuple[str, ...]:
    """The parts of an entry's path, each of which stays below the folder on every system."""
    parts = tuple(entry.orig_filename.removesuffix("/").split("/"))
    if len(parts) > _DEEPEST or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        raise _refused(entry, "its path is too long")
    if any(_UNFIT.search(part) or _DEVICE.fullmatch(part) for part in parts):
        raise _refused(entry, "its path leads out of the folder, or would on another system")
    return parts


def _write(opened: ZipFile, entry: ZipInfo, target: Path, left_bytes: int) -> int:
    """Write one file and return its number of bytes."""
    size = 0
    allowed = max(LARGEST_RATIO * entry.compress_size, _UNBOUNDED_RATIO_BYTES)
    with target.open("xb") as file:
        for piece in _content(opened, entry):
            size += len(piece)
            if size > left_bytes:
                raise _refused(entry, "with it the archive unpacks to more than --limit-gib allows")
            if size > allowed:
                raise _refused(entry, f"it grows to more than {LARGEST_RATIO} times its packed size")
            file.write(piece)
    return size


def _content(opened: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    with _damage_in_words(), opened.open(entry) as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece


def _refused(entry: ZipInfo, why: str) -> DownloadError:
    name = entry.orig_filename
    shown = name if len(name) <= 80 else f"{name[:80]}…"
    return DownloadError(f"archive entry {shown!r}: {why}; nothing was kept, report it to whoever made the export.")
