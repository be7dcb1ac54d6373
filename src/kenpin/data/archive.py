"""Unpacking an untrusted archive: no file outside its folder, no links, bounds while writing."""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tarfile
import unicodedata
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from io import BufferedReader, FileIO
from pathlib import Path
from typing import IO, BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from kenpin.data.reading.encodings import decode
from kenpin.errors import DownloadError

Progress = Callable[[str, int, int], None]
"""Called with the step, how much of it is done, and how much there is."""

LARGEST_FILE_COUNT = 200_000
LARGEST_RATIO = 100
"""An entry may grow to so many times its packed size; a COCO file grows about 7 times, a bare list of pictures 23."""

_UNBOUNDED_RATIO_BYTES = 1 << 20  # small and repetitive files, such as a class list, may grow further
_LARGEST_DIRECTORY_BYTES = LARGEST_FILE_COUNT * 256
_LARGEST_HEAD_BYTES = 1 << 20  # of one entry of a tar archive, which the library reads at once
_DEEPEST = 32
_LONGEST_NAME_BYTES = 255  # of every common file system
_PIECE_BYTES = 1 << 20
_UTF8_NAME = 0x800
_UNFIT = re.compile(r"[\x00-\x1f\x7f\\:]|^\.{0,2}$|[. ]$", re.ASCII)
"""Path parts that leave the folder on some system, or name another file there than here."""
_DEVICE = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])(\..*)?", re.IGNORECASE)

_ZIP = b"PK\x03\x04"


def is_zip(path: Path) -> bool:
    """Whether a file begins as a zip archive does, whatever its name."""
    with path.open("rb") as file:
        return file.read(len(_ZIP)) == _ZIP


def unpack(archive: Path, folder: Path, *, limit_bytes: int, progress: Progress, encoding: str | None = None) -> None:
    """Write the files of a zip or tar archive into the new folder. Raises DownloadError, which names the
    entry at fault.

    encoding: of names that are not marked as Unicode, as a zip archive of Windows has them; None takes UTF-8, or the
    most plausible one.
    """
    with archive.open("rb") as file:
        is_tar = _tar_stream(file.read(_TAR_MARK.stop)) is not None
    if is_tar:
        _unpack_tar(archive, folder, limit_bytes, encoding)
    else:
        _unpack_zip(archive, folder, limit_bytes, progress, encoding)


# ---- zip ----


def _unpack_zip(archive: Path, folder: Path, limit_bytes: int, progress: Progress, encoding: str | None) -> None:
    with _BoundedReads(FileIO(archive)) as stream, _opened(stream) as opened:
        entries = opened.infolist()
        if len(entries) > LARGEST_FILE_COUNT:
            raise _too_many()
        names = _Names()
        for entry, name in zip(entries, _names_of(entries, encoding), strict=True):
            _check_kind(entry, name)
            names.take(name, is_folder=name.endswith("/"))
        folder.mkdir()
        left_bytes = limit_bytes
        for number, (entry, (name, parts)) in enumerate(zip(entries, names.taken, strict=True), start=1):
            progress("unpacking", number, len(entries))
            target = folder.joinpath(*parts)
            if name.endswith("/"):
                target.mkdir(parents=True, exist_ok=True)
            else:
                allowed = max(LARGEST_RATIO * entry.compress_size, _UNBOUNDED_RATIO_BYTES)
                left_bytes -= _write(name, _content(opened, entry), target, left_bytes, allowed)


