"""Deep and odd TIFF and PNG: what has a white opens by one rule, and what has none is refused with its true cause."""

from __future__ import annotations

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.images import read_header, read_image, read_picture
from kenpin.data.picture_files import PictureError
from kenpin.data.tiff import MOST_PAGES, read_directory
from kenpin.records import ImageSource
from tests.data.tiffs import ramp, tiff

GREY = ramp()
ORDERS = ("<", ">")


def grey_of(content: bytes) -> NDArray[np.uint8]:
    """The first channel as opened, (h, w)."""
    return np.asarray(read_image(ImageSource("a.tif", content)))[:, :, 0]


def by_full_range(values: NDArray[Any], white: int = 65_535) -> NDArray[np.uint8]:
    return np.rint(values.astype(np.float64) * 255 / white).astype(np.uint8)


@pytest.mark.parametrize("order", ORDERS)
def test_16_bits_are_scaled_by_their_full_range_whatever_the_byte_order(order: Literal["<", ">"]) -> None:
    for top in (4095, 65_535):
        values = ramp(top=top).astype(np.uint16)
        assert (grey_of(tiff(values, order=order)) == by_full_range(values)).all()


@pytest.mark.parametrize(("kind", "order"), [(np.uint8, "<"), (np.uint8, ">"), (np.uint16, "<")])
def test_where_0_is_white_the_picture_is_inverted(kind: type[np.generic], order: Literal["<", ">"]) -> None:
    top = np.iinfo(kind).max  # type: ignore[type-var]
    values = ramp(top=top).astype(kind)
    shown = grey_of(tiff(values, photometric=0, order=order))
    assert (shown == by_full_range(top - values, top)).all()
    assert shown[0, 0] == 255


def test_where_0_is_white_the_highest_value_is_of_what_is_shown() -> None:
    values = (65_535 - GREY).astype(np.uint16)
    assert read_picture(ImageSource("a.tif", tiff(values, photometric=0))).highest == 4095


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_adobe_deflate", "packbits", "zstd"])
def test_compression_changes_nothing(compression: str) -> None:
    values, memory = GREY.astype(np.uint16), BytesIO()
    Image.fromarray(values).save(memory, "TIFF", compression=compression)
    assert (grey_of(memory.getvalue()) == by_full_range(values)).all()


def test_planes_one_bit_and_four_inks_open() -> None:
    colours = np.stack([np.full((12, 16), value, np.uint8) for value in (200, 100, 50)], 2)
    opened = np.asarray(read_image(ImageSource("a.tif", tiff(colours, planar=True))))
    assert (opened == colours).all()
    memory = BytesIO()
    Image.fromarray(GREY > 2000).save(memory, "TIFF", compression="group4")
    assert set(np.unique(grey_of(memory.getvalue()))) == {0, 255}
    memory = BytesIO()
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(memory, "TIFF")
    assert grey_of(memory.getvalue())[0, 0] == 255


def test_16_bit_colour_keeps_its_upper_byte_and_tells_how_high_it_goes() -> None:
    values = np.stack([GREY * 16, GREY * 8, GREY * 4], 2).astype(np.uint16)
    picture = read_picture(ImageSource("a.tif", tiff(values)))
    assert (np.asarray(picture.rgb) == (values >> 8).astype(np.uint8)).all()
    assert picture.highest is not None
    assert picture.highest.bit_length() == 16
    low = read_picture(ImageSource("a.tif", tiff((values // 16).astype(np.uint16)))).highest
    assert low is not None
    assert low.bit_length() == 12


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (np.int8, "signed numbers of 8 bits"),
        (np.int16, "signed numbers of 16 bits"),
        (np.int32, "signed numbers of 32 bits"),
        (np.uint32, "unsigned numbers of 32 bits"),
        (np.uint64, "unsigned numbers of 64 bits"),
        (np.float16, "floating-point numbers of 16 bits"),
        (np.float32, "floating-point numbers of 32 bits"),
        (np.float64, "floating-point numbers of 64 bits"),
    ],
)
@pytest.mark.parametrize("order", ORDERS)
def test_what_has_no_white_is_refused_with_its_true_cause(
    kind: type[np.generic], words: str, order: Literal["<", ">"]
) -> None:
    with pytest.raises(PictureError) as refused:
        read_image(ImageSource("a.tif", tiff((GREY / 40).astype(kind), order=order)))
    assert refused.value.code == "image-undecodable"
    assert words in refused.value.what
    assert refused.value.what.endswith("which have no white")
    assert "kenpin convert DATA OUT --to FORMAT --range BLACK WHITE" in refused.value.remedy


def test_a_tiff_of_another_kind_says_of_which() -> None:
    with pytest.raises(PictureError, match="unsigned numbers of 16 bits, 0 is white"):
        read_image(ImageSource("a.tif", tiff(np.zeros((4, 4), np.uint16), photometric=0, order=">")))
    bands = np.zeros((4, 4, 7), np.uint16)
    with pytest.raises(PictureError, match="unsigned numbers of 16 bits, 7 for each pixel"):
        read_image(ImageSource("a.tif", tiff(bands)))


def test_pages_are_counted_and_the_first_is_read() -> None:
    pages = [np.full((12, 16), value, np.uint8) for value in (10, 200, 90)]
    picture = read_picture(ImageSource("a.tif", tiff(*pages)))
    assert (picture.pages, np.asarray(picture.rgb).max()) == (3, 10)
    assert read_picture(ImageSource("a.tif", tiff(pages[0]))).pages == 1
    memory = BytesIO()
    frames = [Image.fromarray(page) for page in pages]
    frames[0].save(memory, "GIF", save_all=True, append_images=frames[1:])
    assert read_picture(ImageSource("a.gif", memory.getvalue())).pages == 2


def test_smaller_copies_of_a_picture_are_no_pages(tmp_path: Path) -> None:
    memory, small = BytesIO(), Image.new("L", (8, 6))
    small.encoderinfo = {"tiffinfo": {254: 1}}
    Image.new("L", (16, 12), 9).save(memory, "TIFF", save_all=True, append_images=[small])
    assert read_picture(ImageSource("a.tif", memory.getvalue())).pages == 1


def test_a_chain_of_pages_that_goes_in_a_circle_or_astray_ends() -> None:
    content = bytearray(tiff(np.zeros((4, 4), np.uint8)))
    (count,) = np.frombuffer(content[8:10], "<u2")
    at = 10 + 12 * int(count)
    for following in (8, 2**32 - 1, len(content) - 1):
        content[at : at + 4] = following.to_bytes(4, "little")
        directory = read_directory(BytesIO(content))
        assert directory is not None
        assert directory.pages <= 2 < MOST_PAGES


def test_any_damaged_directory_is_a_named_error() -> None:
    content = tiff(GREY.astype(np.float64))
    rng = np.random.default_rng(0)
    for _ in range(300):
        damaged = bytearray(content[: rng.integers(8, len(content))])
        for at in rng.integers(0, min(len(damaged), 160), 4):
            damaged[at] = rng.integers(256)
        with suppress(PictureError):  # a picture, or the named error
            read_header(ImageSource("a.tif", bytes(damaged)))
