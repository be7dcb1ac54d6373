"""The analysis of variance of measurements is the published one, and finds the spreads that made it."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import f_oneway

from kenpin.errors import OptionError, ShapeError
from kenpin.quality.gage import gage_study
from tests.quality.published import MANUAL


def test_the_example_of_the_manual() -> None:
    study = gage_study(MANUAL)
    part, appraiser, crossed, error = study.sources
    assert study.pooled
    assert (part.squares, appraiser.squares, crossed.squares) == pytest.approx((88.3619, 3.1673, 0.3590), abs=5e-5)
    assert (part.degrees, appraiser.degrees, crossed.degrees, error.degrees) == (9, 2, 18, 78)
    assert error.squares - crossed.squares == pytest.approx(2.7589, abs=5e-5)
    assert crossed.f == pytest.approx(0.434, abs=5e-4)
    assert (part.f, appraiser.f) == pytest.approx((245.614, 39.617), abs=0.01)
    assert study.repeatability == pytest.approx(0.199933, abs=5e-7)
    assert study.reproducibility == pytest.approx(0.226838, abs=5e-7)
    assert study.interaction == 0.0
    assert study.gage == pytest.approx(0.302373, abs=2e-6)
    assert study.parts == pytest.approx(1.042327, abs=5e-7)
    assert study.total == pytest.approx(1.0853, abs=5e-5)
    assert study.gage_share == pytest.approx(0.279, abs=5e-4)
    assert study.distinct_categories == 4


def test_the_tolerance_of_the_manuals_measurements() -> None:
    # Minitab's crossed gage study of the same measurements, tolerance 8: 22.68 %
    study = gage_study(MANUAL)
    assert study.part_count == 10
    assert study.tolerance_share(8) == pytest.approx(0.2268, abs=5e-5)
    with pytest.raises(OptionError, match="no width"):
        study.tolerance_share(0)


def test_an_interaction_that_is_no_chance_stays() -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(40, 5, 3)) * 0.3 + generator.normal(size=(40, 1, 1)) * 2.0
    x += generator.normal(size=(40, 5, 1)) * 0.8 + generator.normal(size=(1, 5, 1)) * 0.1
    study = gage_study(x)
    assert not study.pooled
    assert study.repeatability == pytest.approx(0.3, rel=0.1)
    assert study.interaction == pytest.approx(0.8, rel=0.15)
    assert study.parts == pytest.approx(2.0, rel=0.3)
    assert gage_study(x, pooled_from=0.0).pooled


def test_components_are_right_on_average() -> None:
    generator = np.random.default_rng(1)
    squares = np.zeros(4)
    for _ in range(400):
        x = generator.normal(size=(10, 3, 2)) * 0.5 + generator.normal(size=(10, 1, 1))
        x += generator.normal(size=(1, 3, 1)) * 2.0 + generator.normal(size=(10, 3, 1)) * 1.5
        study = gage_study(x)
        squares += np.square([study.repeatability, study.interaction, study.parts, study.appraisers])
    repeatability, interaction, parts, appraisers = squares / 400
    assert repeatability == pytest.approx(0.25, rel=0.05)
    assert interaction == pytest.approx(2.25, rel=0.05)
    assert parts == pytest.approx(1.0, rel=0.2)  # negative ones are cut at 0, which lifts the mean a little
    assert appraisers == pytest.approx(4.0, rel=0.2)


def test_one_appraiser_is_a_one_way_analysis() -> None:
    study = gage_study(MANUAL[:, :1])
    part, error = study.sources
    expected = f_oneway(*MANUAL[:, 0])
    assert (part.f, part.p_value) == pytest.approx((expected.statistic, expected.pvalue))
    assert (study.reproducibility, study.pooled, error.degrees) == (0.0, False, 20)


def test_parts_that_do_not_differ_have_no_variance() -> None:
    x = np.tile([[0.0, 1.0]], (5, 2, 1))
    study = gage_study(x)
    assert (study.parts, study.gage_share, study.distinct_categories) == (0.0, 1.0, 1)
    still = gage_study(np.tile(np.arange(4.0)[:, None, None], (1, 2, 2)))
    assert (still.gage, still.distinct_categories) == (0.0, None)


@pytest.mark.parametrize("shape", [(1, 2, 2), (3, 2, 1), (4, 3)])
def test_too_few_measurements_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="at least 2 parts and 2 trials"):
        gage_study(np.zeros(shape))
