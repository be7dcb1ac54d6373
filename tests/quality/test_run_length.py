"""Run lengths are those of the published tables and of a second derivation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from kenpin.errors import OptionError
from kenpin.quality.run_length import best_weight, ewma_run_length, ewma_width, shewhart_width

# Lucas & Saccucci 1990, as in Montgomery 2013, table 9.11: mean run lengths of EWMA schemes with about 500 in control
WEIGHTS = (0.40, 0.25, 0.20, 0.10, 0.05)
WIDTHS = (3.054, 2.998, 2.962, 2.814, 2.615)
LENGTHS = {
    0.00: (500, 500, 500, 500, 500),
    0.25: (224, 170, 150, 106, 84.1),
    0.50: (71.2, 48.2, 41.8, 31.3, 28.8),
    0.75: (28.4, 20.1, 18.2, 15.9, 16.4),
    1.00: (14.3, 11.1, 10.5, 10.3, 11.4),
    1.50: (5.9, 5.5, 5.5, 6.1, 7.1),
    2.00: (3.5, 3.6, 3.7, 4.4, 5.2),
    3.00: (2.0, 2.3, 2.4, 2.9, 3.5),
    4.00: (1.4, 1.7, 1.9, 2.2, 2.7),
}


@pytest.mark.parametrize("shift", LENGTHS)
def test_run_lengths_of_lucas_and_saccucci(shift: float) -> None:
    found = [ewma_run_length(weight, width, shift) for weight, width in zip(WEIGHTS, WIDTHS, strict=True)]
    assert found == pytest.approx(LENGTHS[shift], rel=0.006, abs=0.05)


def test_widths_of_lucas_and_saccucci() -> None:
    assert [ewma_width(weight, 500) for weight in WEIGHTS] == pytest.approx(WIDTHS, abs=0.002)


@pytest.mark.parametrize(("weight", "width", "shift"), [(0.05, 2.5, 0.0), (0.1, 2.7, 1.0), (0.3, 2.9, 0.5), (1, 3, 0)])
def test_run_lengths_solve_crowders_integral_equation(weight: float, width: float, shift: float) -> None:
    # Crowder 1987: L(u) = 1 + 1/w ∫ L(y) f((y - (1 - w) u) / w) dy, by Gauss and Legendre
    half = width * (weight / (2 - weight)) ** 0.5
    nodes, shares = np.polynomial.legendre.leggauss(151)
    y = half * nodes
    kernel = norm.pdf((y[None, :] - (1 - weight) * y[:, None]) / weight - shift) * shares * half / weight
    lengths = np.linalg.solve(np.eye(len(y)) - kernel, np.ones(len(y)))
    assert ewma_run_length(weight, width, shift) == pytest.approx(lengths[75], rel=3e-3)


def test_run_lengths_of_crowder() -> None:
    # Crowder 1987, table 1: limits of three deviations, no shift
    published = {0.05: 1379.3, 0.10: 842.15, 0.25: 502.90, 0.50: 397.46, 0.75: 374.50, 1.00: 370.40}
    assert [ewma_run_length(w, 3.0) for w in published] == pytest.approx(list(published.values()), rel=3e-3)


def test_three_sigma_limits_run_370_points() -> None:
    assert shewhart_width(370.398) == pytest.approx(3.0, abs=1e-5)
    assert ewma_width(1.0, 370.398) == pytest.approx(3.0, abs=1e-4)


def test_the_best_weight_finds_its_shift_soonest() -> None:
    for shift, low, high in ((0.5, 0.04, 0.07), (1.0, 0.11, 0.17), (2.0, 0.30, 0.45)):
        best = best_weight(500, shift)
        assert low <= best <= high
        delay = ewma_run_length(best, ewma_width(best, 500), shift)
        assert all(delay <= ewma_run_length(w, k, shift) + 0.02 for w, k in zip(WEIGHTS, WIDTHS, strict=True))


def test_impossible_designs_are_refused() -> None:
    with pytest.raises(OptionError, match="1 points between"):
        shewhart_width(1)
    with pytest.raises(OptionError, match="weight of 0"):
        ewma_width(0, 500)
    with pytest.raises(OptionError, match="shift of 0"):
        best_weight(500, 0)
