"""Which pictures browsers show as kenpin reads them: those of formats that they know, and that lie upright in the file.

Browsers differ in where they look for an orientation: in the EXIF of a JPEG all of them, in that of a PNG some, in XMP
none. What is drawn on a picture must lie in the frame that kenpin reads, so nothing is left to the browser.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from itertools import islice

_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_EXIF = (b"Exif\0\0", b"eXIf")
_ORIENTED_ELSEWHERE = (b"tiff:Orientation", b"Raw profile type ", b"XML:com.adobe.xmp\0\1")
_ORIENTATION, _SHORT = 0x0112, 3
_UPRIGHT = 1
_MOST_BLOCKS = 8  # a thumbnail and further pictures in the file have their own; more are made to be read for hours


def shown_as_it_is(data: bytes) -> str | None:
    """The media type of a file that browsers show as kenpin reads it; None where it must be encoded anew."""
    kind = next((kind for beginning, kind in _KINDS.items() if data.startswith(beginning)), None)
    if kind is None or any(words in data for words in _ORIENTED_ELSEWHERE):
        return None
    blocks = [*islice(_exif_blocks(data), _MOST_BLOCKS + 1)]
    is_upright = len(blocks) <= _MOST_BLOCKS and all(_orientation(block) == _UPRIGHT for block in blocks)
    return kind if is_upright else None


def _exif_blocks(data: bytes) -> Iterator[memoryview]:
    """What stands behind each mark of EXIF, to the end of the file."""
    view = memoryview(data)
    for word in _EXIF:
        at = data.find(word)
        while at >= 0:
            yield view[at + len(word) :]
            at = data.find(word, at + 1)


def _orientation(tiff: memoryview) -> int:
    """What a block of EXIF says; 1 where it says nothing, 0 where it cannot be read."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))
    if order is None:
        return 0
    try:
        (directory,) = struct.unpack_from(f"{order}I", tiff, 4)
        (count,) = struct.unpack_from(f"{order}H", tiff, directory)
        for number in range(count):
            tag, kind, _, value = struct.unpack_from(f"{order}HHIH", tiff, directory + 2 + 12 * number)
            if tag == _ORIENTATION:
                return int(value) if kind == _SHORT else 0
    except struct.error:
        return 0
    return _UPRIGHT
