"""Maps on the page: kept as they were, one scale for all, bright where numbers are high, outlines around masks."""

from __future__ import annotations

import base64
import io
import math
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.loading import load_dataset
from kenpin.errors import RunError
from kenpin.evaluation.mistakes import worst_first
from kenpin.heat import WHOLE
from kenpin.predictor import load_predictor
from kenpin.records import Evaluation
from kenpin.report import read_content, render_report
from kenpin.report.heat import Heat, heat_of
from kenpin.run.maps import Maps, PictureMap, first_asked_for, highest_scored, read_maps, shrunk, write_maps
from kenpin.run.record import read_record
from kenpin.run.seal import check_seal
from kenpin.training import train
from tests.pictures import write_mvtec
from tests.test_report import Page, content, evaluation
from tests.toy_runs import trained

CUT = 10.0


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def _grid(seed: int, highest: float = 20.0) -> NDArray[np.float32]:
    numbers = np.random.default_rng(seed).uniform(0, 1, (5, 7))
    return np.asarray(numbers / numbers.max() * highest, np.float32)


def _maps(count: int = 4, **change: object) -> Maps:
    mask = np.zeros((48, 64), bool)
    mask[10:20, 5:30] = True
    by_id = {
        f"{i}.png": PictureMap(_grid(i), (0.25, 0, 0.75, 1) if i == 1 else WHOLE, (640, 480), "傷", mask if i else None)
        for i in range(count)
    }
    return replace(Maps(by_id, "D²/k", of_score=True, held_out=True, fails_from=CUT), **change)  # type: ignore[arg-type]


def test_maps_are_read_as_they_were_written(tmp_path: Path) -> None:
    kept = _maps()
    write_maps(tmp_path / "maps.npz", kept)
    found = read_maps(tmp_path / "maps.npz")
    assert found is not None
    assert (found.unit, found.of_score, found.held_out, found.fails_from) == ("D²/k", True, True, CUT)
    assert list(found.by_id) == list(kept.by_id)
    for id, one in kept.by_id.items():
        again = found.by_id[id]
        assert (again.region, again.size_wh, again.shows) == (one.region, one.size_wh, one.shows)
        assert (again.mask is None) is (one.mask is None)
        assert again.mask is None or one.mask is None or np.array_equal(again.mask, one.mask)
        wrong = np.abs(again.grid.astype(float) - one.grid).max()
        assert wrong <= (one.grid.max() - one.grid.min()) / 131_070 * 1.01
        assert again.grid.max() == one.grid.max(), "the part's score"
    assert read_maps(tmp_path / "none.npz") is None
    write_maps(tmp_path / "empty.npz", replace(kept, by_id={}))
    empty = read_maps(tmp_path / "empty.npz")
    assert empty is not None
    assert empty.by_id == {}
    (tmp_path / "maps.npz").write_bytes(b"PK damaged")
    with pytest.raises(RunError, match=r"maps\.npz: it holds no maps"):
        read_maps(tmp_path / "maps.npz")


@given(height=st.integers(1, 400), width=st.integers(1, 400), seed=st.integers(0, 99))
def test_no_defect_is_lost_from_a_mask_that_is_kept(height: int, width: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    mask = np.zeros((height, width), bool)
    y, x = int(draw.integers(height)), int(draw.integers(width))
    mask[y, x] = True
    kept = shrunk(mask)
    assert max(kept.shape) <= 128
    assert kept.sum() == 1
    row, column = (int(places[0]) for places in np.nonzero(kept))
    assert abs((row + 0.5) / kept.shape[0] - (y + 0.5) / height) <= 1 / kept.shape[0]
    assert abs((column + 0.5) / kept.shape[1] - (x + 0.5) / width) <= 1 / kept.shape[1]


def test_the_worst_mistakes_and_then_the_highest_scores_are_asked_for_first() -> None:
    judged = evaluation().judged
    mistakes = [one.id for _, one in worst_first(judged)]
    assert len(mistakes) > 3
    chosen = first_asked_for(judged, 3, 5)
    assert chosen[:3] == mistakes[:3]
    scores = {one.id: one.prediction.defect_score for one in judged}
    assert not set(chosen[3:]) & set(mistakes)
    left = [score for id, score in scores.items() if id not in {*chosen, *mistakes}]
    assert min(scores[id] or 0 for id in chosen[3:]) >= max(score or 0 for score in left)
    assert next(one.id for one in highest_scored(judged)) == max(scores, key=lambda id: scores[id] or 0)


@pytest.mark.parametrize(
    ("highest", "cut", "end", "brighter"),
    [
        (20.0, CUT, 20.0, False),
        (500.0, CUT, 40.0, True),
        (3.0, CUT, 10.0, False),
        (500.0, None, 500.0, False),
        (500.0, math.inf, 500.0, False),
    ],
)
def test_one_scale_for_all_on_which_the_threshold_is_to_be_seen(
    highest: float, cut: float | None, end: float, brighter: bool
) -> None:
    maps = _maps()
    maps = replace(maps, by_id={**maps.by_id, "2.png": replace(maps.by_id["2.png"], grid=_grid(2, highest))})
    if highest < 20:
        maps = replace(maps, by_id={"2.png": maps.by_id["2.png"]})
    maps = replace(maps, fails_from=cut)
    heat = heat_of(maps, maps.by_id)
    assert heat is not None
    assert heat.high == pytest.approx(end)
    assert heat.brighter is brighter
    assert ("FAIL from 10" in heat.bar()) is (cut == CUT)
    assert "D²/k" in heat.bar()
    assert heat_of(maps, ["none of them"]) is None
    assert heat_of(None, ["2.png"]) is None


def _drawn(heat: Heat, id: str) -> NDArray[np.int64]:
    """The coloured picture, (h, w, 4)."""
    svg = heat.over(id)
    assert svg is not None
    found = re.search(r'<image href="data:image/png;base64,([^"]+)"', svg)
    assert found is not None
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(found[1]))).convert("RGBA"), np.int64)


