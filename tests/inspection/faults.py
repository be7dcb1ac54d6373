"""Everything that a file system, a name and a picture can have wrong with it, each as one part of a line."""

from __future__ import annotations

import errno
import io
import os
import socket
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data import picture_files

SPARSE_BYTES = 60 * 10**9
RAISES, NOT_A_NUMBER, TOO_FEW, NO_MAP, NO_CASES, NO_RECORD, NO_WORDS, ALL = ((65 + n, 64) for n in range(8))
"""Sizes of pictures on which a step fails, and of one on which none does."""
DOUBTFUL = (NO_MAP, NO_CASES, NO_RECORD, NO_WORDS, ALL)
"""Those that are looked at closer."""


@dataclass(frozen=True)
class Fault:
    """One part that is not as it should be."""

    name: str
    plant: Callable[[Path], object]
    opens: bool = False
    """Whether it can be judged all the same."""
    watched_alone: bool = False
    """Whether a watched folder gets over it, and a named picture cannot."""
    stays: bool = False
    """Whether it cannot be set aside."""
    doubtful: bool = False
    """Whether a person must look at it although it can be opened."""

    @property
    def id(self) -> str:
        """Its id in a record, below the folder."""
        return os.fsencode(self.name).decode("utf-8", "backslashreplace")


def picture(seed: int, size_wh: tuple[int, int] = (64, 64)) -> Image.Image:
    """A grey part with noise of its own."""
    noise = np.random.default_rng(seed).integers(100, 160, size_wh[::-1], np.uint8)
    return Image.fromarray(noise).convert("RGB")


def data_of(image: Image.Image, format: str = "PNG", **more: Any) -> bytes:
    """The picture as a file."""
    file = io.BytesIO()
    image.save(file, format, **more)
    return file.getvalue()


def _bytes(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(SPARSE_BYTES)


def _socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)  # the whole path may be longer than a socket's name
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


def _folder_with_a_part(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(_GOOD)


def _bomb() -> bytes:
    """A PNG of a few bytes that says it has 60,000 by 60,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(99))) + chunk(b"IEND", b"")
    )


def _turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return data_of(picture(1, (48, 64)), "JPEG", exif=exif)


_GOOD = data_of(picture(0))
_DEEP = Image.fromarray(np.random.default_rng(2).integers(0, 65_535, (64, 64), np.uint16))
_FLOATS = Image.fromarray(np.random.default_rng(2).random((64, 64), np.float32))
_NO_UTF8 = os.fsdecode(b"caf\xe9-")

FAULTS = (
    # pictures
    Fault("empty.png", _bytes(b"")),
    Fault("garbage.png", _bytes(b"no picture at all")),
    Fault("truncated.png", _bytes(_GOOD[:-100])),
    Fault("truncated.jpg", _bytes(data_of(picture(3), "JPEG")[:-100])),
    Fault("text.bmp", _bytes(b"BM but only a text")),
    Fault("other-suffix.png", _bytes(data_of(picture(3), "JPEG")), opens=True),
    Fault("bomb.png", _bytes(_bomb())),
    Fault("floats.tif", _bytes(data_of(_FLOATS, "TIFF"))),
    Fault("cmyk.jpg", _bytes(data_of(picture(4).convert("CMYK"), "JPEG")), opens=True),
    Fault("deep.png", _bytes(data_of(_DEEP)), opens=True),
    Fault("clear.png", _bytes(data_of(picture(5).convert("RGBA"))), opens=True),
    Fault("moving.gif", _bytes(data_of(picture(6), "GIF", save_all=True, append_images=[picture(7)])), opens=True),
    Fault("turned.jpg", _bytes(_turned()), opens=True),
    Fault("thin.png", _bytes(data_of(picture(8, (1, 2_000)))), opens=True),
    Fault("dot.png", _bytes(data_of(picture(8, (1, 1)))), opens=True),
    # names
    Fault(f"{_NO_UTF8}good.png", _bytes(_GOOD), opens=True),
    Fault(f"{_NO_UTF8}bad.png", _bytes(b"bad")),
    Fault("two\nlines.png", _bytes(b"bad")),
    Fault("tab\tbell\a.png", _bytes(_GOOD), opens=True),
    Fault("\u2028 不良 😀.png", _bytes(b"bad")),
    Fault("😀" * 60 + ".png", _bytes(b"bad")),
    # files
    Fault("sparse.png", _sparse),
    Fault("itself.png", lambda path: path.symlink_to(path.name)),
    Fault("nowhere.png", lambda path: path.symlink_to("gone.png")),
    Fault("device.png", lambda path: path.symlink_to("/dev/zero")),
    Fault("pipe.png", os.mkfifo),
    Fault("socket.png", _socket),
    Fault("x.png/inside.png", _folder_with_a_part, opens=True),
    Fault("unreadable.png", _bytes(_GOOD)),
    Fault("damaged-disk.png", _bytes(_GOOD)),
    Fault("flickers.png", _bytes(_GOOD), watched_alone=True),
    Fault("grows.png", _bytes(_GOOD), watched_alone=True),
    Fault("read-only.png", _bytes(b"bad"), stays=True),
    Fault(f"{_NO_UTF8}read-only.png", _bytes(b"bad"), stays=True),
    Fault("locked/", lambda path: path.mkdir(), stays=True),
    # models and what stands behind the verdict
    Fault("run-raises.png", _bytes(data_of(picture(9, RAISES))), opens=True, doubtful=True),
    Fault("run-not-a-number.png", _bytes(data_of(picture(9, NOT_A_NUMBER))), opens=True, doubtful=True),
    Fault("run-too-few.png", _bytes(data_of(picture(9, TOO_FEW))), opens=True, doubtful=True),
    Fault("no-map.png", _bytes(data_of(picture(9, NO_MAP))), opens=True, doubtful=True),
    Fault("no-cases.png", _bytes(data_of(picture(9, NO_CASES))), opens=True, doubtful=True),
    Fault("all.png", _bytes(data_of(picture(9, ALL))), opens=True, doubtful=True),
    Fault("no-words.png", _bytes(data_of(picture(9, NO_WORDS))), opens=True, doubtful=True),
    Fault("no-record.png", _bytes(data_of(picture(9, NO_RECORD))), opens=True, doubtful=True),
)


class _Damaged(io.FileIO):
    def read(self, *_: object) -> bytes:
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def break_file_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let calls fail for the files that say so in their names, as they would for who may not or on a bad disk; tests
    may run as root, who may do everything."""
    opened, renamed, listed = picture_files.open_regular, Path.rename, os.scandir
    once: set[str] = set()

    def open_file(path: str) -> tuple[IO[bytes], os.stat_result] | None:
        name = Path(path).name
        first = name not in once
        once.add(name)
        if name == "unreadable.png":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        if name == "flickers.png" and first:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        file = opened(path)
        if name == "damaged-disk.png" and file is not None:
            file[0].close()
            return _Damaged(path), file[1]
        if name == "grows.png" and first:
            with open(path, "ab") as more_of_it:
                more_of_it.write(b"more")
        return file

    def rename(self: Path, target: Path) -> Path:
        if self.name.endswith("read-only.png"):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))
        return renamed(self, target)

    def scandir(path: Any = ".") -> Any:
        if str(path).endswith("locked"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return listed(path)

    monkeypatch.setattr(picture_files, "open_regular", open_file)
    monkeypatch.setattr(Path, "rename", rename)
    monkeypatch.setattr(os, "scandir", scandir)
