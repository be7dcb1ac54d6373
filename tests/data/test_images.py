"""Every kind of picture file opens as upright 8-bit RGB or gives a named error; nothing crashes, warns or hangs."""

from __future__ import annotations

import os
import random
import struct
import time
import warnings
import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFile, ImageOps
from PIL.PngImagePlugin import PngInfo

from kenpin.data import picture_files
from kenpin.data.images import (
    SUFFIXES,
    displayed_size,
    read_grey_or_rgb,
    read_header,
    read_image,
    read_picture,
)
from kenpin.data.picture_files import MAX_PIXELS, PictureError
from kenpin.errors import ImageError
from kenpin.records import ImageSource

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def _saved(picture: Image.Image, format: str, **options: Any) -> ImageSource:
    buffer = BytesIO()
    picture.save(buffer, format, **options)
    return ImageSource(path=f"made.{format.lower()}", data=buffer.getvalue())


def _corners() -> Image.Image:
    """40 × 20, upright: red at the top left, green at the top right, blue below."""
    picture = Image.new("RGB", (40, 20), BLUE)
    picture.paste(RED, (0, 0, 20, 10))
    picture.paste(GREEN, (20, 0, 40, 10))
    return picture


# how an upright picture must be stored so that a viewer that follows the orientation shows it upright
STORED_AS = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def _with_orientation(orientation: int, format: str, **options: Any) -> ImageSource:
    stored, method = _corners(), STORED_AS[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _saved(stored if method is None else stored.transpose(method), format, exif=exif, **options)


@pytest.mark.parametrize("orientation", STORED_AS)
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP", "AVIF"])
def test_orientation_is_applied_once(orientation: int, format: str) -> None:
    source = _with_orientation(orientation, format)
    picture = read_image(source)
    assert (picture.mode, picture.size) == ("RGB", (40, 20))
    assert displayed_size(source) == (40, 20)
    assert read_header(source).orientation == orientation
    for place, colour in (((5, 4), RED), ((34, 4), GREEN), ((5, 15), BLUE), ((34, 15), BLUE)):
        assert np.allclose(np.asarray(picture)[place[1], place[0]], colour, atol=40), place
    saved_again = _saved(picture, format)
    assert displayed_size(saved_again) == read_image(saved_again).size == (40, 20)
    assert ImageOps.exif_transpose(picture).size == (40, 20)  # as others may apply it once more


def _png_with_late_chunk(source: ImageSource, kind: bytes, content: bytes) -> ImageSource:
    assert source.data is not None
    chunk = struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
    return ImageSource(path="late.png", data=source.data[:-12] + chunk + source.data[-12:])


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        (b"eXIf", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"),
        (b"iTXt", b'XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="6"/>'),
    ],
)
def test_orientation_behind_the_pixels_of_a_png_counts(kind: bytes, content: bytes) -> None:
    source = _png_with_late_chunk(_saved(_corners().transpose(Image.Transpose.ROTATE_90), "PNG"), kind, content)
    assert displayed_size(source) == read_image(source).size == (40, 20)
    assert read_image(source).getpixel((5, 4)) == RED


def test_a_late_comment_does_not_decode_the_picture() -> None:
    broken = bytearray(_saved(_corners(), "PNG").data or b"")
    broken[broken.index(b"IDAT") + 6] ^= 0xFF  # a header needs no pixels
    source = _png_with_late_chunk(ImageSource(data=bytes(broken)), b"tEXt", b"date:create\x002026-11-21")
    assert displayed_size(source) == (40, 20)
    with pytest.raises(ImageError):
        read_image(source)


DEEP = np.array([[0, 128, 129, 257], [4095, 32768, 65407, 65535]], np.uint16)


def _deep_sources() -> dict[str, ImageSource]:
    grey = Image.fromarray(DEEP)
    motorola = b"MM\0*\0\0\0\x08" + struct.pack(">H", 8)
    for tag, kind, value in ((256, 3, 4), (257, 3, 2), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 110)):
        motorola += struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", value, 0) if kind == 3 else b"\0\0\0\x6e")
    motorola += struct.pack(">HHIHH", 278, 3, 1, 2, 0) + struct.pack(">HHII", 279, 4, 1, 16) + b"\0\0\0\0"
    return {
        "png": _saved(grey, "PNG"),
        "tiff, little end first": _saved(grey, "TIFF"),
        "tiff, big end first": ImageSource("big.tif", motorola + DEEP.astype(">u2").tobytes()),
        "tiff, compressed": _saved(grey, "TIFF", compression="tiff_deflate"),
        "pgm": ImageSource("deep.pgm", b"P5 4 2 65535\n" + DEEP.astype(">u2").tobytes()),
        "jpeg 2000": _saved(grey, "JPEG2000"),
    }