def test_colours_stand_where_the_numbers_do() -> None:
    maps = _maps()
    heat = heat_of(maps, maps.by_id)
    assert heat is not None
    picture = _drawn(heat, "0.png")
    assert picture.shape[:2] == (72, 96)
    y, x = np.unravel_index(picture[..., :3].sum(axis=2).argmax(), picture.shape[:2])
    assert int(y * 5 / 72) * 7 + int(x * 7 / 96) == maps.by_id["0.png"].grid.argmax()
    assert picture[y, x, 3] > picture[..., 3].min(), "high numbers cover more"
    aside = _drawn(heat, "1.png")
    assert (aside[:, :24, :3] == 254).all(), "pale where nobody looked"
    assert (aside[:, 24:72, :3] != 254).any(axis=2).all()


def test_equal_numbers_have_equal_colours_on_all_pictures() -> None:
    even = {f"{i}.png": PictureMap(np.full((2, 2), 5.0, np.float32), WHOLE, (10, 10), "x") for i in range(2)}
    loud = PictureMap(np.array([[5.0, 35.0]], np.float32), WHOLE, (10, 10), "x")
    heat = heat_of(Maps({**even, "loud": loud}, "D²/k", True, True, CUT), [*even, "loud"])
    assert heat is not None
    assert np.array_equal(_drawn(heat, "0.png")[0, 0], _drawn(heat, "1.png")[0, 0])
    assert np.array_equal(_drawn(heat, "0.png")[0, 0], _drawn(heat, "loud")[0, 0])


def test_what_is_no_score_is_compared_within_one_picture() -> None:
    quiet = PictureMap(np.array([[-3.0, 0.001]], np.float32), WHOLE, (20, 10), "speaks for 傷")
    nothing = PictureMap(np.array([[-3.0, -1.0]], np.float32), WHOLE, (20, 10), "speaks for 傷")
    maps = Maps({"0.png": quiet, "1.png": nothing}, "Grad-CAM", of_score=False, held_out=True, fails_from=None)
    heat = heat_of(maps, maps.by_id)
    assert heat is not None
    assert "FAIL" not in heat.bar()
    assert "% of each map" in heat.bar()
    assert _drawn(heat, "0.png")[:, -1, :3].max() > 200
    assert _drawn(heat, "1.png")[..., :3].max() < 30


def test_outlines_go_around_the_mask() -> None:
    heat = heat_of(_maps(), ["1.png"])
    assert heat is not None
    outline = heat.outline("1.png")
    assert outline is not None
    (path,) = re.findall(r'<path class="truth" d="([^"]+)"', outline)
    # rows 10 to 20 and columns 5 to 30 of 48 × 64, where the longer side has 320 units
    assert sorted(re.findall(r"M[^M]+", path)) == sorted(["M25.0 50.0h125.0", "M25.0 100.0h125.0",
                                                          "M25.0 50.0v50.0", "M150.0 50.0v50.0"])  # fmt: skip
    assert heat.outline("0.png") is None


def test_regions_are_outlined_where_a_map_reaches_the_threshold_and_the_card_says_how_large() -> None:
    grid = np.zeros((5, 7), np.float32)
    grid[2, 1:4] = 20.0
    judged = evaluation().judged
    chosen = first_asked_for(judged, 60, 3)
    maps = Maps({id: PictureMap(grid, WHOLE, (700, 500), "x") for id in chosen}, "D²/k", True, True, CUT)
    heat = heat_of(maps, chosen)
    assert heat is not None
    (region,) = heat.regions(chosen[0])
    assert (region.length_px, region.width_px, region.resolution_px) == (300, 100, 100)
    (path,) = re.findall(r'<path class="region" d="([^"]+)"', heat.over(chosen[0]) or "")
    numbers = [float(one) for one in re.findall(r"-?\d+\.\d", path)]
    assert max(numbers[0::2]) == pytest.approx(400 * 320 / 700, abs=0.1)
    text = render_report(content(maps=maps))
    assert "1 region, the largest " in text
    assert "300 × 100 px (cells of 100 px)" in text
    # without a threshold on their scale there are none
    without = heat_of(replace(maps, fails_from=None), chosen)
    assert without is not None
    assert without.regions(chosen[0]) == ()
    assert heat.regions("none of them") == ()


