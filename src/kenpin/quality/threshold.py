"""Where to cut the score: from what wrong decisions cost, or from good parts alone; and the verdict that follows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.quality.bounds import at_most
from kenpin.quality.conformal import FEW, p_value
from kenpin.quality.costs import Floats, cut_costs, finite
from kenpin.quality.planning import percent_down
from kenpin.records import Judgement, Prediction, Threshold, Verdict

_SAME_COST = 1e-12  # relative: sums of the same costs in another order differ by rounding
_STRONGEST = 3  # items named in a reason
_GOOD_PASSED = 0.99
_CONFIDENCE = 0.95


def threshold_from_costs(
    scores: ArrayLike,
    defective: ArrayLike,
    *,
    cost_escape: float,
    cost_overkill: float,
    cost_review: float | None = None,
    defect_rate: float | None = None,
    basis: str,
) -> Threshold:
    """The cut, or with `cost_review` the two cuts, of least expected cost per part; exact over all possible cuts.

    scores: (n,), larger is worse; defective: (n,). `defect_rate`: share of defective parts in production; None: as in
    the sample. A cut lies midway between neighbouring scores; one above all scores lies just above the highest, one
    below all is -inf, so that a part beyond anything seen fails. Among equal costs the lowest cuts win: fewer parts
    pass, and of those that do not, fewer are reviewed. An empty review band means that reviewing never pays.
    Raises ShapeError, and OptionError for impossible costs or when one kind of part is missing.
    """
    found = cut_costs(
        scores,
        defective,
        cost_escape=cost_escape,
        cost_overkill=cost_overkill,
        cost_review=cost_review,
        defect_rate=defect_rate,
    )
    cuts, cost = found.cuts, found.least
    tolerance = _SAME_COST * max(cost_escape, cost_overkill, cost_review or 0.0)
    fail = _first(cost <= cost.min() + tolerance)
    review = _first(found.reviewing[: fail + 1] <= found.best_reviewing[fail] + tolerance)
    return Threshold(
        fail_from=float(cuts[fail]),
        review_from=None if cost_review is None else float(cuts[review]),
        basis=basis,
        cost_escape=cost_escape,
        cost_overkill=cost_overkill,
        cost_review=cost_review,
        expected_cost=float(cost[fail]),
        defect_rate=defect_rate,
    )


def threshold_from_quantile(good_scores: ArrayLike, quantile: float, basis: str) -> Threshold:
    """The cut that lets this share of good parts pass, for a unit space that knows no defective ones.

    good_scores: (n,), of parts that the unit space was not fitted on. How uncertain the cut is, `quantile_interval`
    tells. Raises ShapeError, and OptionError unless the sample reaches the quantile: one part above it at least.
    """
    # Weibull's plotting position k / (n + 1) is the expected share of new parts below the k-th of n scores, whatever
    # their distribution (David & Nagaraja 2003, section 2.5); the usual interpolation is too low for small samples.
    values = _good(good_scores, quantile)
    needed = math.ceil(max(quantile / (1 - quantile), (1 - quantile) / quantile) - 1e-9)
    if len(values) < needed:
        raise OptionError(
            f"{counted(len(values), 'good part')} cannot show the {quantile:g} quantile of their scores; give at least "
            f"{needed}, or ask for a quantile nearer to one half."
        )
    return Threshold(float(np.quantile(values, quantile, method="weibull")), None, basis)


def threshold_from_good_parts(good_scores: ArrayLike, parts: str) -> Threshold:
    """The cut that good parts alone give, and in its basis what that cut is worth.

    good_scores: (n,), of parts that the inspector did not learn from; parts: what they are called. From 100 parts on
    99 % of them pass; fewer do not show that share, so the cut lies just above their largest score, which a new good
    part exceeds with chance 1 / (n + 1) at most. Raises ShapeError, and OptionError where there is none.
    # Share of good parts below the k-th of n scores ~ Beta(k, n - k + 1), whatever their distribution (Wilks 1941):
    # its lower bound is what Clopper and Pearson's upper one of n - k in n leaves.
    """
    values = finite(good_scores)
    count = len(values)
    if not count:
        raise OptionError("a threshold by good parts alone needs some; give at least 1.")
    is_few = count <= FEW
    if count * (1 - _GOOD_PASSED) >= 1 - 1e-9:
        cut = threshold_from_quantile(values, _GOOD_PASSED, "").fail_from
        how = f"{_GOOD_PASSED * 100:g} % of {count} good {parts} pass"
    else:
        cut = math.nextafter(float(values.max()), math.inf)  # a part fails that reaches the cut
        how = f"the cut lies above the largest score of {count} good {parts}"
    below = count - int((values < cut).sum())
    passed = 1 - (at_most(below, count, _CONFIDENCE) or 0.0)
    worth = f"with {_CONFIDENCE * 100:g} % confidence at least {percent_down(passed)} of good parts pass"
    if is_few:
        worth = (
            f"of new good parts at most 1 in {count + 1} fails in the long run, the smallest false-alarm rate that so "
            f"few can promise, and {worth}"
        )
    return Threshold(
        cut,
        None,
        f"{how}: {worth}; there was no defective part, so costs could not decide, and how many escape is unknown.",
        good_scores=tuple(values.tolist()) if is_few else None,
    )


def quantile_interval(
    good_scores: ArrayLike, quantile: float, confidence: float = 0.95
) -> tuple[float | None, float | None]:
    """Two of the scores between which the quantile lies with at least that confidence; None: no score bounds it.

    Raises ShapeError, and OptionError for a quantile or confidence outside 0 to 1.
    """
    from scipy.stats import binom

    # The number of parts below the quantile is binomial, so order statistics bound it without any distribution
    # (David & Nagaraja 2003, section 7.1).
    values = np.sort(_good(good_scores, quantile))
    if not 0 < confidence < 1:
        raise OptionError(f"a confidence of {confidence} is impossible; give one between 0 and 1, such as 0.95.")
    tail = (1 - confidence) / 2
    below = binom.cdf(np.arange(len(values)), len(values), quantile)  # chance that at most i parts lie below
    lows, highs = np.flatnonzero(below <= tail), np.flatnonzero(below >= 1 - tail)
    return (float(values[lows[-1]]) if len(lows) else None), (float(values[highs[0]]) if len(highs) else None)


def judge(prediction: Prediction, threshold: Threshold) -> Judgement:
    """PASS, FAIL or REVIEW, and why. A part without a score is never passed: somebody must look at it."""
    score = prediction.defect_score
    if score is None or math.isnan(score):
        return Judgement(prediction.id, Verdict.REVIEW, None, ("The inspector gave no score, so a person must look.",))
    verdict = verdict_of(score, threshold)
    reasons = [_reason(score, verdict, threshold)]
    if threshold.good_scores:
        reasons.append(_rank(score, threshold.good_scores))
    if prediction.label is not None:
        chance = (prediction.probabilities or {}).get(prediction.label)
        reasons.append(
            f"It looks like {prediction.label}" + (f" (probability {chance:.2f})." if chance is not None else ".")
        )
    if prediction.contributions and verdict is not Verdict.PASS:
        strongest = sorted(prediction.contributions.items(), key=lambda item: -item[1])[:_STRONGEST]
        reasons.append("Most of the distance comes from " + ", ".join(name for name, _ in strongest) + ".")
    return Judgement(prediction.id, verdict, score, tuple(reasons))


def _reason(score: float, verdict: Verdict, threshold: Threshold) -> str:
    fail_from, pass_below = f"{threshold.fail_from:.4g}", f"{_pass_below(threshold):.4g}"
    if threshold.fail_from == -math.inf:
        why = "the scores do not separate good parts from defective ones"
        return f"The score {score:.4g} fails, as every score does: {why}."
    if verdict is Verdict.FAIL:
        return f"The score {score:.4g} reaches {fail_from}, from which parts fail."
    if verdict is Verdict.REVIEW and not passes_something(threshold):
        return f"The score {score:.4g} lies below {fail_from}; no score passes, so a person must look."
    if verdict is Verdict.REVIEW:
        return f"The score {score:.4g} lies from {pass_below} to {fail_from}, where a person must look."
    return f"The score {score:.4g} lies below {pass_below}, up to which parts pass."


def _rank(score: float, good_scores: tuple[float, ...]) -> str:
    """Where a score stands among those of a few good parts, each of which was judged without itself."""
    count = len(good_scores)
    as_high = sum(good >= score for good in good_scores)
    least = ", the smallest that so few can give" if not as_high else ""
    return (
        f"Of {counted(count, 'good part')} held out in turn {as_high or 'none'} {'scores' if as_high < 2 else 'score'} "
        f"as high: p = {p_value(good_scores, score):.2g}{least}."
    )


def passes_something(threshold: Threshold) -> bool:
    """Whether there is any score that a part could pass with."""
    return _pass_below(threshold) > -math.inf


def verdict_of(score: float, threshold: Threshold) -> Verdict:
    """The side of the threshold's cuts that a score lies on."""
    if score >= threshold.fail_from:
        return Verdict.FAIL
    return Verdict.REVIEW if score >= _pass_below(threshold) else Verdict.PASS


def _pass_below(threshold: Threshold) -> float:
    return threshold.fail_from if threshold.review_from is None else threshold.review_from


def _good(scores: ArrayLike, quantile: float) -> Floats:
    values = finite(scores)
    if not 0 < quantile < 1:
        raise OptionError(f"a quantile of {quantile} is impossible; give one between 0 and 1, such as 0.99.")
    return values


def _first(chosen: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(chosen)[0])