@pytest.mark.parametrize("name", _deep_sources())
def test_deep_grey_is_scaled_by_its_full_range(name: str) -> None:
    picture = read_picture(_deep_sources()[name])
    expected = np.rint(DEEP.astype(float) * 255 / 65535)
    assert np.array_equal(np.asarray(picture.rgb), np.repeat(expected[:, :, None], 3, axis=2))
    assert (picture.highest, picture.header.bit_depth) == (65535, 16)


def test_deep_grey_is_not_stretched_to_its_own_extremes() -> None:
    dark = Image.fromarray(np.array([[0, 257 * 3]], np.uint16))
    assert [read_image(_saved(dark, "PNG")).getpixel((x, 0)) for x in (0, 1)] == [(0, 0, 0), (3, 3, 3)]


def test_twelve_bit_tiff_is_scaled_by_twelve_bits() -> None:
    # two pixels of 12 bits, 4095 and 2048, in three bytes
    body = b"II*\0" + struct.pack("<IH", 8, 8)
    fields = ((256, 3, 2), (257, 3, 1), (258, 3, 12), (259, 3, 1), (262, 3, 1), (273, 4, 110), (278, 3, 1), (279, 4, 3))
    for tag, kind, value in fields:
        body += struct.pack("<HHII", tag, kind, 1, value)
    picture = read_picture(ImageSource("12.tif", body + b"\0\0\0\0" + bytes((0xFF, 0xF8, 0x00)) + b"\0"))
    assert [picture.rgb.getpixel((x, 0)) for x in (0, 1)] == [(255,) * 3, (128,) * 3]
    assert (picture.header.bit_depth, picture.highest) == (12, 4095)


def test_deep_colour_keeps_its_upper_byte() -> None:
    rows = b"".join(b"\0" + struct.pack(">3H", 0x1234, 0xABCD, 0xFFFF) for _ in range(2))
    content = b"\x89PNG\r\n\x1a\n"
    for kind, data in (
        (b"IHDR", struct.pack(">IIBBBBB", 1, 2, 16, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ):
        content += struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    picture = read_picture(ImageSource("deep.png", content))
    assert (picture.rgb.getpixel((0, 1)), picture.header.bit_depth) == ((0x12, 0xAB, 0xFF), 16)


@pytest.mark.parametrize("type", [np.float32, np.int32])
def test_pixels_without_a_white_are_refused(type: type) -> None:
    with pytest.raises(ImageError, match=r"made\.tiff.*(signed|floating-point) numbers of 32 bits.*--range BLACK"):
        read_image(_saved(Image.fromarray(np.ones((2, 3), type)), "TIFF"))


def _palette(transparent: int | bytes | None) -> ImageSource:
    picture = Image.new("P", (2, 1))
    picture.putpalette([*RED, *GREEN])
    picture.putpixel((1, 0), 1)
    return _saved(picture, "PNG", **({} if transparent is None else {"transparency": transparent}))


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        (_palette(None), (RED, GREEN)),
        (_palette(1), (RED, WHITE)),
        (_palette(bytes((255, 0))), (RED, WHITE)),
        (_saved(Image.new("RGBA", (2, 1), (0, 0, 0, 0)), "PNG"), (WHITE, WHITE)),
        (_saved(Image.new("RGBA", (2, 1), (0, 0, 0, 51)), "PNG"), ((204,) * 3, (204,) * 3)),
        (_saved(Image.new("LA", (2, 1), (0, 51)), "PNG"), ((204,) * 3, (204,) * 3)),
        (_saved(Image.new("L", (2, 1), 7), "PNG", transparency=7), (WHITE, WHITE)),
        (_saved(Image.new("RGB", (2, 1), RED), "PNG", transparency=RED), (WHITE, WHITE)),
        (_saved(Image.new("1", (2, 1), 1), "TIFF"), (WHITE, WHITE)),
        (_saved(Image.new("L", (2, 1), 77), "BMP"), ((77,) * 3, (77,) * 3)),
        (_saved(Image.new("CMYK", (2, 1), (0, 255, 255, 0)), "TIFF"), (RED, RED)),
        (_saved(Image.new("RGB", (2, 1), BLUE), "GIF"), (BLUE, BLUE)),
        (_saved(Image.new("YCbCr", (2, 1), (255, 128, 128)), "TIFF"), (WHITE, WHITE)),
    ],
)
def test_every_form_of_pixels_becomes_rgb(source: ImageSource, expected: tuple[tuple[int, int, int], ...]) -> None:
    picture = read_image(source)
    assert picture.mode == "RGB"
    assert tuple(picture.getpixel((x, 0)) for x in (0, 1)) == expected
    soonest = read_grey_or_rgb(source)
    assert soonest.mode in ("L", "RGB")
    assert soonest.convert("RGB").tobytes() == read_image(source).tobytes()


