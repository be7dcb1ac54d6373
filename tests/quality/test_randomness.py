"""Whether numbers vary about one level: the ratio's moments by all orders, its level, and what it finds."""

from __future__ import annotations

from itertools import permutations
from statistics import NormalDist

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.errors import ShapeError
from kenpin.quality import wandering


def _ratio(values: NDArray[np.float64]) -> float:
    """The ratio that gave a p-value."""
    count = len(values)
    return 2 + NormalDist().inv_cdf(wandering(values)) * float(np.sqrt(4 * (count - 2) / (count**2 - 1)))


def test_the_ratio_is_that_of_von_neumann() -> None:
    values = np.random.default_rng(0).normal(size=40)
    assert _ratio(values) == pytest.approx(np.square(np.diff(values)).sum() / (40 * values.var()), abs=1e-9)


def test_the_mean_of_the_ratio_over_all_orders_is_two() -> None:
    # whatever the numbers are
    values = np.random.default_rng(1).exponential(size=7)
    around = float(np.square(values - values.mean()).sum())
    ratios = [float(np.square(np.diff(order)).sum()) / around for order in permutations(values)]
    assert np.mean(ratios) == pytest.approx(2)


@pytest.mark.parametrize("count", [25, 50])
def test_it_says_so_by_chance_as_rarely_as_it_promises(count: int) -> None:
    draw = np.random.default_rng(2)
    for of in (draw.normal(size=(4_000, count)), draw.uniform(size=(4_000, count))):
        p_values = np.array([wandering(values) for values in of])
        for level in (0.05, 0.01):
            assert np.mean(p_values < level) == pytest.approx(level, rel=0.45)


def test_it_finds_drifts_jumps_and_chains() -> None:
    draw = np.random.default_rng(3)
    noise = draw.normal(size=50)
    chain = np.zeros(50)
    for place in range(1, 50):
        chain[place] = 0.8 * chain[place - 1] + noise[place]
    for found in (noise + np.linspace(0, 3, 50), noise + 2 * (np.arange(50) > 25), chain):
        assert wandering(found) < 0.004
    assert wandering(np.ones(20)) == 1
    assert wandering(-(noise * (-1.0) ** np.arange(50)) + 3 * (-1.0) ** np.arange(50)) > 0.9, "to and fro is no drift"


@pytest.mark.parametrize("values", [np.ones(9), np.full(20, np.nan), np.ones((5, 5))])
def test_what_it_cannot_tell_is_refused(values: NDArray[np.float64]) -> None:
    with pytest.raises(ShapeError):
        wandering(values)
