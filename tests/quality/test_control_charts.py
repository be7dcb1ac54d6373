"""Charts alarm where the published ones do, and without a change as rarely as they were designed to."""

from __future__ import annotations

import numpy as np
import pytest

from kenpin.errors import OptionError, ShapeError
from kenpin.quality.control_charts import (
    ewma_chart,
    individuals_chart,
    means_chart,
    normal_scores,
    p_chart,
)
from kenpin.quality.run_length import ewma_run_length

THREE_SIGMA = 370.398


def test_ewma_of_the_nist_handbook() -> None:
    # NIST/SEMATECH e-Handbook, 6.3.2.4: weight 0.3, centre 50, limits 47.4115 and 52.5884 for 3 deviations of 2.0539
    data = [52.0, 47.0, 53.0, 49.3, 50.1, 47.0, 51.0, 50.1, 51.2, 50.5, 49.6, 47.6, 49.9, 51.3, 47.8, 51.2, 52.6, 52.4,
            53.6, 52.1]  # fmt: skip
    published = [50.60, 49.52, 50.56, 50.18, 50.16, 49.21, 49.75, 49.85, 50.26, 50.33, 50.11, 49.36, 49.52, 50.05,
                 49.38, 49.92, 50.73, 51.23, 51.94, 51.99]  # fmt: skip
    chart = ewma_chart(data, 50.0, 2.0539, weight=0.3, arl=ewma_run_length(0.3, 3.0))
    assert chart.values == pytest.approx(published, abs=0.006)
    assert (chart.low[0], chart.high[-1]) == pytest.approx((47.4115, 52.5884), abs=1e-3)
    assert chart.alarms == ()


def test_individuals_of_montgomery() -> None:
    # Montgomery 2013, example 6.5: cost of mortgage loan applications
    costs = [310, 288, 297, 298, 307, 303, 294, 297, 308, 306, 294, 299, 297, 299, 314, 295, 293, 306, 301, 304]
    chart = individuals_chart([*costs[:5], 330], costs, arl=THREE_SIGMA)
    assert (chart.centre, chart.low[0], chart.high[0]) == pytest.approx((300.5, 279.78, 321.22), abs=0.01)
    assert chart.alarms == (5,)


def test_p_chart_of_montgomery() -> None:
    # Montgomery 2013, table 7.1: leaking cans of orange juice in 30 samples of 50; samples 15 and 23 are out of control
    leaking = [12, 15, 8, 10, 4, 7, 16, 9, 14, 10, 5, 6, 17, 12, 22, 8, 10, 5, 13, 11, 20, 18, 24, 15, 9, 12, 7, 13, 9,
               6]  # fmt: skip
    failed = np.concatenate([np.arange(50) < count for count in leaking])
    chart = p_chart(failed, np.repeat(np.arange(30), 50), np.tile(failed, 20), arl=THREE_SIGMA)
    assert chart.centre == pytest.approx(0.2313, abs=5e-5)
    # his limits 0.0524 and 0.4102 lie between counts; the exact ones are shares of 50 that do not alarm yet
    assert chart.low[0] == pytest.approx(0.0524, abs=0.03)
    assert chart.high[0] == pytest.approx(0.4102, abs=0.03)
    assert chart.alarms == (14, 22)


def test_means_of_lots_come_in_their_order() -> None:
    generator = np.random.default_rng(0)
    reference = generator.normal(size=400)
    values = generator.normal(size=60)
    values[40:] += 3
    chart = means_chart(values, np.repeat(["b", "a", "c"], 20), reference)
    assert chart.values == pytest.approx([values[:20].mean(), values[20:40].mean(), values[40:].mean()])
    assert chart.alarms == (2,)
    half = 3 * reference.std(ddof=1) * (1 / 20 + 1 / 400) ** 0.5
    assert chart.high[0] - chart.centre == pytest.approx(half, rel=1e-4)


def test_normal_scores_mind_no_skew() -> None:
    generator = np.random.default_rng(1)
    reference, new = generator.gamma(2.0, size=(2, 4000))
    scores = normal_scores(new, reference)
    assert scores.mean() == pytest.approx(0, abs=0.05)
    assert scores.std() == pytest.approx(1, abs=0.03)
    assert np.array_equal(scores, normal_scores(np.exp(new), np.exp(reference)))
    assert normal_scores([1e9], reference)[0] == normal_scores([reference.max() + 1], reference)[0]


@pytest.mark.parametrize("weight", [0.05, 0.2])
def test_false_alarms_come_as_designed(weight: float) -> None:
    generator = np.random.default_rng(2)
    lengths = []
    for _ in range(400):
        alarms = ewma_chart(generator.normal(size=1200), 0.0, 1.0, weight=weight, arl=100).alarms
        lengths.append(alarms[0] + 1)
    assert np.mean(lengths) == pytest.approx(100, abs=15)


def test_lots_alarm_by_chance_at_most_as_often_as_designed() -> None:
    generator = np.random.default_rng(3)
    lots = np.repeat(np.arange(400), 40)
    alarms = [0, 0]
    for _ in range(4):
        failed = generator.random(len(lots) + 300) < 0.03
        values = generator.normal(size=len(failed))
        alarms[0] += len(p_chart(failed[300:], lots, failed[:300], arl=50).alarms)
        alarms[1] += len(means_chart(values[300:], lots, values[:300], arl=50).alarms)
    assert alarms[0] / (4 * 400) <= 0.022
    assert alarms[1] / (4 * 400) == pytest.approx(0.02, abs=0.012)


def test_a_change_is_found_soon_after_it_came() -> None:
    generator = np.random.default_rng(4)
    first = []
    for _ in range(60):
        reference, quiet, changed = (scale * generator.gamma(3.0, size=100) for scale in (1.0, 1.0, 1.7))
        scores = normal_scores(np.concatenate([quiet, changed]), reference)
        first.append(ewma_chart(scores, 0.0, 1.0, weight=0.1, arl=1000, reference=100).alarms[0])
    assert 100 <= np.median(first) <= 115
    assert np.mean(np.array(first) < 100) <= 0.15  # a hundred points at a false alarm in a thousand


def test_what_makes_no_chart_is_refused() -> None:
    with pytest.raises(ShapeError, match="24 parts are too few"):
        normal_scores([1.0], np.arange(24.0))
    with pytest.raises(ShapeError, match="finite"):
        individuals_chart([np.nan], [1.0, 2.0])
    with pytest.raises(ShapeError, match="one for each part"):
        means_chart([1.0, 2.0], ["a"], np.arange(30.0))
    with pytest.raises(OptionError, match="vary"):
        ewma_chart([1.0], 0.0, 0.0, weight=0.1, arl=100)
    with pytest.raises(ShapeError, match="too few"):
        p_chart([True], ["a"], [False])