def test_cmyk_jpeg_keeps_its_colour() -> None:
    source = _saved(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=95)
    assert read_header(source).mode == "CMYK"
    assert np.allclose(np.asarray(read_image(source))[8, 8], RED, atol=6)


def _damaged(tmp_path: Path) -> dict[str, tuple[ImageSource, str, str]]:
    whole = _saved(Image.effect_noise((64, 64), 80), "PNG").data or b""
    folder, pipe, empty, cut, text, pointer = (tmp_path / name for name in ("d.png", "p", "e", "cut", "text", "lfs"))
    folder.mkdir()
    os.mkfifo(pipe)
    empty.write_bytes(b"")
    cut.write_bytes(whole[: len(whole) // 2])
    text.write_text("<html>not found</html>")
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0")
    bomb = whole[:16] + struct.pack(">II", 60_000, 60_000) + whole[24:29]
    bomb += struct.pack(">I", zlib.crc32(bomb[12:])) + whole[33:]
    flat = whole[:16] + struct.pack(">II", 0, 64) + whole[24:29]
    flat += struct.pack(">I", zlib.crc32(flat[12:])) + whole[33:]
    return {
        "missing": (ImageSource(str(tmp_path / "no.png")), "image-missing", "no such file"),
        "folder": (ImageSource(str(folder)), "image-foreign", "not a file"),
        "pipe": (ImageSource(str(pipe)), "image-foreign", "not a file"),
        "empty": (ImageSource(str(empty)), "image-empty", "0 bytes"),
        "no bytes": (ImageSource("x", b""), "image-empty", "0 bytes"),
        "nothing": (ImageSource(), "image-missing", "neither a file nor bytes"),
        "nul": (ImageSource("a\0b"), "image-missing", "cannot be opened"),
        "cut": (ImageSource(str(cut)), "image-truncated", "cut off"),
        "text": (ImageSource(str(text)), "image-foreign", "a web page, which is not opened"),
        "lfs": (ImageSource(str(pointer)), "image-foreign", "git lfs pull"),
        "postscript": (ImageSource("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n" * 9), "image-foreign", "a drawing of lines"),
        "other format": (
            _saved(Image.new("L", (8, 8)), "PCX"),
            "image-foreign",
            "a picture of a kind (.pcx), which is not opened",
        ),
        "no pixels": (ImageSource("none.png", flat), "image-undecodable", "no pixels"),
        "bomb": (ImageSource("bomb.png", bomb), "image-too-large", f"{MAX_PIXELS:,}"),
    }


def test_damage_is_named(tmp_path: Path) -> None:
    for name, (source, code, words) in _damaged(tmp_path).items():
        with pytest.raises(PictureError) as caught:
            read_image(source)
        assert caught.value.code == code, name
        assert str(source) in str(caught.value), name
        assert words in str(caught.value), name
        assert "\n" not in str(caught.value), name


def test_a_picture_that_may_not_be_read_is_not_called_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    Image.new("L", (8, 8)).save(tmp_path / "a.png")
    monkeypatch.setattr(picture_files, "open_regular", denied)  # root may read everything
    with pytest.raises(PictureError, match=r"it may not be read\. Allow it") as caught:
        read_image(ImageSource(str(tmp_path / "a.png")))
    assert caught.value.code == "image-forbidden"


def test_the_pixel_limit_counts_every_pixel() -> None:
    source = _saved(Image.new("L", (30, 20)), "PNG")
    assert read_image(source, max_pixels=600).size == (30, 20)
    with pytest.raises(ImageError, match=r"30 × 20 pixels, more than the 599"):
        read_image(source, max_pixels=599)
    with pytest.raises(ImageError, match="more than the 599"):
        displayed_size(source, max_pixels=599)


def test_large_pictures_below_the_limit_do_not_warn() -> None:
    size = Image.MAX_IMAGE_PIXELS
    assert size is not None
    source = _saved(Image.new("1", (10_000, size // 10_000 + 1)), "PNG")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert displayed_size(source) == (10_000, size // 10_000 + 1)


def test_a_disguised_picture_opens_and_tells_its_format(tmp_path: Path) -> None:
    path = tmp_path / "part.png"
    path.write_bytes(_saved(_corners(), "JPEG").data or b"")
    source = ImageSource(str(path))
    assert read_image(source).size == (40, 20)
    assert (read_header(source).format, SUFFIXES[path.suffix]) == ("JPEG", "PNG")


def test_only_the_first_picture_of_many_is_read() -> None:
    frames = [Image.new("L", (8, 8), value % 256) for value in range(1, 4000)]
    source = _saved(frames[0], "GIF", save_all=True, append_images=frames[1:], optimize=False)
    start = time.perf_counter()
    assert read_image(source).getpixel((0, 0)) == (1, 1, 1)
    assert time.perf_counter() - start < 0.5


def test_a_tiff_whose_pages_form_a_ring_ends() -> None:
    data = bytearray(_saved(_corners(), "TIFF").data or b"")
    first = struct.unpack_from("<I", data, 4)[0]
    count = struct.unpack_from("<H", data, first)[0]
    struct.pack_into("<I", data, first + 2 + 12 * count, first)
    assert read_image(ImageSource("ring.tif", bytes(data))).size == (40, 20)


def test_nothing_of_pillow_is_changed() -> None:
    before = ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    read_image(_saved(_corners(), "TIFF"))
    assert before == (ImageFile.LOAD_TRUNCATED_IMAGES, Image.MAX_IMAGE_PIXELS, list(warnings.filters))


def _specimens() -> list[ImageSource]:
    noise = Image.effect_noise((48, 32), 60)
    colour = Image.merge("RGB", [noise, noise.rotate(180), noise.transpose(Image.Transpose.FLIP_TOP_BOTTOM)])
    deep = Image.fromarray((np.asarray(noise).astype(np.uint16) << 8) + 7)
    comment = PngInfo()
    comment.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    return [
        _saved(colour, "PNG"),
        _saved(deep, "PNG"),
        _saved(colour.quantize(16), "PNG", transparency=3),
        _saved(colour.convert("RGBA"), "PNG", pnginfo=comment),
        _with_orientation(6, "PNG"),
        _saved(colour, "JPEG"),
        _saved(colour.convert("CMYK"), "JPEG"),
        _saved(noise, "JPEG", progressive=True),
        _with_orientation(8, "JPEG"),
        _saved(colour, "TIFF"),
        _saved(deep, "TIFF"),
        _saved(colour, "TIFF", compression="tiff_lzw"),
        _saved(noise, "TIFF", compression="jpeg"),
        _saved(noise.convert("1"), "TIFF", compression="group4"),
        _saved(colour.convert("CMYK"), "TIFF", compression="tiff_adobe_deflate"),
        _with_orientation(5, "TIFF"),
        _saved(colour, "BMP"),
        _saved(colour.quantize(16), "BMP"),
        _saved(colour.quantize(16), "GIF", save_all=True, append_images=[noise.quantize(8)]),
        _saved(colour, "WEBP"),
        _saved(colour.convert("RGBA"), "WEBP", lossless=True),
        _saved(colour, "PPM"),
        _saved(colour, "JPEG2000"),
        _saved(colour, "AVIF"),
    ]


def _mutated(data: bytes, random_: random.Random) -> bytes:
    """One to four damages of the kinds that disks, transfers and editors do."""
    changed = bytearray(data)
    for _ in range(random_.randint(1, 4)):
        place = random_.randrange(len(changed) or 1)
        match random_.randrange(6):
            case 0:
                changed[place : place + 1] = bytes([random_.randrange(256)])
            case 1:
                for at in random_.sample(range(len(changed)), min(20, len(changed))):
                    changed[at] ^= 1 << random_.randrange(8)
            case 2:
                del changed[place:]
            case 3:
                changed[place:place] = random_.randbytes(random_.randint(1, 64))
            case 4:  # the header is where sizes, offsets and counts stand
                at = random_.randrange(min(64, len(changed)) or 1)
                changed[at : at + 4] = random_.choice(
                    [b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\1\0\0\0"]
                )
            case _:
                del changed[place : place + random_.randint(1, 64)]
    return bytes(changed)


def test_a_thousand_damaged_files_give_a_picture_or_a_named_error() -> None:
    random_ = random.Random(20261121)
    specimens = _specimens()
    assert all(read_image(specimen).mode == "RGB" for specimen in specimens)
    start = time.perf_counter()
    opened = refused = 0
    for number in range(1000):
        specimen = specimens[number % len(specimens)]
        source = ImageSource(f"{number}-{specimen}", _mutated(specimen.data or b"", random_))
        try:
            header, picture = read_header(source), read_image(source)
            assert picture.mode == "RGB"
            assert picture.size == header.size_wh
            opened += 1
        except ImageError:
            refused += 1
    assert time.perf_counter() - start < 60
    assert min(opened, refused) > 100  # both ways were walked
