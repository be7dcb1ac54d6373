"""Deep grey pictures get the black and white that are named, and the doctor tells which need it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.data.doctor import examine
from kenpin.data.files import picture_files
from kenpin.data.images import read_image
from kenpin.errors import DatasetError
from kenpin.records import ImageSource, Severity
from tests.commands import Run
from tests.data.tiffs import ramp, tiff

GREY = ramp(48, 64)


@pytest.fixture
def ok(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty class folder of the data set `set`."""
    monkeypatch.chdir(tmp_path)
    folder = Path("set/ok")
    folder.mkdir(parents=True)
    return folder


def opened(path: str) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.asarray(read_image(ImageSource(path)))[:, :, 0]


def test_12_bits_in_16_are_found_and_mended_by_the_command_that_is_named(kenpin: Run, ok: Path) -> None:
    for number in range(4):
        (ok / f"{number}.tif").write_bytes(tiff((GREY * (1 - number / 10)).astype(np.uint16)))
    finding = next(one for one in examine("set").findings if one.code == "image-low-bits")
    assert "no 16-bit picture uses more than the lowest 12 bits" in finding.what
    assert finding.pictures == tuple(f"ok/{number}.tif" for number in range(4))
    command = finding.remedy.split("`")[1].replace("FORMAT", "folders").split()[1:]
    assert command == ["convert", "set", "OUT", "--to", "folders", "--range", "0", "4095"]
    assert kenpin(*command)[0] == 0
    for number in range(4):
        wanted = (GREY * (1 - number / 10)).astype(np.uint16).astype(float) * 255 / 4095
        assert np.abs(opened(f"OUT/ok/{number}.tif") - wanted).max() <= 1
    assert "image-low-bits" not in {one.code for one in examine("OUT").findings}


def test_one_bright_picture_does_not_hide_the_black_ones(kenpin: Run, ok: Path) -> None:
    (ok / "bright.tif").write_bytes(tiff((GREY * 16).astype(np.uint16), order=">"))
    (ok / "black.tif").write_bytes(tiff(GREY.astype(np.uint16)))
    (ok / "colour.tif").write_bytes(tiff(np.stack([GREY] * 3, 2).astype(np.uint16)))
    Image.fromarray((GREY / 4).astype(np.uint16)).save(ok / "ten.png")
    finding = next(one for one in examine("set").findings if one.code == "image-low-bits")
    assert finding.what.startswith("3 of 4 16-bit pictures use no more than the lowest 12 bits and look nearly black: ")
    assert finding.pictures == ("ok/black.tif", "ok/colour.tif", "ok/ten.png")
    status, _, told = kenpin("convert", "set", "OUT", "--to", "folders", "--range", "0", "4095")
    assert (status, told) == (0, "kenpin: kept as they are, for they use more than the range: ok/bright.tif.\n")
    assert opened("OUT/ok/black.tif").max() == opened("OUT/ok/bright.tif").max() == 255
    assert Path("OUT/ok/bright.tif").read_bytes() == (ok / "bright.tif").read_bytes()


@pytest.mark.parametrize(
    ("kind", "black", "white"),
    [(np.int16, -2048, 2047), (np.uint32, -2048, 2047), (np.float32, 0, 1), (np.float64, 0, 1), (np.float16, 0, 1)],
)
def test_what_has_no_white_gets_one(kenpin: Run, ok: Path, kind: type[np.generic], black: int, white: int) -> None:
    if kind is np.uint32:
        black, white = 0, 4_095_000
    values = (black + GREY / 4095 * (white - black)).astype(kind)
    (ok / "a.tif").write_bytes(tiff(values))
    assert kenpin("convert", "set", "OUT", "--to", "folders", "--range", str(black), str(white))[0] == 0
    shown = opened("OUT/ok/a.tif")
    assert np.abs(shown - GREY * 255 / 4095).max() <= 1
    assert (shown.min(), shown.max()) == (0, 255)
    status, _, told = kenpin("convert", "set", "x", "--to", "folders", "--range", str(black), str(white / 2))
    assert status == 2
    assert "ok/a.tif: its values run from" in told
    assert not Path("x").exists()


def test_a_range_that_is_none_or_for_nothing_is_refused(kenpin: Run, ok: Path) -> None:
    Image.fromarray((GREY / 16).astype(np.uint8)).save(ok / "a.png")
    convert = ("convert", "set", "OUT", "--to", "folders", "--range")
    assert "give the value of black, then a larger one" in kenpin(*convert, "5", "5")[2]
    assert "no deep grey picture was written" in kenpin(*convert, "0", "1")[2]
    assert not Path("OUT").exists()


def test_numbers_that_are_none_are_refused(kenpin: Run, ok: Path) -> None:
    values = GREY.astype(np.float32)
    values[3, 4] = np.nan
    (ok / "a.tif").write_bytes(tiff(values))
    assert "its values run from nan" in kenpin("convert", "set", "x", "--to", "folders", "--range", "0", "4095")[2]


def test_files_of_several_pages_are_named(ok: Path) -> None:
    page = (GREY / 16).astype(np.uint8)
    (ok / "one.tif").write_bytes(tiff(page))
    (ok / "three.tif").write_bytes(tiff(page, page, page))
    found = [one for one in examine("set").findings if one.code == "image-pages"]
    assert [(one.severity, one.pictures) for one in found] == [(Severity.WARNING, ("ok/three.tif",))]
    assert "the most of them 3, of which only the first is read: ok/three.tif" in found[0].what


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("a.psd", "a Photoshop file"),
        ("a.SVG", "without pixels"),
        ("a.eps", "without pixels"),
        ("a.raw", "bare numbers"),
        ("a.dcm", "a DICOM file"),
        ("a.exr", "OpenEXR"),
        ("a.hdr", "Radiance"),
        ("a.fits", "a FITS file"),
        ("a.pdf", "a PDF"),
        ("a.tga", "a picture of a kind (.tga)"),
        ("a.mp4", "a video"),
        ("a.zip", "an archive"),
    ],
)
def test_what_is_never_opened_is_named_by_the_doctor_and_where_pictures_are_judged(
    ok: Path, name: str, words: str
) -> None:
    Image.fromarray((GREY / 16).astype(np.uint8)).save(ok / "a.png")
    (ok / name).write_bytes(bytes(300))
    told = [one for one in examine("set").findings if one.code == "picture-not-opened"]
    assert len(told) == 1
    assert words in told[0].what
    assert str(ok / name) in told[0].what
    assert told[0].remedy
    files = list(picture_files(["set"]))
    assert [Path(file).name for file in files] == ["a.png", name]
    with pytest.raises(DatasetError, match=r"which is not opened as a picture") as refused:
        read_image(ImageSource(files[1]))
    assert words in str(refused.value)


def test_a_picture_with_a_wrong_ending_or_none_is_opened_by_its_content(ok: Path) -> None:
    Image.fromarray((GREY / 16).astype(np.uint8)).save(ok / "a.png")
    for name in ("photo", "a.psd", "a.heic", "a.nef"):
        (ok / name).write_bytes((ok / "a.png").read_bytes())
        assert [opened(file).max() for file in picture_files([ok / name])] == [255]
