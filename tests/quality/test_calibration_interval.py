"""The interval of a calibration error holds the true one about as often as it says."""

from __future__ import annotations

import numpy as np
import pytest

from kenpin.metrics.calibration import calibration_error, calibration_interval


@pytest.mark.parametrize("excess", [0.05, pytest.param(0.2, marks=pytest.mark.slow)])
def test_it_covers_the_error_of_many_more_parts(excess: float) -> None:
    # one bin's parts are defective less often than is said by `excess`, the others' as often as is said
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(100):
        stated = generator.choice([0.15, 0.55, 0.85], 300)
        happened = generator.random(300) < stated - excess
        interval = calibration_interval(stated, happened)
        assert interval is not None
        covered += interval[0] <= excess <= interval[1]
    assert covered >= 88


def test_it_holds_the_measured_error_and_nothing_below_0() -> None:
    generator = np.random.default_rng(1)
    stated = generator.random(200)
    happened = generator.random(200) < stated
    error, interval = calibration_error(stated, happened), calibration_interval(stated, happened)
    assert error is not None
    assert interval is not None
    assert 0 <= interval[0] <= error <= interval[1] < 0.2


def test_where_nothing_varies_there_is_none() -> None:
    assert calibration_interval([], []) is None
    assert calibration_interval([0.5], [True]) is None


def test_parts_that_all_behave_alike_show_no_interval() -> None:
    """Resamples of them differ by what was stated alone, as if nothing else could happen."""
    assert calibration_interval([0.01, 0.02, 0.97, 0.99], [False, False, True, True]) is None
    assert calibration_interval([0.01, 0.02, 0.03], [False, True, False]) is not None
