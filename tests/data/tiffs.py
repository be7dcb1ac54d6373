"""Plain TIFF files written by hand, so that nothing is changed on the way."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

_KINDS = {"u": 1, "i": 2, "f": 3}
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 10: 8}


def tiff(
    *pages: NDArray[Any],
    order: Literal["<", ">"] = "<",
    photometric: int | None = None,
    planar: bool = False,
    tags: Iterable[tuple[int, int]] = (),
    raw_tags: Iterable[tuple[int, int, bytes]] = (),
) -> bytes:
    """An uncompressed TIFF of pages (h, w) or (h, w, channels), of any kind of number. tags: further ones, of 32 bits.
    raw_tags: further ones with their kind and their content."""
    out = bytearray((b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, 8))
    for number, page in enumerate(pages):
        height, width = page.shape[:2]
        channels = 1 if page.ndim == 2 else page.shape[2]
        stored = page.astype(page.dtype.newbyteorder(order))
        data = (stored.transpose(2, 0, 1) if planar else stored).tobytes()
        strips = channels if planar else 1
        colours = photometric if photometric is not None else 2 if channels == 3 else 1
        start = len(out)
        entries: list[tuple[int, int, list[Any]]] = [
            (256, 4, [width]),
            (257, 4, [height]),
            (258, 3, [page.dtype.itemsize * 8] * channels),
            (259, 3, [1]),
            (262, 3, [colours]),
            (273, 4, [0] * strips),
            (277, 3, [channels]),
            (278, 4, [height]),
            (279, 4, [len(data) // strips] * strips),
            (284, 3, [2 if planar else 1]),
            (339, 3, [_KINDS[page.dtype.kind]] * channels),
            *((tag, 4, [value]) for tag, value in tags),
        ]
        entries += [(tag, kind, [content]) for tag, kind, content in raw_tags]
        entries.sort(key=lambda entry: entry[0])
        room_at = start + 2 + 12 * len(entries) + 4
        room_bytes = 64 * channels + 256
        data_at = room_at + room_bytes
        directory, room = bytearray(struct.pack(f"{order}H", len(entries))), bytearray()
        for tag, kind, values in entries:
            if tag == 273:
                values = [data_at + strip * (len(data) // strips) for strip in range(strips)]
            if isinstance(values[0], bytes):
                content, count = values[0], len(values[0]) // _SIZES[kind]
            else:
                content, count = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'I'}", *values), len(values)
            if len(content) > 4:
                content, place = struct.pack(f"{order}I", room_at + len(room)), content
                room += place
            directory += struct.pack(f"{order}HHI", tag, kind, count) + content.ljust(4, b"\0")
        following = data_at + len(data) if number + 1 < len(pages) else 0
        out += directory + struct.pack(f"{order}I", following) + room.ljust(room_bytes, b"\0") + data
    return bytes(out)


def ramp(height: int = 12, width: int = 16, top: float = 4095) -> NDArray[np.float64]:
    """Grey values that rise from 0 to `top`, (h, w)."""
    return np.linspace(0, top, height * width).reshape(height, width)
