"""MTA, RT and T(1) against independent derivations, and T(1) against published numbers."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from scipy.stats import linregress
from sklearn.datasets import load_iris

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.taguchi import AdjugateSpace, GramSchmidtSpace, RecognitionSpace, SignalEstimator, UnitSpace
from tests.taguchi.published import (
    IRISES_DEVIATION,
    IRISES_GOOD,
    IRISES_NEW,
    IRISES_SENSITIVITY,
    PLANT,
    PLANT_ESTIMATES,
    PLANT_NEW,
    PLANT_NEW_ESTIMATES,
    PLANT_UNIT,
)

SPACES = (UnitSpace(), AdjugateSpace(), GramSchmidtSpace(), RecognitionSpace(), RecognitionSpace([[0, 1], [3, 4]]))


def _parts(count: int, items: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, items)) @ rng.normal(size=(items, items)) + 20 + rng.normal(size=items) * 5


def _adjugate(matrix: np.ndarray) -> np.ndarray:
    """By minors, from the definition."""
    size = len(matrix)
    result = np.empty_like(matrix)
    for row, column in product(range(size), repeat=2):
        minor = np.delete(np.delete(matrix, row, 0), column, 1)
        result[column, row] = (-1) ** (row + column) * np.linalg.det(minor)
    return result


@pytest.mark.parametrize("collinear", [False, True])
def test_mta_has_the_ratios_of_the_adjugate_by_minors(collinear: bool) -> None:
    x = _parts(80, 4)
    if collinear:
        x = np.hstack([x, x[:, :1] + 2 * x[:, 1:2]])
    new = _parts(10, x.shape[1], seed=1)
    z = (new - x.mean(axis=0)) / x.std(axis=0)
    expected = np.einsum("ij,jk,ik->i", z, _adjugate(np.corrcoef(x.T)), z)
    found = AdjugateSpace().fit(x).score_samples(new)
    np.testing.assert_allclose(found / found[0], expected / expected[0], rtol=1e-5)


def test_mta_of_regular_items_is_mt_however_many_there_are() -> None:
    x, new = _parts(600, 300), _parts(5, 300, seed=1)
    np.testing.assert_allclose(
        AdjugateSpace().fit(x).score_samples(new), UnitSpace(0).fit(x).score_samples(new), rtol=1e-5
    )


def test_mta_of_one_relation_judges_that_relation_alone() -> None:
    x = _parts(80, 3)
    x = np.hstack([x, x[:, :1] + x[:, 1:2]])
    space = AdjugateSpace().fit(x)
    assert space.singular_
    keeps, breaks = x[0] * 3, x[0] + [0, 0, 0, 1]
    keeps[3] = keeps[0] + keeps[1]
    distances = space.score_samples([x[1], keeps, breaks])
    assert distances[:2] == pytest.approx(0, abs=1e-12)
    assert distances[2] > 1e-4


def test_mta_refuses_two_relations_and_too_few_parts() -> None:
    x = _parts(80, 3)
    with pytest.raises(UnitSpaceError, match="2 relations hold"):
        AdjugateSpace().fit(np.hstack([x, x[:, :2] * 2]))
    with pytest.raises(UnitSpaceError, match="at least 41 are needed"):
        AdjugateSpace().fit(_parts(40, 40))


def test_rt_is_two_regressions_and_scipys_distance() -> None:
    x, new = _parts(60, 12), _parts(8, 12, seed=2)
    standard = x.mean(axis=0)

    def characteristics(parts: np.ndarray) -> np.ndarray:
        rows = []
        for part in parts:
            (beta,), (residual,), *_ = np.linalg.lstsq(standard[:, None], part, rcond=None)
            rows.append((beta, (residual / 11) ** 0.5))
        return np.array(rows)

    of_good = characteristics(x)
    inverse = np.linalg.inv(np.cov(of_good.T, ddof=0))
    expected = [mahalanobis(row, of_good.mean(axis=0), inverse) ** 2 / 2 for row in characteristics(new)]
    space = RecognitionSpace().fit(x)
    np.testing.assert_allclose(space.score_samples(new), expected, rtol=1e-8)
    assert space.score_samples(x).mean() == pytest.approx(1)
    np.testing.assert_allclose(space.contributions(new).sum(axis=1), expected, rtol=1e-8)


def test_rt_is_a_published_example_to_its_last_digit() -> None:
    flowers = load_iris().data
    space = RecognitionSpace().fit(flowers[IRISES_GOOD])
    good, new = (space.characteristics(flowers[these]) for these in (IRISES_GOOD, IRISES_NEW))
    published = np.stack([IRISES_SENSITIVITY, IRISES_DEVIATION], axis=1)
    np.testing.assert_allclose(new - good.mean(axis=0), published, atol=0.0005)


def test_rt_of_a_brighter_part_changes_its_sensitivity_alone() -> None:
    x = _parts(60, 12)
    found = RecognitionSpace().fit(x).characteristics([x[0], 3 * x[0]])
    np.testing.assert_allclose(found[1], 3 * found[0], rtol=1e-9)
    pattern = x.mean(axis=0)
    assert RecognitionSpace().fit(x).characteristics([2 * pattern])[0] == pytest.approx([2, 0], abs=1e-12)


def test_rt_takes_sets_of_items_and_survives_a_file() -> None:
    x, new = _parts(60, 9), _parts(4, 9, seed=1)
    space = RecognitionSpace([range(4), (4, 6, 8)]).fit(x)
    alone = RecognitionSpace().fit(x[:, [4, 6, 8]])
    np.testing.assert_allclose(space.characteristics(new)[:, 2:], alone.characteristics(new[:, [4, 6, 8]]))
    again = RecognitionSpace.from_arrays(space.to_arrays())
    np.testing.assert_array_equal(again.score_samples(new), space.score_samples(new))
    with pytest.raises(OptionError, match="at least two items"):
        RecognitionSpace([(1,)])
    with pytest.raises(ShapeError, match="at least two items"):
        RecognitionSpace().fit(x[:, :1])


def test_t1_is_a_published_example_to_its_last_digit() -> None:
    known = np.array([day for day in range(21) if day not in PLANT_NEW])
    unit = np.isin(known, PLANT_UNIT)
    estimator = SignalEstimator().fit(PLANT[known, :3], PLANT[known, 3], unit)
    signal = estimator.predict(PLANT[known[~unit], :3]) - estimator.signal_center_
    np.testing.assert_allclose(signal, PLANT_ESTIMATES, atol=0.00051)
    np.testing.assert_allclose(estimator.predict(PLANT[list(PLANT_NEW), :3]), PLANT_NEW_ESTIMATES, atol=0.00051)


def test_t1s_constants_are_regressions_through_the_origin() -> None:
    rng = np.random.default_rng(0)
    signal = rng.uniform(-5, 5, 40)
    x = np.outer(signal, [2.0, -1.0, 0.0]) + rng.normal(size=(40, 3)) * [0.1, 1, 1] + 7
    estimator = SignalEstimator().fit(x, signal)
    kept = np.abs(signal - np.median(signal)) > np.abs(signal - np.median(signal)).min()
    m = signal[kept] - estimator.signal_center_
    for item in range(2):
        y = x[kept, item] - estimator.center_[item]
        # a regression of the mirrored points has no intercept, and the slope through the origin
        slope = linregress(np.concatenate([m, -m]), np.concatenate([y, -y])).slope
        assert estimator.beta_[item] == pytest.approx(slope)
    assert estimator.eta_[0] > 10 * estimator.eta_[1] > 100 * estimator.eta_[2]
    assert estimator.integrated_db_ > 10
    added = estimator.contributions(x).sum(axis=1) + estimator.signal_center_
    np.testing.assert_allclose(added, estimator.predict(x))


def test_t1_follows_an_item_without_error_exactly() -> None:
    signal = np.arange(11.0)
    x = np.column_stack([3 * signal + 1, np.random.default_rng(0).normal(size=11)])
    np.testing.assert_allclose(SignalEstimator().fit(x, signal).predict(x), signal, atol=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "sentence"),
    [
        (np.ones((5, 2)), np.ones(4), "one finite number"),
        (np.ones((5, 2)), np.ones(5), "at least 1 and 2"),
        (np.ones((5, 2)), np.arange(5.0), "no item follows"),
        (np.full((5, 2), np.nan), np.arange(5.0), "item 0 of part 0"),
    ],
)
def test_t1_refuses_what_tells_nothing(x: np.ndarray, y: np.ndarray, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        SignalEstimator().fit(x, y)


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf, 1e200, -1e308])
@pytest.mark.parametrize("space", SPACES, ids=lambda space: type(space).__name__)
def test_no_distance_or_share_is_made_of_a_number_that_cannot_be_squared(space: Any, wrong: float) -> None:
    x = _parts(60, 5)
    space.fit(x)
    new = _parts(4, 5, seed=1)
    new[2, 3] = wrong
    said = "too large to be squared" if np.isfinite(wrong) else "item 3 of part 2 is not a finite number"
    for ask in (space.score_samples, space.contributions):
        with pytest.raises(UnitSpaceError, match=said):
            ask(new)
