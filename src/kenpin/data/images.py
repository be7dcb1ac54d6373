"""The one module that opens pictures: every kind of file comes out as upright 8-bit RGB or as a named error.

Rules, the same for every picture so that two of them stay comparable:

- EXIF orientation is applied; of an animation or a stack of pages the first picture counts.
- 16-bit grey is scaled by its full range, round(value · 255 / 65535), never clipped and never by the picture's own
  extremes; a TIFF of fewer bits (12) is scaled by the range of those bits. Of 16-bit colour the upper byte is kept.
- A TIFF in which 0 is white is inverted, of any depth.
- Signed, 32-bit, 64-bit and floating-point pixels have no defined white: they are refused, with the remedy.
- Transparent parts show white, as browsers and labelling tools show them: so a label drawn there was drawn on white.
"""

from __future__ import annotations

import threading
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from io import BytesIO
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from kenpin.data.in_shards import member_of
from kenpin.data.not_opened import STARTS_BYTES, ending_of, not_opened
from kenpin.data.picture_files import (
    COPY_AGAIN,
    MAX_PIXELS,
    PictureError,
    open_picture_file,
    read_bytes_once,
    too_large,
)
from kenpin.data.plugin_formats import FORMATS as PLUGIN_FORMATS
from kenpin.data.plugin_formats import open_by_plugin, plugin_format
from kenpin.data.streaming import hold
from kenpin.data.tiff import numbers_in_words, read_directory
from kenpin.records import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