class _BoundedReads(BufferedReader):
    """The archive's file; the library reads the directory at once, however long it says that it is."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > _LARGEST_DIRECTORY_BYTES:
            raise BadZipFile(f"its directory takes {size:,} bytes")
        return super().read(size)


@contextmanager
def _damage_in_words() -> Iterator[None]:
    """Turns any error of the libraries on a damaged archive into a DownloadError."""
    try:
        yield
    except DownloadError:
        raise
    except _DAMAGES as error:
        raise DownloadError(f"the archive is damaged or none ({error}); get it again.") from error


_DAMAGES = (
    *(BadZipFile, tarfile.TarError, EOFError, NotImplementedError, OSError, RuntimeError, ValueError),
    *(zlib.error, lzma.LZMAError),
)


def _opened(stream: BinaryIO) -> ZipFile:
    with _damage_in_words():
        return ZipFile(stream)


def _names_of(entries: Iterable[ZipInfo], encoding: str | None) -> list[str]:
    """The entries' names. Those that are not marked as UTF-8 are bytes, which the library takes for those of DOS."""
    marked = [(entry.orig_filename, bool(entry.flag_bits & _UTF8_NAME)) for entry in entries]
    unmarked = [_dos_bytes(name) for name, is_utf8 in marked if not is_utf8]
    decoded = iter(_decoded(unmarked, encoding))
    return [name if is_utf8 else next(decoded) for name, is_utf8 in marked]


def _dos_bytes(name: str) -> bytes:
    return name.encode("cp437", "replace")


def _decoded(names: list[bytes], encoding: str | None) -> list[str]:
    """Names of one archive, decoded alike. Raises DownloadError."""
    together = decode(b" ".join(names).replace(b"\0", b" "), encoding)
    if together is None:
        raise DownloadError(f"the names in the archive are not {encoding}; leave --encoding out, or name another one.")
    return [name.decode(together.encoding, "replace") for name in names]


def _check_kind(entry: ZipInfo, name: str) -> None:
    if stat.S_IFMT(entry.external_attr >> 16) not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise _refused(name, "it is a link or a device")
    if entry.flag_bits & 1:
        raise _refused(name, "it is encrypted")
    if entry.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
        raise _refused(name, "it is packed in a way that the zip format rarely uses")


def _content(opened: ZipFile, entry: ZipInfo) -> Iterator[bytes]:
    with _damage_in_words(), opened.open(entry) as source:
        while piece := source.read(_PIECE_BYTES):
            yield piece


# ---- tar ----

_TAR_MARK = slice(257, 262)


def _tar_stream(start: bytes) -> Callable[[IO[bytes]], IO[bytes]] | None:
    """How to unpack what a tar archive is packed by, from the first bytes of its file; None where it is none."""
    if start[_TAR_MARK] == b"ustar":
        return lambda file: file
    packed = {b"\x1f\x8b": gzip.GzipFile, b"BZh": bz2.BZ2File, b"\xfd7zXZ\0": lzma.LZMAFile}
    for mark, opener in packed.items():
        if start.startswith(mark):
            if opener is gzip.GzipFile:
                return lambda file: cast("IO[bytes]", gzip.GzipFile(fileobj=file))
            return cast("Callable[[IO[bytes]], IO[bytes]]", opener)
    return None


class _Counted:
    """What a file unpacks to, its bytes counted: all of them, and those of one head."""

    def __init__(self, stream: IO[bytes], most: int) -> None:
        self._stream, self._most, self._count = stream, most, 0
        self._left: int | None = _LARGEST_HEAD_BYTES  # the library reads the first head while it opens

    def bounded(self, head: Callable[[], tarfile.TarInfo | None]) -> tarfile.TarInfo | None:
        """The next head, which the library reads whole, however long it says that it is. Raises DownloadError."""
        self._left = _LARGEST_HEAD_BYTES
        try:
            return head()
        finally:
            self._left = None

    def read(self, size: int) -> bytes:
        """The next bytes. Raises DownloadError beyond a bound."""
        content = self._stream.read(size)
        self._count += len(content)
        if self._count > self._most:
            raise DownloadError(
                f"the archive grows to more than {LARGEST_RATIO} times its packed size; nothing was kept."
            )
        if self._left is not None:
            self._left -= len(content)
            if self._left < 0:
                raise DownloadError("an entry of the archive has a head of more than a MiB; nothing was kept.")
        return content


