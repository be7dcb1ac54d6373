"""Calibrated scores say how often detections are right, and rank them as before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.isotonic import IsotonicRegression

from kenpin.errors import ShapeError
from kenpin.metrics.calibration import calibration_error
from kenpin.quality.calibration import (
    FEWEST,
    Calibration,
    IsotonicCurve,
    LogisticCurve,
    Method,
    fit_calibration,
    unit_of_distance,
)

METHODS: list[Method] = ["isotonic", "platt"]


def _judged(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores that promise more than they keep: right as often as their cube."""
    chance = np.random.default_rng(seed)
    scores = chance.uniform(0.01, 0.99, count)
    return scores, chance.uniform(size=count) < scores**3


def _fitted(scores: np.ndarray, right: np.ndarray, method: Method = "isotonic") -> Calibration:
    calibration, sentence = fit_calibration(scores, right, method)
    assert calibration is not None
    assert f"{len(scores)} detections, {right.sum()} of them right" in sentence
    return calibration


@pytest.mark.parametrize("method", METHODS)
def test_other_parts_are_right_as_often_as_is_said(method: Method) -> None:
    calibration = _fitted(*_judged(2000, 0), method)
    scores, right = _judged(4000, 1)
    before, after = calibration_error(scores, right), calibration_error(calibration.apply(scores), right)
    assert before is not None
    assert before > 0.2
    assert after is not None
    assert after < 0.04


@given(
    seed=st.integers(0, 1000),
    count=st.integers(60, 200),
    ties=st.booleans(),
    method=st.sampled_from(METHODS),
)
def test_ranking_stays(seed: int, count: int, ties: bool, method: Method) -> None:
    scores, right = _judged(count, seed)
    scores = scores.round(1).clip(0.05, 0.95) if ties else scores
    right[:5], right[-5:] = True, False
    asked = np.unique(np.concatenate([scores, np.linspace(1e-9, 1 - 1e-7, 50)]))
    said = _fitted(scores, right, method).apply(asked)
    assert (np.diff(said) > 0).all()
    assert (said > 0).all()
    assert (said < 1).all()


def test_at_the_centres_it_is_isotonic_regression() -> None:
    scores, right = _judged(500, 2)
    calibration = _fitted(scores, right)
    assert isinstance(calibration, IsotonicCurve)
    other = IsotonicRegression().fit_transform(scores, right).clip(1 / 502, 1 - 1 / 502)
    for centre, precision in list(zip(calibration.scores, calibration.precisions, strict=True))[1:-1]:
        block = np.isclose(other, precision)
        assert scores[block].mean() == pytest.approx(centre)


def test_nothing_is_certain() -> None:
    scores = np.concatenate([np.full(20, 0.1), np.full(20, 0.9)])
    said = _fitted(scores, scores > 0.5).apply([0.1, 0.9])
    assert said == pytest.approx([1 / 42, 41 / 42])


def test_scores_that_are_meant_stay_with_platt() -> None:
    chance = np.random.default_rng(3)
    scores = chance.uniform(0.01, 0.99, 5000)
    calibration = _fitted(scores, chance.uniform(size=5000) < scores, "platt")
    assert isinstance(calibration, LogisticCurve)
    assert calibration.slope == pytest.approx(1, abs=0.1)
    assert calibration.offset == pytest.approx(0, abs=0.1)
    assert calibration.apply([0.0, 1.0]).tolist() == [0.0, 1.0]


def test_a_score_that_tells_nothing_makes_no_logistic_curve() -> None:
    scores = np.linspace(0.1, 0.9, 50)
    calibration, sentence = fit_calibration(scores, scores < 0.3, "platt", cases="parts", outcomes=("bad", "good"))
    assert calibration is None
    assert sentence.startswith("Scores are not calibrated: 13 of 50 parts are bad")


@given(st.floats(1e-6, 1e6), st.floats(1e-6, 1e6))
def test_a_distance_keeps_its_rank_and_its_logarithm(one: float, other: float) -> None:
    units = unit_of_distance(one), unit_of_distance(other)
    assert units[0] <= units[1] if one <= other else units[0] >= units[1]
    assert np.log(units[0] / (1 - units[0])) == pytest.approx(np.log(one), abs=1e-6)


@pytest.mark.parametrize(("count", "hits"), [(0, 0), (FEWEST - 1, 10), (100, 4), (100, 96), (100, 0), (100, 100)])
def test_too_few_make_no_calibration(count: int, hits: int) -> None:
    calibration, sentence = fit_calibration(np.linspace(0.1, 0.9, count), np.arange(count) < hits)
    assert calibration is None
    assert sentence.startswith(f"Scores are not calibrated: {count} detections, {hits} of them right")


@pytest.mark.parametrize("scores", [[0.5], [0.0] * 40, [1.0] * 40, [np.nan] * 40])
def test_what_is_no_score_is_refused(scores: list[float]) -> None:
    with pytest.raises(ShapeError):
        fit_calibration(scores, [True] * 40)
