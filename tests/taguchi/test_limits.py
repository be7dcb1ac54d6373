"""Limits against simulation and SciPy: each holds the share it promises, on the scale it states."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, chi2, t

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.taguchi import UnitSpace
from kenpin.taguchi.limits import chi_square_limit, f_limit, tolerance_limit


def _passed(space: UnitSpace, limit: float, rng: np.random.Generator, new: int = 400) -> float:
    return float((space.score_samples(rng.normal(size=(new, space.mean_.size))) < limit).mean())


def test_f_passes_the_share_it_promises_of_new_parts_even_with_few_good_ones() -> None:
    rng = np.random.default_rng(0)
    passed, by_chi_square = [], []
    for _ in range(200):
        space = UnitSpace(0).fit(rng.normal(size=(40, 10)))
        passed.append(_passed(space, f_limit(space, 0.95).value, rng))
        by_chi_square.append(_passed(space, chi_square_limit(space, 0.95).value, rng))
    assert np.mean(passed) == pytest.approx(0.95, abs=0.01)
    assert np.mean(by_chi_square) < 0.85  # what it takes for known is not


def test_f_of_one_item_is_students_prediction_interval() -> None:
    # (x - mean) / (s sqrt(1 + 1/n)) has n - 1 degrees of freedom, with the divisor n - 1 in s
    space = UnitSpace(0).fit(np.random.default_rng(0).normal(size=(31, 1)))
    half = t.ppf(0.995, 30) * (1 + 1 / 31) ** 0.5 * (31 / 30) ** 0.5
    assert f_limit(space, 0.99).value == pytest.approx(half**2)


def test_chi_square_is_scipys_over_the_items() -> None:
    rng = np.random.default_rng(0)
    space = UnitSpace(0).fit(rng.normal(size=(20_000, 10)))
    limit = chi_square_limit(space, 0.99)
    assert limit.value == pytest.approx(chi2.ppf(0.99, 10) / 10)
    assert limit.scale == "D²/k"
    assert limit.value == pytest.approx(f_limit(space, 0.99).value, rel=0.01)


def test_with_a_ridge_chi_square_has_the_degrees_that_are_left() -> None:
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(12, 12)) @ np.diag(np.linspace(1, 0.05, 12))
    space = UnitSpace(0.3).fit(rng.normal(size=(20_000, 12)) @ mixing.T)
    assert space.degrees_ < 12
    new = rng.normal(size=(20_000, 12)) @ mixing.T
    share = (space.score_samples(new) < chi_square_limit(space, 0.95).value).mean()
    assert share == pytest.approx(0.95, abs=0.01)
    with pytest.raises(OptionError, match="without a ridge"):
        f_limit(space)


def test_a_tolerance_limit_holds_with_the_confidence_it_states() -> None:
    rng = np.random.default_rng(0)
    # the share below the r-th of n scores has a beta law, whatever theirs is
    below = [float(np.exp(-1 / limit)) for limit in _tolerance_limits(rng, 1_000)]
    held = np.mean(np.array(below) >= 0.9)
    rank = next(r for r in range(60, 101) if beta.sf(0.9, r, 101 - r) >= 0.95)
    assert held == pytest.approx(beta.sf(0.9, rank, 101 - rank), abs=0.02)
    assert held >= 0.94


def _tolerance_limits(rng: np.random.Generator, count: int) -> list[float]:
    return [tolerance_limit(1 / rng.exponential(size=100), 0.9, 0.95).value for _ in range(count)]


def test_a_tolerance_limit_passes_the_part_it_stands_on() -> None:
    distances = np.arange(1.0, 101)
    limit = tolerance_limit(distances, 0.9, 0.95).value
    assert np.sum(distances < limit) == round(limit) == 96


@pytest.mark.parametrize(("share", "confidence", "needed"), [(0.99, 0.95, 299), (0.9, 0.95, 29), (0.95, 0.99, 90)])
def test_too_few_parts_are_refused_with_the_number_needed(share: float, confidence: float, needed: int) -> None:
    with pytest.raises(OptionError, match=f"at least {needed}"):
        tolerance_limit(np.arange(needed - 1.0), share, confidence)
    assert tolerance_limit(np.arange(float(needed)), share, confidence).value > needed - 1.001


def test_what_cannot_be_is_refused() -> None:
    rng = np.random.default_rng(0)
    small = UnitSpace(inverse="pseudo").fit(rng.normal(size=(40, 60)))
    with pytest.raises(UnitSpaceError, match="at least 41 good parts"):
        f_limit(small)
    with pytest.raises(OptionError, match=r"a share of 1\.5"):
        chi_square_limit(small, 1.5)
    with pytest.raises(OptionError, match="a confidence of 0"):
        tolerance_limit([1.0], 0.5, 0)
    with pytest.raises(ShapeError, match="finite"):
        tolerance_limit([np.nan] * 400)
    old = UnitSpace.from_arrays({name: values for name, values in small.to_arrays().items() if name != "degrees"})
    with pytest.raises(OptionError, match="no law is known"):
        chi_square_limit(old)
