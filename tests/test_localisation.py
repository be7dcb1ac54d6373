"""Pixel AUROC and AUPRO against derivations by hand, and as `kenpin evaluate` shows them."""

from __future__ import annotations

import tracemalloc
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage
from sklearn.metrics import precision_recall_curve, roc_auc_score

from kenpin.data.loading import load_dataset
from kenpin.errors import DatasetError, ShapeError
from kenpin.evaluation import evaluate
from kenpin.metrics.intervals import picture_intervals
from kenpin.metrics.localisation import FPR_LIMIT, Localisation
from kenpin.predictor import load_predictor
from kenpin.training import train
from tests.pictures import write_mvtec

Pictures = list[tuple[NDArray[np.float32], NDArray[np.bool_]]]


def _pictures(seed: int, *, whole: bool) -> Pictures:
    """Maps and masks of several regions, one of which touches another by a corner."""
    rng = np.random.default_rng(seed)
    pictures: Pictures = []
    for number in range(4):
        mask = np.zeros((20, 30), bool)
        if number:
            mask[2:6, 3 : 6 + number] = True
            mask[6:8, 6 + number : 9 + number] = True
            mask[15:18, 20:28] = True
        values = rng.normal(0, 30, mask.shape) + 40 * mask
        pictures.append((np.round(values).astype(np.float32) if whole else values.astype(np.float32), mask))
    return pictures


def _seen(pictures: Pictures) -> Localisation:
    seen = Localisation()
    for values, mask in pictures:
        seen.add(values, mask)
    return seen


def _shares(values: NDArray[np.float32], thresholds: NDArray[np.float32]) -> NDArray[np.float64]:
    """For each threshold the share of the values that reach it."""
    return 1 - np.searchsorted(np.sort(values), thresholds) / len(values)


def _aupro(pictures: Pictures) -> float:
    """By its definition: every threshold, every region, one after the other."""
    good = np.concatenate([values[~mask] for values, mask in pictures])
    regions = []
    for values, mask in pictures:
        numbered, count = ndimage.label(mask, np.ones((3, 3)))
        regions += [values[numbered == number] for number in range(1, count + 1)]
    thresholds = np.unique(np.concatenate([values.ravel() for values, _ in pictures]))[::-1]
    overlaps = np.mean([_shares(region, thresholds) for region in regions], axis=0)
    points = [(0.0, 0.0), *zip(_shares(good, thresholds).tolist(), overlaps.tolist(), strict=True)]
    area = 0.0
    for (x1, y1), (x2, y2) in pairwise(points):
        if x1 >= FPR_LIMIT:
            break
        if x2 > FPR_LIMIT:
            x2, y2 = FPR_LIMIT, y1 + (y2 - y1) * (FPR_LIMIT - x1) / (x2 - x1)
        area += (x2 - x1) * (y1 + y2) / 2
    return area / FPR_LIMIT


@pytest.mark.parametrize("seed", range(4))
def test_whole_numbers_are_counted_exactly(seed: int) -> None:
    pictures = _pictures(seed, whole=True)
    seen = _seen(pictures)
    truth, scores = (np.concatenate([one[i].ravel() for one in pictures]) for i in (1, 0))
    assert seen.pixel_auroc == pytest.approx(roc_auc_score(truth, scores), abs=1e-12)
    assert seen.aupro == pytest.approx(_aupro(pictures), abs=1e-12)
    precision, recall, _ = precision_recall_curve(truth, scores)
    assert seen.best_f1 == pytest.approx(max(2 * precision * recall / (precision + recall)), abs=1e-12)


def test_the_error_of_levels_is_bounded_and_small() -> None:
    pictures = _pictures(7, whole=False)
    seen = _seen(pictures)
    truth, scores = (np.concatenate([one[i].ravel() for one in pictures]) for i in (1, 0))
    assert seen.pixel_auroc is not None
    assert seen.auroc_error is not None
    assert abs(seen.pixel_auroc - roc_auc_score(truth, scores)) <= seen.auroc_error < 1e-4
    assert seen.aupro == pytest.approx(_aupro(pictures), abs=1e-4)


