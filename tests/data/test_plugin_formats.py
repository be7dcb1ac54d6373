"""HEIC, JPEG XL and raw files: opened by an extra's package where it is installed, named with the extra where not."""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data.images import FORMATS, displayed_size, read_picture
from kenpin.data.picture_files import PictureError
from kenpin.data.plugin_formats import jxl_size, plugin_format
from kenpin.data.reading.pictures import is_picture
from kenpin.records import ImageSource
from tests.commands import Run
from tests.data.tiffs import tiff
from tests.pictures import write_parts
from tests.toy_runs import ToyRun

HEIC = struct.pack(">I4s4sI8s", 24, b"ftyp", b"heic", 0, b"mif1heic")
AVIF = struct.pack(">I4s4sI8s", 24, b"ftyp", b"mif1", 0, b"mif1avif")
CR3 = struct.pack(">I4s4sI8s", 24, b"ftyp", b"crx ", 1, b"crx isom")
JXL = b"\xff\x0a" + bytes([0b0100_0111, 0, 0, 0])
CR2 = b"II*\0\x10\0\0\0CR\x02\0" + bytes(40)
SMALL = np.zeros((4, 6), np.uint8)
DNG = tiff(SMALL, tags=[(50706, 0x0401)])
NEF = tiff(SMALL, tags=[(254, 1), (330, 4000)])
PACKAGES = {"HEIF": ("pillow_heif", "heic"), "JXL": ("pillow_jxl", "jxl"), "RAW": ("rawpy", "raw")}


def needs(format: str) -> pytest.MarkDecorator:
    """Skips where the package of a format is not installed."""
    package, extra = PACKAGES[format]
    return pytest.mark.skipif(
        find_spec(package) is None, reason=f'{package} is not installed: pip install "kenpin[{extra}]"'
    )