def test_the_page_shows_maps_beside_mistakes_and_high_scores() -> None:
    judged = evaluation().judged
    chosen = first_asked_for(judged, 60, 3)
    maps = Maps({id: PictureMap(_grid(0), WHOLE, (64, 48), "x") for id in chosen}, "D²/k", True, held_out=False)
    text = render_report(content(maps=maps))
    assert text.count("<image href=") == len(chosen)
    assert "Highest scores, and where they come from" in text
    assert text.count('class="bar"') == 1
    assert "The maps are by the finished inspector" in text
    assert all(link.startswith("data:image/") for link in Page(text).links)
    assert not re.search(r"url\(|<script", text)
    plain = render_report(content())
    assert "Highest scores, and" not in plain
    assert "<image" not in plain


@pytest.fixture(scope="module")
def mvtec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mvtec(tmp_path_factory.mktemp("mvtec"), tested=4)


def _scores(one: Evaluation) -> dict[str, float | None]:
    return {judged.id: judged.prediction.defect_score for judged in one.judged}


def test_a_run_of_places_keeps_its_maps_sealed_and_measures_them(mvtec: Path, tmp_path: Path) -> None:
    run = train("mahalanobis", data=str(mvtec), out=tmp_path / "run", base="toy", where="pooled")
    found = read_content(run)
    assert found.maps is not None
    assert found.maps.of_score
    assert found.maps.held_out
    assert set(found.maps.by_id) == set(_scores(found.leading)), "eight pictures, all asked for"
    for id, one in found.maps.by_id.items():
        assert one.grid.max() == pytest.approx(_scores(found.leading)[id], rel=1e-5)
        assert (one.mask is not None) is ("scratch" in id)
    assert (run / "maps.npz").stat().st_size < 20_000
    assert {"pixel_auroc", "aupro"} <= found.leading.measures.keys()
    page = (run / "report.html").read_text("utf-8")
    assert "White lines outline" in page
    assert page.count('class="truth"') == 2 * 4
    (run / "maps.npz").write_bytes(b"")
    with pytest.raises(RunError, match=r"maps\.npz: is not the file that was trained"):
        check_seal(run, read_record(run).files)
    assert load_predictor(run), "a run without its maps still inspects"


def test_the_mark_on_the_bar_is_where_calibrated_scores_begin_to_fail(parts: Path, tmp_path: Path) -> None:
    for method in ("none", "platt", "isotonic"):
        run = trained("mahalanobis", tmp_path / method, parts, where="pooled", calibrate=method)
        predictor, kept = load_predictor(run), read_content(run).maps
        assert predictor.threshold is not None
        assert kept is not None
        assert kept.fails_from is not None
        assert kept.fails_from == predictor.fails_on_map
        predictions = list(predictor.predict(load_dataset(parts)))
        by_score = [(one.defect_score or 0) >= predictor.threshold.fail_from for one in predictions]
        by_map = [(one.distance or 0) >= kept.fails_from for one in predictions]
        assert by_score == by_map
        assert {True, False} == set(by_score)


def test_without_pictures_held_out_the_page_says_whose_maps_they_are(parts: Path, tmp_path: Path) -> None:
    run = trained("mahalanobis", tmp_path / "run", parts, where="pooled")
    found = read_content(run)
    assert found.maps is not None
    assert not found.maps.held_out
    assert "fits without them" in render_report(found)


def test_a_classifier_keeps_few_maps_in_percent(parts: Path, tmp_path: Path) -> None:
    run = trained("classifier", tmp_path / "run", parts)
    found = read_content(run)
    assert found.maps is not None
    assert not found.maps.of_score
    assert 0 < len(found.maps.by_id) <= 24
    assert "speaks for" in next(iter(found.maps.by_id.values())).shows or "relevant" in render_report(found)


def test_a_map_that_fails_loses_no_training(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise RuntimeError("out of memory")

    monkeypatch.setattr("kenpin.models.looking.ways.look", full)
    run = trained("classifier", tmp_path / "run", parts)
    assert load_predictor(run)
    assert not (run / "maps.npz").exists()


def test_a_run_without_maps_keeps_none(parts: Path, tmp_path: Path) -> None:
    run = trained("mahalanobis", tmp_path / "run", parts, method="rt")
    assert not (run / "maps.npz").exists()
