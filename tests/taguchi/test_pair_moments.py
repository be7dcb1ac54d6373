"""Moments of all pairs of items: joined in any order they give the unit space of all parts together."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.errors import ShapeError, UnitSpaceError
from kenpin.taguchi import AdjugateSpace, Moments, PairMoments, UnitSpace, sum_of_fourth_powers

Cuts = st.lists(st.integers(1, 59), unique=True, max_size=5)


def _parts(seed: int, n: int = 60, k: int = 5) -> np.ndarray:
    """Skewed, correlated, far from 0 and in units of their own."""
    rng = np.random.default_rng(seed)
    mixed = rng.gamma(1.0, 1.0, (n, k)) @ (np.eye(k) + 0.4 * rng.normal(size=(k, k)))
    return mixed * 10.0 ** rng.uniform(-4, 4, k) + 100.0 * rng.normal(size=k)


def _joined(x: np.ndarray, cuts: list[int], seed: int) -> PairMoments:
    """Of the parts between these cuts, in a random order."""
    shards = [x[start:end] for start, end in pairwise([0, *sorted(cuts), len(x)])]
    order = np.random.default_rng(seed).permutation(len(shards))
    total = PairMoments.none(x.shape[1])
    for place in order:
        total = total + PairMoments.of(shards[place])
    return total


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=Cuts)
def test_any_division_joined_in_any_order_gives_the_space_of_all(seed: int, cuts: list[int]) -> None:
    x = _parts(seed)
    joined = _joined(x, cuts, seed)
    scale = joined.moments.scale
    apart = UnitSpace().fit_moments(joined.moments, float(joined.sum_of_fourth_powers(1 / scale)))
    together = UnitSpace().fit(x)
    assert apart.ridge_ == pytest.approx(together.ridge_, rel=1e-8, abs=1e-12)
    np.testing.assert_allclose(apart.score_samples(x), together.score_samples(x), rtol=1e-7)
    assert joined.count == len(x)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=Cuts)
def test_the_sums_are_those_of_their_definition(seed: int, cuts: list[int]) -> None:
    x = _parts(seed)
    away = x - x.mean(axis=0)
    size = np.abs(away).max(axis=0)
    joined = _joined(x, cuts, seed)
    for found, (left, right) in {
        "scatter": (away, away),
        "third": (away**2, away),
        "fourth": (away**2, away**2),
    }.items():
        powers = (1, 1) if found == "scatter" else (2, 1) if found == "third" else (2, 2)
        unit = np.outer(size ** powers[0], size ** powers[1])
        np.testing.assert_allclose(getattr(joined, found) / unit, (left.T @ right) / unit, atol=1e-8)


def test_the_sum_of_fourth_powers_is_that_of_a_second_pass() -> None:
    x = _parts(3)
    joined, moments = _joined(x, [7, 30], 0), Moments.of(x)
    assert joined.sum_of_fourth_powers(1 / moments.scale) == pytest.approx(sum_of_fourth_powers(x, moments), rel=1e-10)
    some = np.array([4, 1])
    chosen = moments.of_items(some)
    wanted = sum_of_fourth_powers(x, chosen, some)
    assert joined.of_items(some).sum_of_fourth_powers(1 / chosen.scale) == pytest.approx(wanted, rel=1e-10)


def test_the_adjugate_takes_them_too() -> None:
    x = _parts(5)
    joined = AdjugateSpace().fit_moments(_joined(x, [20], 0).moments)
    np.testing.assert_allclose(joined.score_samples(x), AdjugateSpace().fit(x).score_samples(x), rtol=1e-7)


def test_cells_have_moments_of_their_own() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 70, 3)) * 5 + 1  # more cells than are changed together
    joined = PairMoments.of_cells(x[:15]) + PairMoments.of_cells(x[15:])
    for cell in (0, 33, 69):
        alone = PairMoments.of(x[:, cell])
        for name in ("mean", "scatter", "third", "fourth"):
            np.testing.assert_allclose(getattr(joined.of_cell(cell), name), getattr(alone, name), rtol=1e-8, atol=1e-8)


def test_arrays_bring_them_back_and_take_the_bytes_that_are_said() -> None:
    moments = PairMoments.of_cells(np.random.default_rng(0).normal(size=(20, 4, 6)))
    arrays = moments.to_arrays()
    again = PairMoments.from_arrays(arrays)
    for name in ("mean", "scatter", "third", "fourth"):
        np.testing.assert_array_equal(getattr(again, name), getattr(moments, name))
    assert again.count == 20
    assert sum(array.nbytes for name, array in arrays.items() if name != "count") == PairMoments.bytes_of(6, 4)
    with pytest.raises(ValueError, match="shape"):
        PairMoments.from_arrays(arrays | {"third": arrays["third"][:, :5]})


def test_other_items_and_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ShapeError, match="5 items and of 4 items"):
        PairMoments.none(5) + PairMoments.none(4)
    with pytest.raises(ShapeError, match="3 cells"):
        PairMoments.none(3, 5) + PairMoments.none(2, 5)
    x = _parts(0)
    x[7, 2] = np.nan
    with pytest.raises(UnitSpaceError, match="item 2 of part 7"):
        PairMoments.of(x)
    with pytest.raises(UnitSpaceError, match="too large"):
        PairMoments.of(np.array([[1e150, 1.0], [0.0, 2.0]]))