def _unpack_tar(archive: Path, folder: Path, limit_bytes: int, encoding: str | None) -> None:
    names, left_bytes = _Names(), limit_bytes
    most = max(LARGEST_RATIO * archive.stat().st_size, _UNBOUNDED_RATIO_BYTES)
    folder.mkdir()
    with archive.open("rb") as file:
        opens = _tar_stream(file.read(_TAR_MARK.stop))
        file.seek(0)
        with _damage_in_words():
            if opens is None:
                raise EOFError("it changed while it was read")
            counted = _Counted(opens(file), most)
            with tarfile.open(fileobj=cast("IO[bytes]", counted), mode="r|", errors="surrogateescape") as opened:
                while (entry := counted.bounded(opened.next)) is not None:
                    if len(names.taken) == LARGEST_FILE_COUNT:
                        raise _too_many()
                    opened.members = []  # type: ignore[attr-defined]  # the library keeps all of them
                    left_bytes -= _write_tar_entry(opened, entry, folder, names, left_bytes, encoding)


def _write_tar_entry(
    opened: tarfile.TarFile, entry: tarfile.TarInfo, folder: Path, names: _Names, left_bytes: int, encoding: str | None
) -> int:
    """Write one entry and return its number of bytes."""
    name = entry.name.removeprefix("./")
    if not name.isascii():
        (name,) = _decoded([name.encode("utf-8", "surrogateescape")], encoding)
    if name in (".", ""):
        return 0  # the folder that was packed
    if not (entry.isreg() or entry.isdir()) or entry.issparse():
        raise _refused(name, "it is a link or a device")
    target = folder.joinpath(*names.take(name, is_folder=entry.isdir()))
    if entry.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return 0
    source = opened.extractfile(entry)
    if source is None:
        raise _refused(name, "it is a link or a device")
    with source:
        return _write(name, iter(lambda: source.read(_PIECE_BYTES), b""), target, left_bytes, left_bytes)


# ---- both ----


class _Names:
    """Names of entries, each checked against those before."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        """Each name with the parts of its path."""
        self._files: set[str] = set()
        self._folders: set[str] = set()

    def take(self, name: str, *, is_folder: bool) -> tuple[str, ...]:
        """The parts of an entry's path. Raises DownloadError."""
        parts = _parts(name)
        # some file systems ignore case and the Unicode form of an accent
        keys = [unicodedata.normalize("NFC", "/".join(parts[: n + 1])).casefold() for n in range(len(parts))]
        if not is_folder:
            own = keys.pop()
            if own in self._files or own in self._folders:
                raise _refused(name, "another entry has the same name")
            self._files.add(own)
        if not self._files.isdisjoint(keys):
            raise _refused(name, "another entry, a file, has the name of its folder")
        self._folders.update(keys)
        self.taken.append((name, parts))
        return parts


def _parts(name: str) -> tuple[str, ...]:
    """The parts of an entry's path, each of which stays below the folder on every system."""
    parts = tuple(name.removesuffix("/").split("/"))
    if len(parts) > _DEEPEST or any(len(part.encode()) > _LONGEST_NAME_BYTES for part in parts):
        raise _refused(name, "its path is too long")
    if any(_UNFIT.search(part) or _DEVICE.fullmatch(part) for part in parts):
        raise _refused(name, "its path leads out of the folder, or would on another system")
    return parts


def _write(name: str, content: Iterable[bytes], target: Path, left_bytes: int, allowed: int) -> int:
    """Write one file and return its number of bytes."""
    size = 0
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("xb") as file:
        for piece in content:
            size += len(piece)
            if size > left_bytes:
                raise _refused(name, "with it the archive unpacks to more than --limit-gib allows")
            if size > allowed:
                raise _refused(name, f"it grows to more than {LARGEST_RATIO} times its packed size")
            file.write(piece)
    return size


def _refused(name: str, why: str) -> DownloadError:
    shown = name if len(name) <= 80 else f"{name[:80]}…"
    return DownloadError(f"archive entry {shown!r}: {why}; nothing was kept, report it to whoever made the archive.")


def _too_many() -> DownloadError:
    return DownloadError(f"the archive holds more than {LARGEST_FILE_COUNT:,} files; pack it in parts.")
