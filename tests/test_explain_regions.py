"""`kenpin explain` outlines regions with their sizes, in mm where it is told how large a pixel is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kenpin.drawing import draw_maps
from kenpin.explain import explain, with_regions
from kenpin.models.looking.maps import map_of_cells
from kenpin.predictor import load_predictor
from kenpin.regions import regions_of_mask
from tests.commands import Run
from tests.pictures import write_parts
from tests.toy_runs import trained

BLUE = (0x56, 0xB4, 0xE9)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    few = write_parts(folder / "few", count=24)
    trained("mahalanobis", folder / "places", few, where="pooled")
    trained("classifier", folder / "head", few)
    return folder


def test_regions_are_listed_in_pixels_or_millimetres(kenpin: Run, run: Path, parts: Path) -> None:
    picture = parts / "scratch" / "003.png"
    status, out, _ = kenpin("explain", run / "places", picture, "--out", "a.png", "--region-from", "0.001")
    assert status == 0
    drawn, shares, *regions = out.splitlines()
    assert drawn.endswith("a.png\tdistance from good parts")
    assert [line.split("\t")[1] for line in (shares, *regions)] == ["items", "region"]
    assert "4096 px², 64 × 64 px (cells of 16 px) at 32, 32 px" in regions[0]
    scale = ("--px-per-mm", "10", "--px-per-mm", "20")
    status, out, _ = kenpin("explain", run / "places", picture, "--out", "b.png", "--region-from", "0.001", *scale)
    assert "20.5 mm², 6.4 × 3.2 mm (cells of 1.6 mm)" in out
    assert np.asarray(Image.open("a.png")).shape == np.asarray(Image.open("b.png")).shape


def test_by_default_regions_begin_where_parts_fail(run: Path, parts: Path) -> None:
    predictor = load_predictor(run / "places")
    cut = predictor.fails_on_map
    assert cut is not None
    for one in explain(predictor, [parts / "scratch" / "003.png", parts / "ok" / "000.png"]):
        found = with_regions(one, cut).regions
        assert bool(found) is ((one.maps[0].score or 0) >= cut)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--px-per-mm", "0"), "command line: `--px-per-mm` of 0.0 is no scale"),
        (("--px-per-mm", "nan"), "is no scale"),
        (("--px-per-mm", "1", "--px-per-mm", "1", "--px-per-mm", "1"), "is no scale"),
        (("--region-from", "inf"), "`--region-from` is not finite"),
    ],
)
def test_what_measures_nothing_is_refused(
    kenpin: Run, run: Path, parts: Path, options: tuple[str, ...], sentence: str
) -> None:
    status, out, err = kenpin("explain", run / "places", parts / "ok" / "000.png", "--out", "a.png", *options)
    assert (status, out) == (2, "")
    assert sentence in err
    assert not Path("a.png").exists()


def test_a_scale_without_a_cut_is_refused_with_its_remedy(kenpin: Run, run: Path, parts: Path) -> None:
    picture = parts / "scratch" / "003.png"
    status, _, err = kenpin("explain", run / "head", picture, "--out", "a.png", "--px-per-mm", "10")
    assert status == 2
    assert "give `--region-from`" in err
    assert kenpin("explain", run / "head", picture, "--out", "a.png", "--px-per-mm", "10", "--region-from", "1")[0] == 0


def test_outlines_are_drawn_where_regions_lie() -> None:
    grey = Image.new("RGB", (400, 400), (128, 128, 128))
    mask = np.zeros((400, 400), bool)
    mask[100:200, 50:300] = True
    drawn = np.asarray(draw_maps(grey, [], regions=regions_of_mask(mask)), np.int64)
    rows, columns = np.nonzero((drawn == BLUE).all(axis=2))
    plain = np.asarray(draw_maps(grey, []), np.int64)
    background = (plain == 128).all(axis=2)
    top, left = (int(np.argmax(background.sum(axis=axis) >= 400)) for axis in (1, 0))
    assert columns.min() - left == pytest.approx(50, abs=3)
    assert columns.max() - left == pytest.approx(300, abs=3)
    assert rows.min() - top == pytest.approx(100, abs=3)
    assert rows.max() - top == pytest.approx(200, abs=3)


def test_a_panel_without_regions_stays_as_it_was() -> None:
    grey = Image.new("RGB", (64, 48), (128, 128, 128))
    map_ = map_of_cells(np.eye(3), (64, 48), "what", "unit")
    assert draw_maps(grey, [map_]).tobytes() == draw_maps(grey, [map_], regions=()).tobytes()
