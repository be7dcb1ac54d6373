"""The unit space against second derivations: SciPy's distance, the F distribution, closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.taguchi import UnitSpace
from kenpin.taguchi.unit_space import parts_needed


def _parts(count: int, items: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, items)) @ rng.normal(size=(items, items)) + rng.normal(size=items) * 5


def test_without_ridge_it_is_scipys_squared_distance_over_the_items() -> None:
    x = _parts(200, 7)
    space = UnitSpace(ridge=0).fit(x)
    inverse = np.linalg.inv(np.cov(x.T))
    for part in _parts(20, 7, seed=1):
        expected = mahalanobis(part, x.mean(axis=0), inverse) ** 2 / 7
        assert space.score_samples([part])[0] == pytest.approx(expected, rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(30, 200), st.integers(1, 8), st.integers(0, 1000))
def test_mean_distance_of_the_unit_space_is_one_by_construction(count: int, items: int, seed: int) -> None:
    x = _parts(count, items, seed)
    mean = UnitSpace(ridge=0).fit(x).score_samples(x).mean()
    assert mean == pytest.approx((count - 1) / count, rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 1000))
def test_contributions_add_up_to_the_distance(seed: int) -> None:
    space = UnitSpace().fit(_parts(60, 5, seed))
    parts = _parts(10, 5, seed + 1)
    np.testing.assert_allclose(space.contributions(parts).sum(axis=1), space.score_samples(parts), rtol=1e-9)


def test_the_item_that_was_moved_speaks_loudest() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 6))
    part = x[0].copy()
    part[4] += 12
    assert UnitSpace(ridge=0).fit(x).contributions([part])[0].argmax() == 4


def test_units_of_the_items_do_not_matter() -> None:
    x, parts = _parts(80, 4), _parts(10, 4, seed=3)
    factors, offsets = np.array([1e-3, 1.0, 1e4, 7.0]), np.array([5.0, -2.0, 0.0, 1e3])
    plain = UnitSpace().fit(x).score_samples(parts)
    scaled = UnitSpace().fit(x * factors + offsets).score_samples(parts * factors + offsets)
    np.testing.assert_allclose(plain, scaled, rtol=1e-6)


def test_ledoit_wolf_ridge_is_a_share_and_makes_more_items_than_parts_possible() -> None:
    space = UnitSpace().fit(np.random.default_rng(0).normal(size=(40, 100)))
    assert 0 < space.ridge_ < 1
    assert np.isfinite(space.score_samples(np.zeros((1, 100)))).all()


def test_a_known_ridge_by_hand() -> None:
    # two items of correlation r, ridge g: R = [[1, (1-g)r], [(1-g)r, 1]], inverse in closed form
    x = _parts(50, 2)
    r = 0.6 * np.corrcoef(x.T)[0, 1]
    z = (np.array([[3.0, -1.0]]) - x.mean(axis=0)) / x.std(axis=0, ddof=1)
    a, b = z[0]
    expected = (a * a - 2 * r * a * b + b * b) / (1 - r * r) / 2
    assert UnitSpace(ridge=0.4).fit(x).score_samples([[3.0, -1.0]])[0] == pytest.approx(expected)


def test_saved_and_read_space_scores_identically() -> None:
    space, parts = UnitSpace().fit(_parts(60, 5)), _parts(9, 5, seed=2)
    again = UnitSpace.from_arrays(space.to_arrays())
    np.testing.assert_array_equal(space.score_samples(parts), again.score_samples(parts))
    assert again.ridge_ == space.ridge_


@pytest.mark.parametrize(("count", "items", "ridge"), [(30, 30, 0.0), (29, 3, "ledoit-wolf"), (5, 1, 0.0)])
def test_too_few_parts_are_refused_with_the_number_needed(count: int, items: int, ridge: float | str) -> None:
    with pytest.raises(UnitSpaceError, match=str(parts_needed(items, ridge))):
        UnitSpace(ridge).fit(_parts(count, items))  # type: ignore[arg-type]


def test_just_enough_parts_are_taken() -> None:
    assert UnitSpace(0).fit(_parts(parts_needed(40, 0), 40)).parts_ == 41


def test_constant_items_are_refused_by_number() -> None:
    x = _parts(50, 3)
    x[:, 1] = 7
    with pytest.raises(UnitSpaceError, match="item 1"):
        UnitSpace().fit(x)


def test_undefined_numbers_are_refused_by_place() -> None:
    x = _parts(50, 3)
    x[4, 2] = np.nan
    with pytest.raises(UnitSpaceError, match="item 2 of part 4"):
        UnitSpace().fit(x)


def test_repeated_items_without_ridge_are_refused_and_with_ridge_are_not() -> None:
    x = _parts(50, 3)
    x = np.hstack([x, x[:, :1]])
    with pytest.raises(UnitSpaceError, match="collinear"):
        UnitSpace(ridge=0).fit(x)
    assert np.isfinite(UnitSpace(ridge=0.1).fit(x).score_samples(x)).all()


def test_wrong_shapes_and_ridges_are_refused() -> None:
    with pytest.raises(ShapeError):
        UnitSpace().fit(np.zeros(5))
    with pytest.raises(ShapeError):
        UnitSpace().fit(_parts(50, 3)).score_samples(np.zeros((2, 4)))
    with pytest.raises(OptionError):
        UnitSpace(ridge=1.0)
