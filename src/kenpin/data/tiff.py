"""What the directory of a TIFF says of its pixels, read without Pillow, which does not know every kind of them."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

import numpy as np

from kenpin.plural import counted

if TYPE_CHECKING:
    from numpy.typing import NDArray

MOST_PAGES = 10_000
"""Pages that are counted; a file of more is said to have so many."""

_STARTS = {
    b"II*\0": ("<", False),
    b"MM\0*": (">", False),
    b"II+\0": ("<", True),  # BigTIFF
    b"MM\0+": (">", True),
}
_KINDS = {1: "B", 2: "B", 3: "H", 4: "I", 6: "b", 7: "B", 8: "h", 9: "i", 11: "f", 12: "d", 13: "I", 16: "Q", 18: "Q"}
_MOST_ENTRIES = 4_096
_MOST_VALUES = 1 << 20
_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIPS, _SAMPLES = 254, 256, 257, 258, 259, 262, 273, 277
_STRIP_BYTES, _SUB_DIRECTORIES, _SAMPLE_FORMAT, _DNG_VERSION = 279, 330, 339, 50706
_UNSIGNED, _SIGNED, _FLOATING = 1, 2, 3
_NUMBERS = {_UNSIGNED: "unsigned numbers", _SIGNED: "signed numbers", _FLOATING: "floating-point numbers"}
_TYPES = {_UNSIGNED: "u", _SIGNED: "i", _FLOATING: "f"}
_WHITE_IS_ZERO = 0
_COMPRESSIONS = {
    **{1: "not compressed", 5: "LZW", 6: "old JPEG", 7: "JPEG", 8: "deflate", 32773: "PackBits", 32946: "deflate"},
    **{34712: "JPEG 2000", 34887: "LERC", 34925: "LZMA", 50000: "ZSTD", 50001: "WebP", 50002: "JPEG XL"},
}


@dataclass(frozen=True, slots=True)
class Directory:
    """The first directory of a TIFF, and how many pages follow."""

    order: str
    """Byte order of its numbers, `<` or `>`."""
    values: dict[int, tuple[int | float, ...]]
    """By tag."""
    pages: int
    """Pictures in it that are no smaller copies of another."""

    def first(self, tag: int, default: int) -> int:
        """A tag's first value as a whole number."""
        values = self.values.get(tag)
        return int(values[0]) if values else default

    @property
    def white_is_zero(self) -> bool:
        """Whether 0 is white, in place of black."""
        return self.first(_PHOTOMETRIC, 1) == _WHITE_IS_ZERO

    @property
    def is_raw(self) -> bool:
        """Whether a camera's raw data lies in it, and the first picture is at most a small copy."""
        is_reduced = bool(self.first(_SUBFILE, 0) & 1)
        return _DNG_VERSION in self.values or (is_reduced and _SUB_DIRECTORIES in self.values)

    @property
    def is_grey(self) -> bool:
        """Whether a pixel is one number."""
        return self.first(_SAMPLES, 1) == 1

    @property
    def has_white(self) -> bool:
        """Whether its numbers are unsigned and of at most 16 bits: the largest one is white."""
        return self.first(_SAMPLE_FORMAT, _UNSIGNED) not in (_SIGNED, _FLOATING) and self.first(_BITS, 1) <= 16

    def in_words(self) -> str:
        """What its pixels are."""
        white = ", 0 is white" if self.white_is_zero else ""
        compression = self.first(_COMPRESSION, 1)
        packed = _COMPRESSIONS.get(compression, f"compression {compression}")
        each = "" if self.is_grey else f", {self.first(_SAMPLES, 1)} for each pixel"
        return f"{numbers_in_words(self.first(_BITS, 1), self.first(_SAMPLE_FORMAT, 1))}{each}{white} ({packed})"

    def pixels(self, file: IO[bytes], most: int) -> NDArray[np.generic] | None:
        """Grey values (h, w) of a picture that is not compressed, whatever numbers they are; None of any other, of one
        with more than `most` pixels, and of a damaged one."""
        width, height = self.first(_WIDTH, 0), self.first(_HEIGHT, 0)
        bits, kind = self.first(_BITS, 1), _TYPES.get(self.first(_SAMPLE_FORMAT, 1))
        is_plain = self.first(_COMPRESSION, 1) == 1 and self.is_grey and bits in (8, 16, 32, 64)
        if kind is None or not is_plain or not 0 < width * height <= most:
            return None
        wanted, parts = width * height * bits // 8, []
        for offset, count in zip(self.values.get(_STRIPS, ()), self.values.get(_STRIP_BYTES, ()), strict=False):
            file.seek(int(offset))
            parts.append(file.read(min(int(count), wanted)))
        content = b"".join(parts)
        if len(content) < wanted or (kind == "f" and bits == 8):
            return None
        values = np.frombuffer(content[:wanted], f"{self.order}{kind}{bits // 8}").reshape(height, width)
        return np.asarray(values)


