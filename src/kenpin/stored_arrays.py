"""Arrays in .npz files that are larger than the memory: written row by row, and read where they lie on disk."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

_ALWAYS = (2026, 1, 1, 0, 0, 0)
"""When entries were written, as they say: equal arrays make equal files."""
_HEADER, _ZIP64, _FIELD = 30, 20, 4
"""Bytes of an entry's header before its name, of the extra field of a large entry, and before another field's content
(PKWARE, .ZIP file format specification 6.3.10, 4.3.7 and 4.5)."""
_PADDING, _ALIGNED = 0xD935, 64
"""The extra field that only fills, as Android's zipalign writes it, and what array data of NumPy are aligned to."""


@contextmanager
def first_array(archive: zipfile.ZipFile, name: str, shape: tuple[int, int]) -> Iterator[IO[bytes]]:
    """The first array of an .npz file, of float32: within it, bytes of its rows are written one after the other.

    They begin at a multiple of the size of a number, so that `mapped_array` finds them in place.
    """
    entry = zipfile.ZipInfo(f"{name}.npy", _ALWAYS)
    header = io.BytesIO()
    about = {"descr": "<f4", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(header, about)  # of a whole number of 64 bytes
    begins = _HEADER + len(entry.filename) + _ZIP64
    padding = -(begins + _FIELD) % _ALIGNED
    entry.extra = struct.pack("<HH", _PADDING, padding) + bytes(padding)
    with archive.open(entry, "w", force_zip64=True) as file:
        file.write(header.getvalue())
        yield file


def mapped_array(file: Path, name: str) -> NDArray[np.float32] | None:
    """An array of an .npz file, read where it lies on disk as it is used; None where the file has none that can be.

    So the embeddings of a data set may be larger than the memory. Raises OSError, ValueError.
    """
    with file.open("rb") as opened, zipfile.ZipFile(opened) as archive:
        entry = archive.getinfo(f"{name}.npy")
        if entry.compress_type != zipfile.ZIP_STORED:
            return None
        opened.seek(entry.header_offset)
        lengths = struct.unpack("<HH", opened.read(_HEADER)[-4:])
        opened.seek(entry.header_offset + _HEADER + sum(lengths))
        if np.lib.format.read_magic(opened) != (1, 0):
            return None
        shape, by_columns, kind = np.lib.format.read_array_header_1_0(opened)
        begins = opened.tell()
    if by_columns or kind != np.float32 or begins % kind.itemsize:
        return None
    return np.memmap(file, np.float32, "r", begins, shape)
