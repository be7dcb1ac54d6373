"""A change between two runs has an interval, of wrong decisions an exact one, and McNemar's exact test."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binomtest, multinomial
from sklearn.metrics import roc_auc_score

from kenpin.errors import OptionError, ShapeError
from kenpin.quality.paired import mcnemar, paired_auroc, paired_difference, paired_share, verdict_differences
from kenpin.records import Verdict


def pairs_in_order(bad: NDArray[np.float64], good: NDArray[np.float64]) -> float:
    """An AUROC by its meaning: the share of pairs in which the bad part has the larger score, a tie being half."""
    return float((np.sign(bad[:, None] - good).mean() + 1) / 2)


def test_mcnemar_is_the_exact_test() -> None:
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(1, 9) == pytest.approx(binomtest(1, 10).pvalue) == mcnemar(9, 1)


def test_the_ratings_of_the_prime_minister() -> None:
    # Agresti 2002, table 10.1: 1600 people asked twice; 150 turned away and 86 came over. Exact: Fay 2010, exact2x2
    approved = np.repeat([True, True, False, False], [794, 150, 86, 570])
    again = np.repeat([True, False, True, False], [794, 150, 86, 570])
    found = paired_difference((~approved).tolist(), (~again).tolist())
    assert found is not None
    assert (found.parts, found.lost, found.gained) == (1600, 150, 86)
    assert found.p_value == pytest.approx(3.716e-05, rel=1e-3)
    assert found.change == pytest.approx(0.04, abs=5e-4)
    # Wald's interval of the book is (0.020, 0.059) for a drop of 0.04; an exact one must not be narrower
    assert found.low < 0.021
    assert found.high > 0.059


@pytest.mark.parametrize("shares", [(0.02, 0.0), (0.1, 0.1), (0.3, 0.05), (0.0, 0.5)])
def test_the_interval_covers_at_least_as_often_as_it_says(shares: tuple[float, float]) -> None:
    lost, gained = shares
    parts, covered = 25, 0.0
    for losses in range(parts + 1):
        for gains in range(parts + 1 - losses):
            counts = [losses, gains, parts - losses - gains]
            chance = multinomial.pmf(counts, parts, [lost, gained, 1 - lost - gained])
            before = np.repeat([False, True, False], counts).tolist()
            now = np.repeat([True, False, False], counts).tolist()
            found = paired_difference(before, now)
            assert found is not None
            covered += chance * (found.low <= lost - gained <= found.high)
    assert covered >= 0.95


def test_no_parts_and_unequal_ones() -> None:
    assert paired_difference([], []) is None
    with pytest.raises(ShapeError, match="2 parts before and 1 now"):
        paired_difference([True, False], [True])
    with pytest.raises(OptionError, match="confidence"):
        paired_difference([True], [True], 1.5)


def test_escapes_and_overkills_are_told_apart() -> None:
    p, f, r = Verdict.PASS, Verdict.FAIL, Verdict.REVIEW
    defective = [True, True, True, True, False, False, False]
    before, now = [p, p, f, r, f, p, p], [f, p, p, p, p, f, r]
    found = verdict_differences(defective, before, now)
    escapes, overkills = found["escape"], found["overkill"]
    assert escapes is not None
    assert overkills is not None
    assert (escapes.parts, escapes.wrong_before, escapes.wrong_now, escapes.gained, escapes.lost) == (4, 2, 3, 1, 2)
    assert (overkills.parts, overkills.wrong_before, overkills.wrong_now) == (3, 1, 1)
    assert escapes.change == 0.25
    assert verdict_differences([True], [p], [f])["overkill"] is None
    with pytest.raises(ShapeError, match="1 and 2 verdicts of 1 part;"):
        verdict_differences([True], [p], [p, f])


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=60))
def test_paired_shares_by_hand(outcomes: list[tuple[bool, bool]]) -> None:
    before, now = [b for b, _ in outcomes], [n for _, n in outcomes]
    measure = paired_share(before, now)
    assert measure.value == pytest.approx(np.mean(now) - np.mean(before))
    # Wald's interval of the paired differences after half a pair was added to each of the four cells
    gains = [*(int(n) - int(b) for b, n in outcomes)]
    weights = [1.0] * len(gains) + [0.5, 0.5, 0.5, 0.5]
    values = np.array([*gains, 1, -1, 0, 0])
    centre = np.average(values, weights=weights)
    half = 1.959964 * math.sqrt(np.average((values - centre) ** 2, weights=weights) / (len(gains) + 2))
    assert (measure.low, measure.high) == pytest.approx((max(-1, centre - half), min(1, centre + half)), abs=1e-6)


def test_the_change_of_an_auroc_agrees_with_sklearn_and_a_bootstrap() -> None:
    generator = np.random.default_rng(0)
    defective = np.arange(150) < 50
    latent = generator.normal(defective * 1.0)
    before, now = np.round(latent + generator.normal(0, 1, 150), 1), np.round(latent + generator.normal(0, 0.5, 150), 1)
    first, second, change = paired_auroc(defective, before, now)
    assert first == pytest.approx(roc_auc_score(defective, before))
    assert second == pytest.approx(roc_auc_score(defective, now))
    assert change.value == pytest.approx((second or 0) - (first or 0))
    resampled = []
    for _ in range(800):
        bad, good = generator.choice(50, 50), 50 + generator.choice(100, 100)
        resampled.append(pairs_in_order(now[bad], now[good]) - pairs_in_order(before[bad], before[good]))
    assert (change.low, change.high) == pytest.approx(tuple(np.quantile(resampled, [0.025, 0.975])), abs=0.02)
    assert paired_auroc([True, True], [1, 2], [1, 2])[0] is None


def test_a_share_needs_one_decision_of_each_run() -> None:
    assert paired_share([], []).value is None
    with pytest.raises(ShapeError, match="1 part before and 2 now"):
        paired_share([True], [True, False])
