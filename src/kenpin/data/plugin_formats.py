"""Pictures that Pillow alone does not open: HEIC, JPEG XL and cameras' raw files, each by the package of an extra.

A package is imported when a picture of its format is opened, and opens no other format.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from PIL import Image, ImageFile

from kenpin.data.picture_files import PictureError, too_large
from kenpin.data.tiff import read_directory

if TYPE_CHECKING:
    from kenpin.records import ImageSource

RAW = "RAW"
FORMATS = {
    "HEIF": (".heic", ".heif", ".hif"),
    "JXL": (".jxl",),
    RAW: (".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
}
"""The picture formats that need a package, with the endings of their files."""

_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs")
_GENERAL_BRANDS = (b"mif1", b"msf1", b"mif2")  # of AVIF too
_JXL_STARTS = (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")
_RAW_STARTS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0")
_SNIFFED_BYTES = 64
_ON_ITS_SIDE = (5, 6)  # as LibRaw numbers the camera's positions
_JXL_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_JXL_SIDES = (9, 13, 18, 30)


def plugin_format(file: IO[bytes], ending: str) -> str | None:
    """The key of `FORMATS` that a file's content is of, else None. ending: of its name, in lower case; it tells raw
    files that are built as a TIFF apart from other TIFF files. The file is left at its begin."""
    file.seek(0)
    start = file.read(_SNIFFED_BYTES)
    file.seek(0)
    if start.startswith(_JXL_STARTS):
        return "JXL"
    if start[4:8] == b"ftyp":
        brands = [start[at : at + 4] for at in (8, *range(16, min(int.from_bytes(start[:4], "big"), len(start)), 4))]
        if brands[0] == b"crx ":
            return RAW
        is_avif = any(brand.startswith(b"avi") for brand in brands)
        is_heif = brands[0] in _HEIF_BRANDS or (brands[0] in _GENERAL_BRANDS and not is_avif)
        return "HEIF" if is_heif else None
    if start.startswith(_RAW_STARTS) or start[8:10] == b"CR":
        return RAW
    if start.startswith((b"II*\0", b"MM\0*")):
        if ending in FORMATS[RAW]:
            return RAW
        directory = read_directory(file)
        return RAW if directory is not None and directory.is_raw else None
    return None


def open_by_plugin(source: ImageSource, file: IO[bytes], format: str, max_pixels: int) -> Image.Image:
    """The undecoded picture of one of `FORMATS`. Raises PictureError where the extra is not installed or the picture
    too large, and whatever the package raises where the file is damaged."""
    plugin = _PLUGINS[format]
    try:
        return plugin.opens(source, file, max_pixels)
    except ImportError as error:
        what = f"it is {plugin.called}, and what opens such files is not installed"
        remedy = f'Install it with pip install "kenpin[{plugin.extra}]", or export the picture as PNG'
        raise PictureError(source, "image-needs-extra", what, remedy) from error


def _open_heif(source: ImageSource, file: IO[bytes], max_pixels: int) -> Image.Image:
    from pillow_heif import HeifImageFile

    picture: Image.Image = HeifImageFile(file)  # the header alone; upright already
    return picture


def _open_jxl(source: ImageSource, file: IO[bytes], max_pixels: int) -> Image.Image:
    from pillow_jxl.JpegXLImagePlugin import JXLImageFile

    width, height = jxl_size(file)  # the package decodes all of it while it opens
    if width * height > max_pixels:
        raise too_large(source, f"{width} × {height} pixels", max_pixels)
    file.seek(0)
    picture: Image.Image = JXLImageFile(file)
    if not picture.jpeg:  # type: ignore[attr-defined]
        picture.info.pop("exif", None)  # its orientation is applied, unlike that of a JPEG kept within
    return picture


def _open_raw(source: ImageSource, file: IO[bytes], max_pixels: int) -> Image.Image:
    import rawpy

    return _Raw(file, rawpy.imread(file))


class _Raw(ImageFile.ImageFile):
    """A camera's raw data, developed when they are decoded: with the camera's white balance, upright, and with no
    brightness of the picture's own, so that two stay comparable."""

    format = RAW

    def __init__(self, file: IO[bytes], raw: Any) -> None:
        self._raw = raw
        super().__init__(file)

    def _open(self) -> None:
        sizes = self._raw.sizes
        width, height = sizes.iwidth, sizes.iheight
        self._size = (height, width) if sizes.flip in _ON_ITS_SIDE else (width, height)
        self._mode = "RGB"
        self.info["bit_depth"] = int(self._raw.white_level).bit_length()
        self.tile = []

    def load(self) -> Any:
        """Develop it."""
        if self._raw is not None:
            with self._raw as raw:
                pixels = raw.postprocess(use_camera_wb=True, no_auto_bright=True, output_bps=8)
            self._raw = None
            developed = Image.fromarray(pixels)
            self._size, self.im = developed.size, developed.im
        return super().load()


def jxl_size(file: IO[bytes]) -> tuple[int, int]:
    """Width and height that the header of a JPEG XL file states, before orientation. Raises ValueError.

    # ISO/IEC 18181-1, SizeHeader; 18181-2, boxes
    """
    file.seek(0)
    start = file.read(12)
    file.seek(2)
    if start.startswith(_JXL_STARTS[1]):
        file.seek(12)
        while len(head := file.read(8)) == 8:
            length, kind = int.from_bytes(head[:4], "big"), head[4:]
            if kind in (b"jxlc", b"jxlp"):
                file.seek(2 + 4 * (kind == b"jxlp"), 1)
                break
            if length < 8:
                raise ValueError("no picture in its boxes")
            file.seek(length - 8, 1)
    bits = _Bits(file.read(16))
    is_small = bits.take(1)
    height = _jxl_side(bits, is_small)
    ratio = _JXL_RATIOS[bits.take(3)]
    width = _jxl_side(bits, is_small) if ratio is None else height * ratio[0] // ratio[1]
    return width, height


class _Bits:
    """Bits of bytes, the lowest first."""

    def __init__(self, content: bytes) -> None:
        self._left, self._count = int.from_bytes(content, "little"), 8 * len(content)

    def take(self, count: int) -> int:
        """The next bits as a number."""
        if count > self._count:
            raise ValueError("the header is cut off")
        value = self._left & ((1 << count) - 1)
        self._left, self._count = self._left >> count, self._count - count
        return value


def _jxl_side(bits: _Bits, is_small: int) -> int:
    return 8 * (bits.take(5) + 1) if is_small else bits.take(_JXL_SIDES[bits.take(2)]) + 1


@dataclass(frozen=True, slots=True)
class _Plugin:
    extra: str
    called: str
    opens: Callable[[ImageSource, IO[bytes], int], Image.Image]
    """Raises ImportError where its package is not installed."""


_PLUGINS = {
    "HEIF": _Plugin("heic", "a HEIC picture", _open_heif),
    "JXL": _Plugin("jxl", "a JPEG XL picture", _open_jxl),
    RAW: _Plugin("raw", "a camera's raw file", _open_raw),
}