def numbers_in_words(bits: int, sample_format: int) -> str:
    """What the numbers of a picture are, by two tags of TIFF."""
    kind = _NUMBERS.get(sample_format, "complex or undefined numbers")
    return f"{kind} of {counted(bits, 'bit')}"


def read_directory(file: IO[bytes]) -> Directory | None:
    """The first directory of a file, whose position is kept; None where it is no TIFF or a damaged one."""
    position = file.tell()
    try:
        file.seek(0)
        start = _STARTS.get(file.read(4))
        return None if start is None else _directory(file, *start)
    except (struct.error, ValueError, OverflowError, OSError):
        return None
    finally:
        file.seek(position)


def _directory(file: IO[bytes], order: str, is_big: bool) -> Directory:
    width, offset_kind = (8, "Q") if is_big else (4, "I")
    file.seek(8 if is_big else 4)
    offset = _one(file, order + offset_kind)
    first: dict[int, tuple[int | float, ...]] | None = None
    pages, seen = 0, set[int]()
    while offset and offset not in seen and len(seen) < MOST_PAGES:
        seen.add(offset)
        try:
            file.seek(offset)
            count = _one(file, order + ("Q" if is_big else "H"))
            if count > _MOST_ENTRIES:
                break
            size = 12 + 8 * is_big
            entries = file.read(size * count)
            offset = _one(file, order + offset_kind)
            tags = _tags(file, entries, order, width, wanted=None if first is None else {_SUBFILE})
        except (struct.error, OverflowError, ValueError):
            if first is None:
                raise
            break  # the chain of pages is damaged behind what is read
        first = tags if first is None else first
        pages += len(seen) == 1 or not int((tags.get(_SUBFILE) or (0,))[0]) & 1
    if first is None:
        raise ValueError("no directory")
    return Directory(order, first, pages)


def _tags(
    file: IO[bytes], entries: bytes, order: str, width: int, *, wanted: set[int] | None
) -> dict[int, tuple[int | float, ...]]:
    """The numbers of each tag, of `wanted` ones or all. width: bytes of an offset."""
    found: dict[int, tuple[int | float, ...]] = {}
    size = 4 + 2 * width
    for start in range(0, len(entries) - size + 1, size):
        tag, kind = struct.unpack_from(order + "HH", entries, start)
        (count,) = struct.unpack_from(order + ("Q" if width == 8 else "I"), entries, start + 4)
        letter = _KINDS.get(kind)
        if letter is None or count > _MOST_VALUES or (wanted is not None and tag not in wanted):
            continue
        form = f"{order}{count}{letter}"
        content = entries[start + 4 + width : start + size]
        if struct.calcsize(form) > width:
            if tag not in (_BITS, _STRIPS, _STRIP_BYTES, _SAMPLE_FORMAT):
                found[tag] = ()  # a text, a profile or a preview
                continue
            file.seek(struct.unpack(order + ("Q" if width == 8 else "I"), content)[0])
            content = file.read(struct.calcsize(form))
        found[tag] = struct.unpack_from(form, content)
    return found


def _one(file: IO[bytes], form: str) -> int:
    (value,) = struct.unpack(form, file.read(struct.calcsize(form)))
    return int(value)
