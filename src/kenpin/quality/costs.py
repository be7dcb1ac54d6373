"""What each possible cut of the score costs a part, as expected, and what a threshold did cost on judged parts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.plural import counted
from kenpin.records import Verdict

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Prices:
    """What wrong decisions and reviews cost, in one currency."""

    cost_escape: float
    cost_overkill: float
    cost_review: float | None = None
    """None: a review costs nothing."""
    defect_rate: float | None = None
    """Share of defective parts on the line; None: as in the sample."""


@dataclass(frozen=True, slots=True)
class CutCosts:
    """Expected cost per part of every possible pair of cuts, as a sum of one term for each. All (m,), cuts rising."""

    cuts: Floats
    """A cut lies midway between neighbouring scores; the first is -inf, the last just above the highest score."""
    reviewing: Floats
    """The term of the cut from which parts are reviewed."""
    best_reviewing: Floats
    """The least such term up to each cut from which parts fail; without reviews that of the cut itself."""
    failing: Floats
    """The term of the cut from which parts fail."""

    @property
    def least(self) -> Floats:
        """Cost of failing from each cut on, with the best band of reviews below it."""
        return self.best_reviewing + self.failing


def cut_costs(
    scores: ArrayLike,
    defective: ArrayLike,
    *,
    cost_escape: float,
    cost_overkill: float,
    cost_review: float | None = None,
    defect_rate: float | None = None,
) -> CutCosts:
    """Cost of every cut. scores: (n,), larger is worse; defective: (n,). Raises ShapeError, and OptionError for
    impossible costs or when one kind of part is missing."""
    # Least expected cost under a prior: Duda, Hart & Stork 2001, section 2.2; over the vertices of an empirical ROC
    # curve: Metz 1978; the third choice, to let somebody look: Chow 1970.
    values, is_defective = finite(scores), np.asarray(defective, bool)
    if values.shape != is_defective.shape:
        raise ShapeError(f"{values.shape} scores for {is_defective.shape} truths; give one for each part.")
    for name, price in (("an escape", cost_escape), ("an overkill", cost_overkill), ("a review", cost_review)):
        if price is not None and not 0 <= price < math.inf:
            raise OptionError(f"the cost of {name} is {price}; give a finite number that is not negative.")
    defective_count, ok_count, prior = _kinds(is_defective, defect_rate)
    distinct, level = np.unique(values, return_inverse=True)
    # shares of all parts, defective and OK, that lie below each of the m + 1 possible cuts
    defective_below = _below(level[is_defective], len(distinct)) * (prior / defective_count)
    ok_below = _below(level[~is_defective], len(distinct)) * ((1 - prior) / ok_count)
    # the parts between the two cuts are reviewed, so the cost is a sum of one term for each cut
    reviewed_below: Floats = (cost_review or 0.0) * (defective_below + ok_below)
    reviewing: Floats = cost_escape * defective_below - reviewed_below
    return CutCosts(
        cuts=np.concatenate([[-math.inf], _midway(distinct), [np.nextafter(distinct[-1], math.inf)]]),
        reviewing=reviewing,
        best_reviewing=reviewing if cost_review is None else np.minimum.accumulate(reviewing),
        failing=reviewed_below + cost_overkill * (1 - prior - ok_below),
    )


def realised_cost(
    verdicts: Sequence[Verdict],
    defective: ArrayLike,
    *,
    cost_escape: float,
    cost_overkill: float,
    cost_review: float | None = None,
    defect_rate: float | None = None,
) -> float:
    """Mean cost per part of decisions that were taken, each kind of part weighed by `defect_rate`; None: as they came.

    A REVIEW without a price costs nothing. Raises ShapeError, OptionError.
    """
    is_defective = np.asarray(defective, bool)
    if is_defective.shape != (len(verdicts),):
        raise ShapeError(
            f"{is_defective.shape} truths for {counted(len(verdicts), 'verdict')}; give one for each part."
        )
    of_good = {Verdict.PASS: 0.0, Verdict.FAIL: cost_overkill, Verdict.REVIEW: cost_review or 0.0}
    of_defective = {Verdict.PASS: cost_escape, Verdict.FAIL: 0.0, Verdict.REVIEW: cost_review or 0.0}
    costs = np.where(is_defective, [of_defective[one] for one in verdicts], [of_good[one] for one in verdicts])
    _, _, prior = _kinds(is_defective, defect_rate)
    return float(prior * costs[is_defective].mean() + (1 - prior) * costs[~is_defective].mean())


def finite(scores: ArrayLike) -> Floats:
    """The scores, (n,). Raises ShapeError where one is not finite."""
    values = np.asarray(scores, np.float64)
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ShapeError(f"scores of shape {values.shape} must be one row of finite numbers; leave other parts out.")
    return values


def _kinds(is_defective: NDArray[np.bool_], defect_rate: float | None) -> tuple[int, int, float]:
    """Numbers of defective and OK parts, and the share of defective ones that costs are weighed with."""
    defective_count = int(is_defective.sum())
    ok_count = len(is_defective) - defective_count
    if not defective_count or not ok_count:
        raise OptionError(
            f"costs need scored OK and defective parts for a threshold, and there are {ok_count} and "
            f"{defective_count}; add those of the missing kind."
        )
    if defect_rate is not None and not 0 < defect_rate < 1:
        raise OptionError(f"a defect rate of {defect_rate} leaves nothing to decide; give one between 0 and 1.")
    return defective_count, ok_count, defective_count / len(is_defective) if defect_rate is None else defect_rate


def _below(level: NDArray[np.int64], level_count: int) -> NDArray[np.int64]:
    """How many of these parts lie below each possible cut, (level_count + 1,)."""
    return np.concatenate([[0], np.cumsum(np.bincount(level, minlength=level_count))])


def _midway(distinct: Floats) -> Floats:
    """Cuts between neighbours: above the lower one, at most at the upper one, even where nothing lies between."""
    lower, upper = distinct[:-1], distinct[1:]
    return np.clip(lower + (upper - lower) / 2, np.nextafter(lower, math.inf), upper)
