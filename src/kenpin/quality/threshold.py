"""Where to cut the score: from what wrong decisions cost, or from good parts alone; and the verdict that follows."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.records import Judgement, Prediction, Threshold, Verdict

Floats = NDArray[np.float64]

_SAME_COST = 1e-12  # relative: sums of the same costs in another order differ by rounding
_STRONGEST = 3  # items named in a reason


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
    # Least expected cost under a prior: Duda, Hart & Stork 2001, section 2.2; over the vertices of an empirical ROC
    # curve: Metz 1978; the third choice, to let somebody look: Chow 1970.
    values, is_defective = _finite(scores), np.asarray(defective, bool)
    if values.shape != is_defective.shape:
        raise ShapeError(f"{values.shape} scores for {is_defective.shape} truths; give one for each part.")
    for name, price in (("an escape", cost_escape), ("an overkill", cost_overkill), ("a review", cost_review)):
        if price is not None and not 0 <= price < math.inf:
            raise OptionError(f"the cost of {name} is {price}; give a finite number that is not negative.")
    defective_count = int(is_defective.sum())
    ok_count = len(values) - defective_count
    if not defective_count or not ok_count:
        raise OptionError(
            f"costs need scored OK and defective parts to settle a threshold, and there are {ok_count} and "
            f"{defective_count}; add the missing kind, or take the threshold from a quantile of good parts."
        )
    if defect_rate is not None and not 0 < defect_rate < 1:
        raise OptionError(f"a defect rate of {defect_rate} leaves nothing to decide; give one between 0 and 1.")
    prior = defective_count / len(values) if defect_rate is None else defect_rate

    distinct, level = np.unique(values, return_inverse=True)
    # shares of all parts, defective and OK, that lie below each of the m + 1 possible cuts
    defective_below = _below(level[is_defective], len(distinct)) * (prior / defective_count)
    ok_below = _below(level[~is_defective], len(distinct)) * ((1 - prior) / ok_count)
    escapes, overkills = cost_escape * defective_below, cost_overkill * (1 - prior - ok_below)
    cuts = np.concatenate([[-math.inf], _midway(distinct), [np.nextafter(distinct[-1], math.inf)]])
    tolerance = _SAME_COST * max(cost_escape, cost_overkill, cost_review or 0.0)
    # the parts between the two cuts are reviewed, so the cost is a sum of one term for each cut
    reviewed_below: Floats = (cost_review or 0.0) * (defective_below + ok_below)
    review_term: Floats = escapes - reviewed_below
    best_review_term = escapes if cost_review is None else np.minimum.accumulate(review_term)
    cost = best_review_term + reviewed_below + overkills
    fail = _first(cost <= cost.min() + tolerance)
    review = _first(review_term[: fail + 1] <= best_review_term[fail] + tolerance)
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
            f"{len(values)} good parts cannot show the {quantile:g} quantile of their scores; give at least {needed}, "
            "or ask for a quantile nearer to one half."
        )
    return Threshold(float(np.quantile(values, quantile, method="weibull")), None, basis)


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
        raise OptionError(f"a confidence of {confidence} cannot be had; give one between 0 and 1, such as 0.95.")
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
        return f"The score {score:.4g} fails as any score does: the scores do not separate good parts from defective."
    if verdict is Verdict.FAIL:
        return f"The score {score:.4g} reaches {fail_from}, from which parts fail."
    if verdict is Verdict.REVIEW and not passes_something(threshold):
        return f"The score {score:.4g} lies below {fail_from}; no score passes, so a person must look."
    if verdict is Verdict.REVIEW:
        return f"The score {score:.4g} lies from {pass_below} to {fail_from}, where a person must look."
    return f"The score {score:.4g} lies below {pass_below}, up to which parts pass."


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


def _finite(scores: ArrayLike) -> Floats:
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ShapeError(f"scores of shape {values.shape} must be one row of finite numbers; leave other parts out.")
    return values


def _good(scores: ArrayLike, quantile: float) -> Floats:
    values = _finite(scores)
    if not 0 < quantile < 1:
        raise OptionError(f"no score stands at quantile {quantile}; give one between 0 and 1, such as 0.99.")
    return values


def _first(chosen: NDArray[np.bool_]) -> int:
    return int(np.flatnonzero(chosen)[0])


def _below(level: NDArray[np.int64], level_count: int) -> NDArray[np.int64]:
    """How many of these parts lie below each possible cut, (level_count + 1,)."""
    return np.concatenate([[0], np.cumsum(np.bincount(level, minlength=level_count))])


def _midway(distinct: Floats) -> Floats:
    """Cuts between neighbours: above the lower one, at most at the upper one, even where nothing lies between."""
    lower, upper = distinct[:-1], distinct[1:]
    return np.clip(lower + (upper - lower) / 2, np.nextafter(lower, math.inf), upper)