_BY_PILLOW = {
    "PNG": (".png",),
    "JPEG": (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
    "TIFF": (".tif", ".tiff"),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
    "PPM": (".pgm", ".ppm", ".pbm", ".pnm"),
    "JPEG2000": (".jp2", ".j2k", ".jpx"),
    "AVIF": (".avif",),
}

FORMATS = _BY_PILLOW | PLUGIN_FORMATS
"""The picture formats that are opened, and nothing else, with the endings that their files have; the last ones by the
packages of extras."""

SUFFIXES = {suffix: format for format, suffixes in FORMATS.items() for suffix in suffixes}
"""Format by the ending of the file name, in lower case."""

_ROTATIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_LATE_KEYWORDS = (b"XML:com.adobe.xmp", b"Raw profile type ")  # first 17 bytes of texts that may hold an orientation
_SAY_WHAT_IS_WHITE = (
    "Say which of its values are black and white: `kenpin convert DATA OUT --to FORMAT --range BLACK WHITE`"
)
_SAVE_AS_8_OR_16_BIT = "Save it as 8-bit or unsigned 16-bit grey, or as 8-bit colour"
_SAMPLE_FORMAT = 339  # tag of TIFF
_ANIMATED = ("PNG", "GIF", "WEBP", "AVIF", "HEIF")
_JPEG_QUALITY = 80
_warnings_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Header:
    """A picture's header, read before a pixel is decoded."""

    format: str
    """A key of `FORMATS`."""
    mode: str
    """Pillow's name of the pixels' form: L, RGB, I;16, P, CMYK, …"""
    size_wh: tuple[int, int]
    """Width and height in pixels as displayed, EXIF orientation applied."""
    orientation: int
    """EXIF orientation, 1 (upright) to 8."""
    bit_depth: int
    """Bits of one channel of one pixel."""


@dataclass(frozen=True, slots=True)
class Picture:
    """An opened picture with its header."""

    rgb: Image.Image
    header: Header
    highest: int | None = None
    """Highest stored value of deep pictures (more than 8 bits), of colour with the lower byte taken as full; None of
    other pictures."""
    pages: int = 1
    """How many pictures the file holds, of which the first is read; 2 of a GIF that has more than one."""


def bytes_of_size(size_wh: tuple[int, int]) -> int:
    """Bytes of a decoded picture of this size: Pillow keeps four for a pixel of RGB."""
    width, height = size_wh
    return 4 * width * height


def read_image(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """The displayed picture, mode RGB. Raises ImageError."""
    return read_picture(source, max_pixels=max_pixels).rgb


def read_grey_or_rgb(source: ImageSource) -> Image.Image:
    """The displayed picture as it is resized soonest: mode L where it is grey, whose `convert("RGB")` is that of
    `read_image`; else mode RGB. Raises ImageError."""
    with _opened(source, MAX_PIXELS) as (stored, header):
        hold(bytes_of_size(stored.size))
        stored.load()
        return _displayed(source, stored, header.format, header.orientation, header.bit_depth)[0]


def as_rgb(image: Image.Image) -> Image.Image:
    """The picture in mode RGB: itself where it is."""
    return image if image.mode == "RGB" else image.convert("RGB")


def read_mask(source: ImageSource) -> NDArray[np.bool_]:
    """Which pixels of a mask are defective: those that are not black, (h, w). Raises ImageError."""
    red, green, blue = np.moveaxis(np.asarray(read_image(source)), 2, 0)
    return np.asarray((red | green | blue) != 0)  # six times as fast as `any` over an axis of three


def displayed_size(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> tuple[int, int]:
    """Width and height in pixels as displayed, from the header alone. Raises ImageError."""
    return read_header(source, max_pixels=max_pixels).size_wh


def read_header(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Header:
    """The header; the pixels may still be damaged. Raises ImageError."""
    with _opened(source, max_pixels) as (_, header):
        return header


def read_picture(source: ImageSource, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """The displayed picture and its header, decoded once. Raises ImageError."""
    with _opened(source, max_pixels) as (stored, header):
        hold(bytes_of_size(stored.size))
        pages = _pages(stored, header.format)
        stored.load()
        shown, highest = _displayed(source, stored, header.format, header.orientation, header.bit_depth)
        return Picture(as_rgb(shown), header, highest, pages)


def png_of(picture: Image.Image | NDArray[Any], name: str, *, max_pixels: int = MAX_PIXELS) -> bytes:
    """A picture in memory as a PNG file that opens as the picture would have from a file of its own, upright.

    picture: of Pillow, in any mode that is opened, or an array: grey (h, w) or (h, w, 1), red, green and blue
    (h, w, 3), or these with opacity (h, w, 4), of uint8; grey of uint16 too. `name`: for messages. Raises ImageError.
    """
    source, memory = ImageSource(name), BytesIO()
    with _named_errors(source, memory, max_pixels):
        stored = _of_array(source, picture) if isinstance(picture, np.ndarray) else picture
        if stored.width * stored.height > max_pixels:
            raise too_large(source, f"{stored.width} × {stored.height} pixels", max_pixels)
        stored.load()
        format = stored.format or ""
        shown, _ = _displayed(source, stored, format, _orientation(stored, memory), _bit_depth(stored, format))
        # the least that compresses: the file is opened again at once, or as often as the picture is learned from
        shown.save(memory, "PNG", compress_level=1)
    return memory.getvalue()


def jpeg_thumbnail(image: Image.Image, max_side_px: int = 128) -> bytes:
    """A small JPEG of a picture, its longer side at most `max_side_px`."""
    small = image.convert("RGB") if image.mode not in ("RGB", "L") else image.copy()
    small.thumbnail((max_side_px, max_side_px))
    memory = BytesIO()
    small.save(memory, "JPEG", quality=_JPEG_QUALITY, optimize=True)
    return memory.getvalue()


def _of_array(source: ImageSource, pixels: NDArray[Any]) -> Image.Image:
    """An array of `png_of` as a Pillow picture. Raises PictureError for any other array."""
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    depths = {1: ("uint8", "uint16"), 3: ("uint8",), 4: ("uint8",)}
    if pixels.ndim not in (2, 3) or not pixels.size or pixels.dtype.name not in depths.get(channels, ()):
        what = f"an array of {pixels.dtype} and shape {pixels.shape} is not a picture"
        remedy = "Give uint8, (h, w) for grey, (h, w, 3) for red, green and blue, (h, w, 4) with opacity"
        raise PictureError(source, "image-undecodable", what, remedy)
    return Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if pixels.ndim == 3 and channels == 1 else pixels))


def _displayed(
    source: ImageSource, stored: Image.Image, format: str, orientation: int, bit_depth: int
) -> tuple[Image.Image, int | None]:
    """A decoded picture upright, grey as L and else as RGB, and the highest stored value of deep pictures. Raises
    PictureError."""
    highest = None
    if _has_no_white(stored, format):
        what = f"its pixels are {_numbers(stored, format)}, which have no white"
        raise PictureError(source, "image-undecodable", what, _SAY_WHAT_IS_WHITE)
    if stored.mode.startswith("I"):
        values = np.asarray(stored)
        if format == "TIFF" and not stored.tag_v2.get(ExifTags.Base.PhotometricInterpretation, 1):  # type: ignore[attr-defined]
            values = 2**bit_depth - 1 - values  # Pillow inverts those of 8 bits alone
        highest = int(values.max())
        shown = Image.fromarray(_grey_of(values, 2**bit_depth - 1))
    elif stored.has_transparency_data:
        rgba = stored.convert("RGBA")
        shown = Image.new("RGB", rgba.size, "white")
        shown.paste(rgba, mask=rgba)
    else:
        shown = stored.convert("L" if stored.mode in ("1", "L") else "RGB")
        if bit_depth == 16 and stored.mode == "RGB":  # Pillow reads the upper byte of each colour
            highest = 256 * max(top for _, top in shown.getextrema()) + 255  # type: ignore[misc]
    # Pillow turns TIFF upright while it decodes
    if format != "TIFF" and orientation in _ROTATIONS:
        shown = shown.transpose(_ROTATIONS[orientation])
    shown.info.clear()  # else a saved copy would carry the old orientation and be turned twice
    return shown, highest


def _has_no_white(stored: Any, format: str) -> bool:
    if stored.mode.startswith(("I", "F")):
        return not stored.mode.startswith("I;16") and format != "PPM"  # Pillow widens 16-bit PPM to 32
    return format == "TIFF" and bool({2, 3} & {*stored.tag_v2.get(_SAMPLE_FORMAT, ())})  # taken for unsigned by Pillow


def _numbers(stored: Any, format: str) -> str:
    """The kind of the numbers of deep grey."""
    if format == "TIFF":
        bits, kinds = stored.tag_v2.get(ExifTags.Base.BitsPerSample, (1,)), stored.tag_v2.get(_SAMPLE_FORMAT, (1,))
        return numbers_in_words(int(bits[0]), int(kinds[0]))
    return "floating-point numbers" if stored.mode.startswith("F") else "signed or 32-bit numbers"


def _pages(stored: Any, format: str) -> int:
    """How many pictures a file holds. The first one stays chosen."""
    if format == "TIFF":
        directory = read_directory(stored.fp)
        return 1 if directory is None else max(1, directory.pages)
    if format not in _ANIMATED:
        return 1
    try:
        if format == "GIF":  # it counts by reading on to the end
            return 2 if stored.is_animated else 1
        return int(getattr(stored, "n_frames", 1))
    except Exception:  # noqa: BLE001 (what is behind the first picture may be damaged in any way)
        return 1


def _grey_of(values: NDArray[Any], white: int) -> NDArray[np.uint8]:
    """Deep grey -> 8 bits: 0 stays 0, `white` becomes 255."""
    return np.take(np.rint(np.arange(white + 1) * 255 / white).astype(np.uint8), values)


@contextmanager
def _opened(source: ImageSource, max_pixels: int) -> Iterator[tuple[Image.Image, Header]]:
    """The undecoded picture and its header; whatever fails in the body of the `with` becomes a PictureError."""
    with _bytes_of(source) as file, _named_errors(source, file, max_pixels):
        with _pillow_is_quiet():
            format = plugin_format(file, ending_of(source.path or ""))
            if format is None:
                stored: Image.Image = Image.open(file, formats=tuple(_BY_PILLOW))
            else:
                stored = open_by_plugin(source, file, format, max_pixels)
            header = _header(stored, file)
        width, height = stored.size
        if width * height > max_pixels:
            raise too_large(source, f"{width} × {height} pixels", max_pixels)
        yield stored, header


@contextmanager
def _bytes_of(source: ImageSource) -> Iterator[IO[bytes]]:
    data = read_bytes_once(source).data if member_of(source.path or "") is not None else source.data
    if data is not None:
        if not data:
            raise PictureError(source, "image-empty", "the picture has 0 bytes", COPY_AGAIN)
        yield BytesIO(data)
        return
    with open_picture_file(source) as (file, status):
        if not status.st_size:
            raise PictureError(source, "image-empty", "the file has 0 bytes", COPY_AGAIN)
        yield file


@contextmanager
def _named_errors(source: ImageSource, file: IO[bytes], max_pixels: int) -> Iterator[None]:
    try:
        yield
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise too_large(source, "too many pixels", min(max_pixels, MAX_PIXELS)) from error
    except UnidentifiedImageError as error:
        raise _foreign(source, file) from error
    except Exception as error:
        # Pillow's plugins raise whatever breaks first: OSError, SyntaxError, struct.error, KeyError, MemoryError, …
        detail = " ".join(str(error).split()) or type(error).__name__
        if "truncated" in detail.lower():
            raise PictureError(source, "image-truncated", f"the file is cut off ({detail})", COPY_AGAIN) from error
        what = f"the file is damaged and cannot be decoded ({detail})"
        raise PictureError(source, "image-undecodable", what, COPY_AGAIN) from error


@contextmanager
def _pillow_is_quiet() -> Iterator[None]:
    """Hold back Pillow's warnings on odd metadata, which no caller can act on.

    The filters are the whole process's, hence the lock; only headers warn, so decoding stays parallel.
    """
    with _warnings_lock, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _header(stored: Image.Image, file: IO[bytes]) -> Header:
    format = {"MPO": "JPEG", "DIB": "BMP"}.get(stored.format or "", stored.format or "")
    orientation = _orientation(stored, file)
    width, height = stored.size
    if orientation >= 5 and format != "TIFF":  # Pillow states a TIFF's size as displayed
        width, height = height, width
    return Header(format, stored.mode, (width, height), orientation, _bit_depth(stored, format))


def _orientation(stored: Image.Image, file: IO[bytes]) -> int:
    if stored.format == "PNG" and "exif" not in stored.info and _has_late_orientation(stored, file):
        stored.load()  # reads on to the chunks behind the pixels
    try:
        # the parent's method: the one of PNG would decode every picture that has no EXIF
        orientation = Image.Image.getexif(stored).get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 (broken EXIF raises anything; viewers show such a picture as it is stored)
        return 1
    return orientation if orientation in _ROTATIONS else 1


def _has_late_orientation(stored: Image.Image, file: IO[bytes]) -> bool:
    """Whether a PNG carries EXIF or XMP behind its pixels, which the format allows. Keeps the file's position."""
    position = file.tell()
    try:
        file.seek(8)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            start = file.tell()
            if kind == b"eXIf":
                return True
            if kind in (b"iTXt", b"tEXt", b"zTXt") and file.read(min(length, 17)) in _LATE_KEYWORDS:
                return True
            file.seek(start + length + 4)
        return False
    finally:
        file.seek(position)


def _bit_depth(stored: Any, format: str) -> int:
    if format in PLUGIN_FORMATS:
        return 16 if stored.mode.startswith("I") else int(stored.info.get("bit_depth", 8))
    if format == "TIFF":
        return int(stored.tag_v2.get(ExifTags.Base.BitsPerSample, (1,))[0])
    if stored.mode == "1":
        return 1
    tile = getattr(stored, "tile", None)  # of a file that is not decoded yet
    raw_mode = str(tile[0].args) if tile else ""
    return 16 if stored.mode.startswith("I") or ";16" in raw_mode else 8


def _foreign(source: ImageSource, file: IO[bytes]) -> PictureError:
    file.seek(0)
    start = file.read(STARTS_BYTES)
    if start.startswith(b"version https://git-lfs"):
        what, remedy = "this is a pointer of Git LFS and not the picture itself", "Run `git lfs pull`"
    elif start.startswith(b"\x89PNG") and bytes(4) in (start[16:20], start[20:24]):
        return PictureError(source, "image-undecodable", "the picture has no pixels", COPY_AGAIN)
    elif (directory := read_directory(file)) is not None:
        if directory.has_white:
            what = f"this is a TIFF of a kind that is not opened: {directory.in_words()}"
            return PictureError(source, "image-undecodable", what, _SAVE_AS_8_OR_16_BIT)
        what = f"its pixels are {directory.in_words()}, which have no white"
        remedy = _SAY_WHAT_IS_WHITE if directory.is_grey else _SAVE_AS_8_OR_16_BIT
        return PictureError(source, "image-undecodable", what, remedy)
    elif (kind := not_opened(source.path or "", start)) is not None:
        what = f"this is {kind.called}, which is not opened as a picture"
        remedy = kind.remedy_for(source.path or "FILE")
    else:
        what = f"the content is not a picture of a known format (begins with {start[:8]!r})"
        remedy = f"Replace it by one of {', '.join(_BY_PILLOW)}"
    return PictureError(source, "image-foreign", what, remedy)
