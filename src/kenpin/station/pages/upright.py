"""Which pictures browsers show as kenpin reads them: those of formats that they know, and that lie upright in the file.

Browsers differ in where they look for an orientation: in the EXIF of a JPEG all of them, in that of a PNG some, in XMP
none. What is drawn on a picture must lie in the frame that kenpin reads, so nothing is left to the browser.
"""

from __future__ import annotations

import re
import struct

_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg"}
_EXIF = re.compile(rb"Exif\x00\x00|eXIf")
_ORIENTED_ELSEWHERE = re.compile(rb"tiff:Orientation|Raw profile type |XML:com\.adobe\.xmp\x00\x01")
_ORIENTATION, _SHORT = 0x0112, 3
_UPRIGHT = 1


def shown_as_it_is(data: bytes) -> str | None:
    """The media type of a file that browsers show as kenpin reads it; None where it must be encoded anew."""
    kind = next((kind for beginning, kind in _KINDS.items() if data.startswith(beginning)), None)
    if kind is None or _ORIENTED_ELSEWHERE.search(data):
        return None
    view = memoryview(data)
    blocks = (view[found.end() :] for found in _EXIF.finditer(data))
    return kind if all(_orientation(block) == _UPRIGHT for block in blocks) else None


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
