"""Pictures that are written unpacked are PNG files like any other, and read at once as Pillow reads them."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from kenpin.data.images import read_image
from kenpin.data.plain_png import LARGEST_BYTES, fits, plain_pngs, read_plain
from kenpin.records import ImageSource

Change = Callable[[bytes], bytes]


def _pictures(height: int, width: int, count: int = 5) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(height).integers(0, 256, (count, height, width), dtype=np.uint8)


@pytest.mark.parametrize(("height", "width"), [(28, 28), (1, 1), (3, 7), (255, 256), (1, LARGEST_BYTES - 1)])
def test_pillow_reads_what_was_written_and_so_does_the_reader(height: int, width: int) -> None:
    pixels = _pictures(height, width)
    files = list(plain_pngs(pixels))
    for file, grey in zip(files, pixels, strict=True):
        Image.open(io.BytesIO(file)).verify()  # its check sums
        rgb = np.asarray(read_image(ImageSource("a.png", file)))
        assert (rgb == grey[:, :, None]).all()
    found = read_plain(files)
    assert found is not None
    assert (found == pixels).all()


def test_only_what_one_block_holds_fits() -> None:
    assert fits(255, 256)
    assert not fits(256, 256)
    assert not fits(0, 5)


def _pillow_png(_: bytes) -> bytes:
    file = io.BytesIO()
    Image.fromarray(_pictures(28, 28)[0]).save(file, "PNG")
    return file.getvalue()


def _turned(place: int) -> Change:
    return lambda file: file[:place] + bytes([file[place] ^ 1]) + file[place + 1 :]


def _filtered(file: bytes) -> bytes:
    """With sound check sums, and a line that is stored as differences."""
    unpacked = bytearray(file[48 : 48 + 28 * 29])
    unpacked[29] = 1
    content = b"IDAT" + file[41:48] + bytes(unpacked) + zlib.adler32(unpacked).to_bytes(4, "big")
    return file[:37] + content + zlib.crc32(content).to_bytes(4, "big") + file[-12:]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(_pillow_png, id="packed"),
        pytest.param(lambda file: file[:-1], id="cut off"),
        pytest.param(lambda file: b"", id="empty"),
        pytest.param(_turned(0), id="no PNG"),
        pytest.param(_turned(25), id="another kind of pixels"),
        pytest.param(_turned(300), id="a bit of a pixel turned"),
        pytest.param(_turned(48 + 28 * 29), id="a bit of the check sum turned"),
        pytest.param(_filtered, id="lines filtered"),
        pytest.param(lambda file: next(plain_pngs(_pictures(7, 3))), id="another size"),
    ],
)
def test_any_other_file_is_left_to_pillow(change: Change) -> None:
    files = list(plain_pngs(_pictures(28, 28)))
    assert read_plain(files) is not None
    for place in (0, 3):
        assert read_plain([*files[:place], change(files[place]), *files[place + 1 :]]) is None


def test_no_file_and_no_bytes_are_left_too() -> None:
    assert read_plain([]) is None
    assert read_plain([None]) is None
    assert read_plain([*plain_pngs(_pictures(4, 4)), None]) is None