def test_a_perfect_map_and_one_that_says_nothing() -> None:
    masks = [mask for _, mask in _pictures(0, whole=True)]
    perfect = _seen([(mask.astype(np.float32), mask) for mask in masks])
    even = _seen([(np.zeros(mask.shape, np.float32), mask) for mask in masks])
    assert [perfect.pixel_auroc, perfect.aupro] == pytest.approx([1, 1])
    assert [even.pixel_auroc, even.aupro] == pytest.approx([0.5, FPR_LIMIT / 2])  # the diagonal


def test_what_was_not_looked_at_is_never_found() -> None:
    mask = np.zeros((4, 4), bool)
    mask[:2] = True
    values = np.full((4, 4), -5, np.float32)
    values[0] = np.nan
    values[1] = 3
    seen = _seen([(values, mask)])
    assert seen.pixel_auroc == 0.5  # half of the defect above all good pixels, half below
    assert seen.aupro == pytest.approx(0.5)


def test_the_order_of_numbers_is_kept_through_zero() -> None:
    numbers = np.array([[-2.5, -1e-3, -0.0, 0.0, 1e-3, 7.0]], np.float32)
    for cut in range(1, 6):
        seen = _seen([(numbers, np.arange(6)[None] >= cut)])
        assert seen.pixel_auroc == (1.0 if cut != 3 else pytest.approx(1 - 0.5 / 9))  # −0 and 0 are equal


def test_memory_grows_by_some_kilobytes_a_picture() -> None:
    draw = np.random.default_rng(0)
    mask = np.zeros((512, 512), bool)
    mask[:40, :40] = True
    seen = Localisation()
    tracemalloc.start()
    try:
        for number in range(12):
            seen.add(draw.chisquare(3, mask.shape) + mask, mask if number % 2 else None)
            if number == 1:
                before, _ = tracemalloc.get_traced_memory()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert (after - before) / 10 < 40_000, "a picture of 262,144 pixels"


def _made(count: int, seed: int = 3) -> Pictures:
    """Pictures whose maps find some defects and not others, every third one without any."""
    draw = np.random.default_rng(seed)
    made: Pictures = []
    for number in range(count):
        mask = np.zeros((16, 20), bool)
        if number % 3:
            y, x = draw.integers(0, (12, 15))
            mask[y : y + 4, x : x + 5] = True
        values = draw.chisquare(3, mask.shape) + mask * draw.uniform(0, 4)
        made.append((values.round(1).astype(np.float32), mask))  # few thresholds, for the direct computation
    return made


def test_intervals_are_those_of_a_direct_resampling_of_pictures() -> None:
    pictures = _made(18)
    draw = np.random.default_rng(11)
    kinds = [[p for p in pictures if p[1].any() == masked] for masked in (True, False)]
    found = []
    for _ in range(300):
        drawn = [kind[i] for kind in kinds for i in draw.integers(0, len(kind), len(kind))]
        truth, scores = (np.concatenate([one[i].ravel() for one in drawn]) for i in (1, 0))
        found.append((roc_auc_score(truth, scores), _aupro(drawn)))
    seen = _seen(pictures)
    for interval, direct, value in zip(
        seen.intervals(), np.array(found).T, (seen.pixel_auroc, seen.aupro), strict=True
    ):
        assert interval is not None
        assert value is not None
        low, high = np.quantile(direct, [0.025, 0.975])
        assert interval == pytest.approx((low, high), abs=0.15 * (high - low))
        assert interval[0] < value < interval[1]


def test_pictures_of_each_kind_are_drawn_in_their_own_number() -> None:
    drawn: list[NDArray[np.int64]] = []

    def first(times: NDArray[np.int64]) -> NDArray[np.float64]:
        drawn.append(times)
        return times[:, :1].astype(np.float64)

    picture_intervals(first, 10, cells_each=1, kinds=[True] * 3 + [False] * 7, resamples=50)
    times = np.concatenate(drawn)
    assert times.shape == (50, 10)
    assert (times[:, :3].sum(axis=1) == 3).all()
    assert (times[:, 3:].sum(axis=1) == 7).all()


def test_intervals_are_over_pictures_and_not_over_pixels() -> None:
    """Every picture twice as large says no more about other pictures."""
    pictures = _made(18)
    larger = [(values.repeat(2, 0).repeat(2, 1), mask.repeat(2, 0).repeat(2, 1)) for values, mask in pictures]
    for one, other in zip(_seen(pictures).intervals(), _seen(larger).intervals(), strict=True):
        assert one == pytest.approx(other, abs=1e-3)
    for few, many in zip(_seen(pictures).intervals(), _seen(pictures * 4).intervals(), strict=True):
        assert few is not None
        assert many is not None
        assert (few[1] - few[0]) / (many[1] - many[0]) == pytest.approx(2, rel=0.15)


