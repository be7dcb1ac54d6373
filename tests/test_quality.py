"""Thresholds are the best there are, bounds are exact, and no part without a score passes."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest

from kenpin.errors import OptionError, ShapeError
from kenpin.quality import bounds
from kenpin.quality.threshold import judge, quantile_interval, threshold_from_costs, threshold_from_quantile, verdict_of
from kenpin.records import Prediction, Threshold, Verdict

parts = st.lists(st.tuples(st.booleans(), st.integers(-3, 5).map(float)), min_size=2, max_size=25).filter(
    lambda rows: len({defective for defective, _ in rows}) == 2
)
costs = st.sampled_from([0.0, 0.5, 1.0, 3.0, 10.0, 200.0])


def mean_cost(
    rows: list[tuple[bool, float]],
    cut: Threshold,
    prices: tuple[float, float, float | None],
    defect_rate: float | None,
) -> float:
    """Cost per part from the verdicts alone, a second derivation."""
    escape, overkill, review = prices
    count = sum(defective for defective, _ in rows)
    rate = count / len(rows) if defect_rate is None else defect_rate
    total = 0.0
    for defective, score in rows:
        weight = rate / count if defective else (1 - rate) / (len(rows) - count)
        verdict = verdict_of(score, cut)
        if verdict is Verdict.REVIEW:
            total += weight * (review or 0.0)
        elif verdict is Verdict.PASS and defective:
            total += weight * escape
        elif verdict is Verdict.FAIL and not defective:
            total += weight * overkill
    return total


@given(parts, costs, costs, st.none() | costs, st.none() | st.sampled_from([0.001, 0.3]))
@example([(False, 0.0), (True, 1.0)], 1.0, 1.0, None, None)
def test_no_cut_is_cheaper(
    rows: list[tuple[bool, float]], escape: float, overkill: float, review: float | None, defect_rate: float | None
) -> None:
    chosen = threshold_from_costs(
        [score for _, score in rows],
        [defective for defective, _ in rows],
        cost_escape=escape,
        cost_overkill=overkill,
        cost_review=review,
        defect_rate=defect_rate,
        basis="test",
    )
    prices = (escape, overkill, review)
    scores = sorted({score for _, score in rows})
    cuts = [-math.inf, *(score + 0.5 for score in scores)]
    alternatives = [
        Threshold(fail, low, "brute force")
        for fail in cuts
        for low in ([None] if review is None else [cut for cut in cuts if cut <= fail])
    ]
    by_cost = [mean_cost(rows, cut, prices, defect_rate) for cut in alternatives]
    assert mean_cost(rows, chosen, prices, defect_rate) == pytest.approx(min(by_cost), abs=1e-9)
    assert chosen.expected_cost == pytest.approx(min(by_cost), abs=1e-9)
    equal = [cut for cut, cost in zip(alternatives, by_cost, strict=True) if cost <= min(by_cost) + 1e-9]

    def verdicts(cut: Threshold) -> list[Verdict]:
        return [verdict_of(score, cut) for score in scores]

    safest = min(equal, key=lambda cut: (verdicts(cut).count(Verdict.PASS), verdicts(cut).count(Verdict.REVIEW)))
    assert verdicts(chosen) == verdicts(safest)


def cut_of(scores: list[float], defective: list[bool], **prices: float) -> Threshold:
    given_prices = {"cost_escape": 10.0, "cost_overkill": 1.0, **prices}
    return threshold_from_costs(scores, defective, basis="test", **given_prices)


def test_a_cut_lies_midway_and_beyond_the_sample_everything_fails() -> None:
    assert cut_of([1.0, 2.0, 4.0, 9.0], [False, False, True, True]).fail_from == 3.0
    all_fail = cut_of([1.0, 2.0], [True, False], cost_escape=1e6)
    assert all_fail.fail_from == -math.inf
    none_fail = cut_of([1.0, 2.0], [True, False], cost_overkill=1e6)
    assert verdict_of(2.0, none_fail) is Verdict.PASS
    assert verdict_of(2.001, none_fail) is Verdict.FAIL


def test_a_cut_between_neighbouring_floats_separates_them() -> None:
    low, high = 1.0, math.nextafter(1.0, 2.0)
    cut = cut_of([low, high], [False, True])
    assert (verdict_of(low, cut), verdict_of(high, cut)) == (Verdict.PASS, Verdict.FAIL)


def test_a_rare_defect_raises_the_cut_and_a_dear_escape_lowers_it() -> None:
    generator = np.random.default_rng(0)
    defective = generator.random(2_000) < 0.5
    scores = generator.normal(2.0 * defective).tolist()
    as_sampled = cut_of(scores, defective.tolist())
    assert cut_of(scores, defective.tolist(), defect_rate=0.001).fail_from > as_sampled.fail_from
    assert cut_of(scores, defective.tolist(), cost_escape=1_000.0).fail_from < as_sampled.fail_from


def test_the_optimum_is_where_theory_puts_it() -> None:
    # N(0, 1) against N(2, 1), equal shares: cut at 1 - ln(escape / overkill) / 2
    generator = np.random.default_rng(1)
    defective = np.arange(200_000) % 2 == 0
    scores = generator.normal(2.0 * defective)
    chosen = threshold_from_costs(scores, defective, cost_escape=5.0, cost_overkill=1.0, basis="test")
    assert chosen.fail_from == pytest.approx(1 - math.log(5) / 2, abs=0.06)


def test_a_review_band_opens_only_when_it_pays() -> None:
    scores, defective = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0], [False, False, True, False, True, True]
    cheap, dear = cut_of(scores, defective, cost_review=0.1), cut_of(scores, defective, cost_review=50.0)
    assert (cheap.review_from, cheap.fail_from) == (1.5, 3.5)
    assert dear.review_from == dear.fail_from


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cost_escape": -1.0}, "cost of an escape is -1"),
        ({"cost_review": math.nan}, "cost of a review is nan"),
        ({"defect_rate": 1.0}, "defect rate of 1"),
    ],
)
def test_impossible_costs_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(OptionError, match=message):
        cut_of([0.0, 1.0], [False, True], **change)


def test_costs_need_both_kinds_and_finite_scores() -> None:
    with pytest.raises(OptionError, match="there are 2 and 0"):
        cut_of([0.0, 1.0], [False, False])
    with pytest.raises(ShapeError, match="finite"):
        cut_of([0.0, math.inf], [False, True])
    with pytest.raises(ShapeError, match="one for each part"):
        cut_of([0.0], [False, True])


def test_a_quantile_cut_passes_the_promised_share_of_new_good_parts() -> None:
    generator = np.random.default_rng(4)
    passed = [
        np.mean(
            generator.exponential(size=500)
            < threshold_from_quantile(generator.exponential(size=60), 0.95, "").fail_from
        )
        for _ in range(400)
    ]
    assert np.mean(passed) == pytest.approx(0.95, abs=0.005)


def test_a_quantile_beyond_the_sample_is_refused_with_the_number_needed() -> None:
    with pytest.raises(OptionError, match="at least 99"):
        threshold_from_quantile(np.arange(98.0), 0.99, "")
    assert threshold_from_quantile(np.arange(99.0), 0.99, "").fail_from == 98.0
    with pytest.raises(OptionError, match="quantile of 1"):
        threshold_from_quantile(np.arange(9.0), 1.0, "")


def test_the_quantile_interval_covers_and_is_open_where_no_score_bounds_it() -> None:
    generator = np.random.default_rng(6)
    covered = 0
    for _ in range(500):
        low, high = quantile_interval(generator.random(200), 0.9)
        assert low is not None
        assert high is not None
        covered += low <= 0.9 <= high
    assert 0.94 <= covered / 500 <= 0.995
    assert quantile_interval(np.arange(50.0), 0.99)[1] is None
    assert quantile_interval([1.0], 0.5) == (None, None)


@given(
    st.integers(1, 400).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.sampled_from([0.9, 0.95, 0.99])
)
def test_exact_bounds_agree_with_scipy(case: tuple[int, int], confidence: float) -> None:
    events, count = case
    expected = binomtest(events, count).proportion_ci(confidence, method="exact")
    assert bounds.clopper_pearson(events, count, confidence) == pytest.approx((expected.low, expected.high), abs=1e-9)
    one_sided = binomtest(events, count, alternative="less").proportion_ci(confidence, method="exact")
    assert bounds.at_most(events, count, confidence) == pytest.approx(one_sided.high, abs=1e-9)


def test_known_bounds() -> None:
    assert bounds.at_most(0, 59) == pytest.approx(1 - 0.05 ** (1 / 59))
    assert bounds.parts_needed(0.05) == 59
    assert bounds.parts_needed(0.01) == 299
    assert bounds.parts_needed(0.01, events=1) == 473
    assert bounds.at_most(0, 0) is None
    assert bounds.clopper_pearson(0, 0) is None


@given(st.floats(0.005, 0.9), st.integers(0, 5))
def test_parts_needed_is_the_least_number(rate: float, events: int) -> None:
    needed = bounds.parts_needed(rate, events)
    # the bound is at most `rate` exactly when that few events would be unlikely at `rate`
    assert binom.cdf(events, needed, rate) <= 0.05 + 1e-9
    assert needed - 1 <= events or binom.cdf(events, needed - 1, rate) > 0.05 - 1e-9


def test_impossible_counts_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 events in 2 parts"):
        bounds.at_most(3, 2)
    with pytest.raises(OptionError, match="confidence"):
        bounds.clopper_pearson(1, 2, 1.0)
    with pytest.raises(OptionError, match="rate"):
        bounds.parts_needed(0.0)


BAND = Threshold(fail_from=0.8, review_from=0.5, basis="test")


@pytest.mark.parametrize(
    ("score", "verdict"),
    [
        (0.8, Verdict.FAIL),
        (0.79, Verdict.REVIEW),
        (0.5, Verdict.REVIEW),
        (0.49, Verdict.PASS),
        (math.inf, Verdict.FAIL),
    ],
)
def test_verdicts_at_the_cuts(score: float, verdict: Verdict) -> None:
    assert judge(Prediction("a", defect_score=score), BAND).verdict is verdict


@pytest.mark.parametrize("score", [None, math.nan])
def test_a_part_without_a_score_is_reviewed(score: float | None) -> None:
    judgement = judge(Prediction("a", defect_score=score), BAND)
    assert (judgement.verdict, judgement.score) == (Verdict.REVIEW, None)
    assert "no score" in judgement.reasons[0]


def test_reasons_tell_score_cut_name_and_strongest_items() -> None:
    prediction = Prediction(
        "a", label="crack", probabilities={"crack": 0.91}, defect_score=0.912, contributions={"x1": 0.2, "x2": 3.0}
    )
    reasons = " ".join(judge(prediction, BAND).reasons)
    assert "0.912 reaches 0.8" in reasons
    assert "crack (probability 0.91)" in reasons
    assert "x2, x1" in reasons
    no_band = Threshold(0.8, None, "test")
    assert "below 0.8" in judge(Prediction("a", defect_score=0.1), no_band).reasons[0]
    assert "from 0.5 to 0.8" in judge(Prediction("a", defect_score=0.6), BAND).reasons[0]


def test_a_threshold_that_nothing_passes_is_said_in_words() -> None:
    everything_fails = judge(Prediction("a", defect_score=0.1), Threshold(-math.inf, None, "made"))
    assert everything_fails.verdict is Verdict.FAIL
    assert "do not separate" in everything_fails.reasons[0]
    reviewed = judge(Prediction("a", defect_score=0.1), Threshold(0.5, -math.inf, "made"))
    assert reviewed.verdict is Verdict.REVIEW
    assert "no score passes" in reviewed.reasons[0]
    assert "inf" not in everything_fails.reasons[0] + reviewed.reasons[0]
