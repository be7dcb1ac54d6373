"""Arrays from NumPy's files: sizes are checked before anything is made, and no file brings Python objects with it."""

from __future__ import annotations

import lzma
import math
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

ROOM_BYTES = 256 * 1024**2
"""Bytes that the arrays of a file may take beyond twice its own size: packed zeros take a thousandth of that."""
Header = tuple[tuple[int, ...], np.dtype[Any]]
"""Shape and type of an array."""


class Arrays:
    """The arrays of an open `.npz` file; no array is unpacked before it is asked for."""

    def __init__(self, archive: zipfile.ZipFile, headers: dict[str, Header]) -> None:
        self._archive = archive
        self.headers = headers
        """Shape and type by name."""

    def read(self, name: str) -> NDArray[Any]:
        """One of the arrays. Raises ValueError, with the cause."""
        with _named_errors(), self._archive.open(f"{name}.npy") as file:
            array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
            return array


@contextmanager
def open_npz(path: Path, room_bytes: int = ROOM_BYTES) -> Iterator[Arrays]:
    """An `.npz` file, its headers checked. Raises ValueError with the cause for one that is damaged, holds anything but
    plain arrays, or whose arrays would take more than `room_bytes` and twice its own size; OSError."""
    with _regular(path) as file:
        size_bytes = path.stat().st_size
        with _named_errors():
            archive = zipfile.ZipFile(file)
        with archive:
            with _named_errors():
                headers = {info.filename.removesuffix(".npy"): _header_in(archive, info) for info in archive.infolist()}
            total = sum(_bytes_of(header) for header in headers.values())
            if total > room_bytes + 2 * size_bytes:
                raise ValueError(f"its {size_bytes:,} bytes unpack to {total:,}, more than an honest file holds")
            yield Arrays(archive, headers)


def read_npz(path: Path, room_bytes: int = ROOM_BYTES) -> dict[str, NDArray[Any]]:
    """All arrays of an `.npz` file, by name. Raises as `open_npz` does."""
    with open_npz(path, room_bytes) as arrays:
        return {name: arrays.read(name) for name in arrays.headers}


def read_npy(path: Path) -> NDArray[Any]:
    """The array of an `.npy` file. Raises ValueError with the cause, OSError."""
    with _regular(path) as file, _named_errors():
        _check_plain(path.name, _header(file), path.stat().st_size - file.tell())
        file.seek(0)
        array: NDArray[Any] = npy.read_array(file, allow_pickle=False)
        return array


@contextmanager
def _regular(path: Path) -> Iterator[IO[bytes]]:
    if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for
        raise ValueError("it is not a file")
    with path.open("rb") as file:
        yield file


@contextmanager
def _named_errors() -> Iterator[None]:
    """What zipfile and NumPy raise for damaged and foreign files, as ValueError with the cause."""
    try:
        yield
    except zipfile.BadZipFile as error:
        raise ValueError("it is not a zip archive of arrays, or is damaged") from error
    # encrypted members are a RuntimeError, unknown ways of packing a NotImplementedError
    except (EOFError, KeyError, RuntimeError, OverflowError, struct.error, zlib.error, lzma.LZMAError) as error:
        raise ValueError(f"it is damaged ({' '.join(str(error).split())})") from error


def _header_in(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Header:
    if not info.filename.endswith(".npy"):
        raise ValueError(f"{info.filename} in it is no array")
    with archive.open(info) as file:
        header = _header(file)
        _check_plain(info.filename.removesuffix(".npy"), header, info.file_size - file.tell())
    return header


def _header(file: IO[bytes]) -> Header:
    major, _ = npy.read_magic(file)
    read = npy.read_array_header_1_0 if major == 1 else npy.read_array_header_2_0
    shape, _, kind = read(file)
    return shape, kind


def _check_plain(name: str, header: Header, there_bytes: int) -> None:
    shape, kind = header
    if kind.hasobject:
        raise ValueError(f"array {name} holds Python objects, which are never loaded")
    if min(shape, default=0) < 0 or _bytes_of(header) != there_bytes:
        raise ValueError(f"array {name} states the shape {shape} of {kind}, and holds {there_bytes:,} bytes")


def _bytes_of(header: Header) -> int:
    shape, kind = header
    return math.prod(shape) * kind.itemsize