def test_without_chance_or_measure_there_is_no_interval() -> None:
    seen = Localisation()
    assert seen.intervals() == (None, None)
    seen.add(np.ones((3, 3)), None)
    assert seen.intervals() == (None, None)
    mask = np.eye(3, dtype=bool)
    seen.add(mask.astype(np.float32), mask)
    assert seen.intervals()[1] is None, "each resample finds the one region"


def test_without_both_kinds_of_pixel_there_is_no_measure() -> None:
    seen = Localisation()
    seen.add(np.ones((3, 3)), None)
    assert (seen.pixel_auroc, seen.aupro, seen.auroc_error) == (None, None, None)
    with pytest.raises(ShapeError, match=r"a map of \(3, 3\) for a mask of \(2, 3\)"):
        seen.add(np.ones((3, 3)), np.ones((2, 3)))


@pytest.fixture(scope="module")
def mvtec(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mvtec(tmp_path_factory.mktemp("mvtec"), tested=6)


@pytest.fixture(scope="module")
def run(mvtec: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "space"
    return train("mahalanobis", data=str(mvtec), out=out, base="toy", where="pooled", report=False)


def test_maps_are_measured_where_there_are_masks(mvtec: Path, run: Path, tmp_path: Path) -> None:
    predictor, data = load_predictor(run), load_dataset(mvtec)
    evaluation = evaluate(predictor, data, ok_labels=("good",), threshold=None, split="test")
    pixel_auroc, aupro = (evaluation.measures[name].value for name in ("pixel_auroc", "aupro"))
    assert pixel_auroc is not None
    assert aupro is not None
    assert pixel_auroc > 0.9
    assert aupro > 0.7
    test = data.of_split("test")
    maps = [found.values for _, found in predictor.localise(test)]
    by_hand = _seen([(v, _mask(e.mask, v.shape)) for v, e in zip(maps, test, strict=True)])
    assert (pixel_auroc, aupro) == (by_hand.pixel_auroc, by_hand.aupro)
    of_auroc = evaluation.measures["pixel_auroc"]
    assert (of_auroc.low, of_auroc.high) == by_hand.intervals()[0]
    assert any("6 pictures with masked defects" in note for note in evaluation.notes)


def _mask(path: str | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    return np.zeros(shape, bool) if path is None else np.asarray(Image.open(path)) > 0


def test_a_mask_of_another_size_is_named(mvtec: Path, run: Path) -> None:
    data = load_dataset(mvtec)
    wrong = Path(next(example.mask for example in data if example.mask is not None))
    right = wrong.read_bytes()
    try:
        Image.new("L", (10, 12), 255).save(wrong)
        with pytest.raises(DatasetError, match=r"mask has 10 × 12 pixels, its picture 64 × 64"):
            evaluate(load_predictor(run), data, ok_labels=("good",), threshold=None, split="test")
    finally:
        wrong.write_bytes(right)


def test_a_defect_without_a_mask_is_left_out_and_told(mvtec: Path, run: Path) -> None:
    absent = next((mvtec / "ground_truth" / "scratch").iterdir())
    kept = absent.read_bytes()
    try:
        absent.unlink()
        evaluation = evaluate(
            load_predictor(run), load_dataset(mvtec), ok_labels=("good",), threshold=None, split="test"
        )
    finally:
        absent.write_bytes(kept)
    assert "1 defective picture without a mask was left out of the pixel measures." in evaluation.notes


def test_without_masks_or_maps_nothing_is_said_of_pixels(mvtec: Path, run: Path, tmp_path: Path, parts: Path) -> None:
    plain = evaluate(load_predictor(run), load_dataset(parts), ok_labels=("ok",), threshold=None, split=None)
    assert "aupro" not in plain.measures
    whole = train("mahalanobis", data=str(mvtec), out=tmp_path / "whole", base="toy", report=False)
    found = evaluate(load_predictor(whole), load_dataset(mvtec), ok_labels=("good",), threshold=None, split="test")
    assert "aupro" not in found.measures
