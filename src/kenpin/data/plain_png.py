"""Small grey pictures as PNG files whose pixels lie in them unpacked, so that many are read at once."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

LARGEST_BYTES = 65_535
"""Bytes of one unpacked block of zlib: a picture's lines, each with a byte before it."""
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHECK_BYTES = 4
_ADLER_PRIME = 65_521


def fits(height: int, width: int) -> bool:
    """Whether pictures of this size can be written unpacked."""
    return 0 < height * (width + 1) <= LARGEST_BYTES


def plain_pngs(pixels: NDArray[np.uint8]) -> Iterator[bytes]:
    """Each of the grey pictures (n, h, w), of a size that `fits`, as a PNG file."""
    _, height, width = pixels.shape
    head, tail = _around(height, width)
    lines = np.zeros((height, width + 1), np.uint8)  # the byte before each line is its filter: none
    for grey in pixels:
        lines[:, 1:] = grey
        unpacked = lines.tobytes()
        # the check sum of PNG begins with the name of the chunk, which ends the signature, the header and its length
        content = head[-_BLOCK_HEAD_BYTES:] + unpacked + zlib.adler32(unpacked).to_bytes(4, "big")
        yield head[:-_BLOCK_HEAD_BYTES] + content + zlib.crc32(content, _CRC_OF_NAME).to_bytes(4, "big") + tail


def read_plain(files: Sequence[bytes | None]) -> NDArray[np.uint8] | None:
    """The pixels (n, h, w) of files that `plain_pngs` wrote, all of one size; None where a file is another or damaged.

    Pillow reads the same pixels, and takes a hundred times as long.
    """
    first = files[0] if files else None
    if first is None or not first.startswith(_SIGNATURE) or len(first) < _SIZE_AT + 8:
        return None
    width, height = struct.unpack_from(">II", first, _SIZE_AT)
    if not fits(height, width):
        return None
    head, tail = _around(height, width)
    count = height * (width + 1)
    wanted = len(head) + count + 2 * _CHECK_BYTES + len(tail)
    if any(file is None or len(file) != wanted for file in files):
        return None
    rows = np.frombuffer(b"".join(file for file in files if file is not None), np.uint8).reshape(len(files), wanted)
    unpacked = rows[:, len(head) : len(head) + count]
    sums = rows[:, len(head) + count : len(head) + count + _CHECK_BYTES]
    lines = unpacked.reshape(len(files), height, width + 1)
    if (rows[:, : len(head)] != np.frombuffer(head, np.uint8)).any() or lines[:, :, 0].any():
        return None
    return lines[:, :, 1:] if (_adler(unpacked) == sums.copy().view(">u4")[:, 0]).all() else None


_SIZE_AT = 16  # behind the signature, and length and name of the header
_BLOCK_HEAD_BYTES = 7
_CRC_OF_NAME = zlib.crc32(b"IDAT")


def _around(height: int, width: int) -> tuple[bytes, bytes]:
    """The bytes before the lines and behind the check sums, the same for all pictures of a size.

    # W3C, Portable Network Graphics; RFC 1950 and 1951, zlib and its blocks without compression
    """
    count = height * (width + 1)
    header = struct.pack(">II5B", width, height, 8, 0, 0, 0, 0)
    block = b"\x78\x01\x01" + struct.pack("<HH", count, count ^ 0xFFFF)
    start = struct.pack(">I4s", len(block) + count + _CHECK_BYTES, b"IDAT") + block
    return _SIGNATURE + _chunk(b"IHDR", header) + start, _chunk(b"IEND", b"")


def _chunk(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def _adler(rows: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Adler-32 of each row, (n, bytes) -> (n,)."""
    count = rows.shape[1]
    # of at most 65,535 bytes each sum is below 2⁵³: exact in floating point, where products are fast
    weights = np.stack([np.ones(count), np.arange(count, 0, -1)], axis=1)
    sums = (rows.astype(np.float64) @ weights).astype(np.int64)
    checksums: NDArray[np.int64] = (sums[:, 1] + count) % _ADLER_PRIME * 65_536 + (sums[:, 0] + 1) % _ADLER_PRIME
    return checksums