@pytest.mark.parametrize(
    ("content", "ending", "format"),
    [
        (HEIC, ".heic", "HEIF"),
        (HEIC, ".jpg", "HEIF"),
        (HEIC, "", "HEIF"),
        (AVIF, ".avif", None),
        (JXL, ".jxl", "JXL"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", ".jxl", "JXL"),
        (CR2, "", "RAW"),
        (CR3, ".cr3", "RAW"),
        (DNG, "", "RAW"),
        (NEF, ".tif", "RAW"),
        (tiff(SMALL), ".nef", "RAW"),
        (tiff(SMALL), ".tif", None),
        (b"FUJIFILMCCD-RAW 0201", ".raf", "RAW"),
        (b"\x89PNG\r\n\x1a\n", ".heic", None),
    ],
)
def test_a_format_is_known_by_its_content(content: bytes, ending: str, format: str | None) -> None:
    file = BytesIO(content)
    assert (plugin_format(file, ending), file.tell()) == (format, 0)


@pytest.mark.parametrize(
    ("format", "content"), [("HEIF", HEIC), ("JXL", JXL), ("RAW", DNG), ("RAW", NEF), ("RAW", CR2)]
)
def test_without_its_package_a_picture_is_named_with_the_extra(
    format: str, content: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    package, extra = PACKAGES[format]
    monkeypatch.setitem(sys.modules, package, None)
    if package == "pillow_jxl":
        monkeypatch.setitem(sys.modules, "pillow_jxl.JpegXLImagePlugin", None)
    with pytest.raises(PictureError) as refused:
        read_picture(ImageSource("a.x", content))
    assert refused.value.code == "image-needs-extra"
    assert f'pip install "kenpin[{extra}]"' in refused.value.remedy


def test_they_are_pictures_by_their_ending_in_every_command(
    kenpin: Run, toy_run: ToyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy_run("mahalanobis", tmp_path / "RUN")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    write_parts(Path("parts"), count=24)
    Path("policy.yaml").write_text(f"runs: {{a: {run}}}\n", "utf-8")
    Path("parts/ok/IMG_1.HEIC").write_bytes(HEIC)
    wanted = "IMG_1.HEIC: it is a HEIC picture, and what opens such files is not installed. Install it with pip"
    status, told, _ = kenpin("doctor", "parts")
    assert status == 1
    assert "image-needs-extra" in told
    for words in (
        ("train", "mahalanobis", "--data", "parts", "--out", "OTHER", "--base", "toy", "--no-report"),
        ("predict", str(run), "parts/ok/IMG_1.HEIC"),
        ("predict", str(run), "parts"),
        ("inspect", "policy.yaml", "parts/ok/IMG_1.HEIC", "--out", "line"),
    ):
        status, said, told = kenpin(*words)
        assert status != 0
        assert wanted in " ".join((said + told).split())


def test_nothing_is_imported_for_other_pictures() -> None:
    before = {name for name, _ in PACKAGES.values() if name in sys.modules}
    memory = BytesIO()
    Image.new("RGB", (4, 4)).save(memory, "AVIF")
    read_picture(ImageSource("a.avif", memory.getvalue()))
    assert before == {name for name, _ in PACKAGES.values() if name in sys.modules}


@pytest.mark.parametrize("ending", [".heic", ".HEIF", ".jxl", ".dng", ".CR2", ".nef", ".arw"])
def test_their_endings_are_endings_of_pictures(ending: str) -> None:
    assert is_picture(f"a{ending}")
    assert ending.lower() in {one for endings in FORMATS.values() for one in endings}


def _halves() -> Image.Image:
    """48 × 32: red at the left, blue at the right."""
    picture = Image.new("RGB", (48, 32), "red")
    picture.paste("blue", (24, 0, 48, 32))
    return picture


def _heic() -> bytes:
    from pillow_heif import register_heif_opener

    register_heif_opener()  # the only public way to write one
    memory = BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = _halves().transpose(Image.Transpose.ROTATE_90)
    stored.save(memory, "HEIF", quality=95, exif=exif.tobytes())
    return memory.getvalue()


def _jxl() -> bytes:
    import pillow_jxl  # noqa: F401

    memory = BytesIO()
    _halves().save(memory, "JXL", lossless=True)
    return memory.getvalue()


def _dng() -> bytes:
    """Raw data of 64 × 48 pixels behind a colour filter: red at the left, blue at the right."""
    values = np.zeros((48, 64), np.uint16)
    values[::2, :32:2] = 8000
    values[1::2, 33::2] = 8000
    matrix = struct.pack("<18i", *(x for row in ((1, 0, 0), (0, 1, 0), (0, 0, 1)) for one in row for x in (one, 1)))
    return tiff(values, photometric=32803, tags=[(50706, 0x0401)], raw_tags=[
        (33421, 3, struct.pack("<2H", 2, 2)), (33422, 1, bytes((0, 1, 1, 2))), (50721, 10, matrix),
        (271, 2, b"Made\0"), (272, 2, b"Camera\0"), (50708, 2, b"Made Camera\0"), (50717, 4, struct.pack("<I", 16383)),
    ])  # fmt: skip


@pytest.mark.parametrize(
    ("format", "made"),
    [
        pytest.param("HEIF", _heic, marks=needs("HEIF")),
        pytest.param("JXL", _jxl, marks=needs("JXL")),
        pytest.param("RAW", _dng, marks=needs("RAW")),
    ],
)
def test_with_its_package_a_picture_opens_upright(format: str, made: Callable[[], bytes]) -> None:
    source = ImageSource("a.picture", made())
    picture = read_picture(source)
    assert (picture.header.format, picture.header.orientation, picture.rgb.mode) == (format, 1, "RGB")
    assert displayed_size(source) == picture.rgb.size == picture.header.size_wh
    width, height = picture.rgb.size
    left = picture.rgb.getpixel((width // 4, height // 2))
    right = picture.rgb.getpixel((3 * width // 4, height // 2))
    assert isinstance(left, tuple)
    assert isinstance(right, tuple)
    assert left[0] > 80 + left[2]
    assert right[2] > 80 + right[0]
    with pytest.raises(PictureError, match="more than the 100 that are opened"):
        read_picture(source, max_pixels=100)
    with pytest.raises(PictureError):
        read_picture(ImageSource("a.picture", (source.data or b"")[: len(source.data or b"") // 2]))


@needs("JXL")
@pytest.mark.parametrize("size_wh", [(48, 32), (8, 8), (1, 1), (700, 9), (513, 8192), (160, 90)])
def test_the_size_of_a_jxl_is_known_before_it_is_decoded(size_wh: tuple[int, int]) -> None:
    import pillow_jxl  # noqa: F401

    for options in ({}, {"use_container": True}):
        memory = BytesIO()
        Image.new("L", size_wh).save(memory, "JXL", effort=1, **options)
        assert jxl_size(BytesIO(memory.getvalue())) == size_wh


def test_a_header_that_states_too_many_pixels_is_refused_before_a_package_decodes() -> None:
    bits, content = 0, 0
    for value, count in ((0, 1), (3, 2), (2**30 - 1, 30), (1, 3)):  # not small; 30 bits; as wide as high
        content |= value << bits
        bits += count
    assert jxl_size(BytesIO(b"\xff\x0a" + content.to_bytes(8, "little"))) == (2**30, 2**30)
