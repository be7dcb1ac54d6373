"""How much a rate, a share or an AUROC changed between two runs that judged the same parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted
from kenpin.quality.bounds import clopper_pearson
from kenpin.quality.costs import Prices, realised_cost
from kenpin.quality.planning import Wrong
from kenpin.records import Measure, Verdict

Floats = NDArray[np.float64]
_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """A rate now minus before, on the same parts."""

    parts: int
    wrong_before: int
    gained: int
    """Parts that were wrong before and are right now."""
    lost: int
    """Parts that were right before and are wrong now."""
    change: float
    """Rate of wrong parts now minus before."""
    low: float
    high: float
    p_value: float
    """Chance of so uneven a change if neither run were better: exact McNemar test."""

    @property
    def wrong_now(self) -> int:
        """Parts that are wrong now."""
        return self.wrong_before + self.lost - self.gained


def paired_difference(before: Sequence[bool], now: Sequence[bool], confidence: float = 0.95) -> PairedDifference | None:
    """Change of the rate of wrong parts with an exact interval; None without parts.

    before, now: n each, whether each run was wrong of the same part. Raises ShapeError, OptionError.
    """
    # The change is the difference of two multinomial shares, lost and gained. Clopper & Pearson's interval of each at
    # half the error (Bonferroni) holds whatever the true shares: wider than an approximation, and never less sure.
    lost, gained = _turned(before, now)
    half_sure = 1 - (1 - confidence) / 2
    losses = clopper_pearson(lost, len(now), half_sure)
    gains = clopper_pearson(gained, len(now), half_sure)
    if losses is None or gains is None:
        return None
    return PairedDifference(
        parts=len(now),
        wrong_before=sum(before),
        gained=gained,
        lost=lost,
        change=(lost - gained) / len(now),
        low=losses[0] - gains[1],
        high=losses[1] - gains[0],
        p_value=mcnemar(lost, gained),
    )


def verdict_differences(
    defective: Sequence[bool], before: Sequence[Verdict], now: Sequence[Verdict], confidence: float = 0.95
) -> dict[Wrong, PairedDifference | None]:
    """How the rates of escapes and of overkills changed; n each, the same parts. Raises ShapeError, OptionError."""
    if not len(defective) == len(before) == len(now):
        raise ShapeError(
            f"{len(before)} and {counted(len(now), 'verdict')} of {counted(len(defective), 'part')}; give one of each "
            "run."
        )

    def change(side: bool, wrong: Verdict) -> PairedDifference | None:
        places = [place for place, bad in enumerate(defective) if bad is side]
        were, are = ([said[place] is wrong for place in places] for said in (before, now))
        return paired_difference(were, are, confidence)

    return {"escape": change(True, Verdict.PASS), "overkill": change(False, Verdict.FAIL)}


@dataclass(frozen=True, slots=True)
class CostDifference:
    """Mean cost of a part now and before, on the same parts."""

    before: float
    now: float
    low: float
    """Bounds of the change from before to now."""
    high: float

    @property
    def change(self) -> float:
        """Cost now minus before; below 0 it became cheaper."""
        return self.now - self.before


def paired_cost(
    defective: Sequence[bool],
    before: Sequence[Verdict],
    now: Sequence[Verdict],
    prices: Prices,
    confidence: float = 0.95,
) -> CostDifference | None:
    """Change of the cost of a part with an exact interval; None without parts of both kinds.

    Each kind of part is weighed by the defect rate of the prices, or by its share of these parts, which then counts as
    known. Raises ShapeError, OptionError.
    """
    # The change is a sum of changed rates, of escapes, overkills and reviews of either kind, each times its price.
    # Their intervals at a share of the error (Bonferroni) hold together whatever the true rates; so does their sum.
    if len(set(map(bool, defective))) < 2:
        return None
    costs = [realised_cost(said, defective, **asdict(prices)) for said in (before, now)]
    rate = sum(map(bool, defective)) / len(defective) if prices.defect_rate is None else prices.defect_rate
    terms = [(True, Verdict.PASS, prices.cost_escape), (False, Verdict.FAIL, prices.cost_overkill)]
    if prices.cost_review is not None:
        terms += [(side, Verdict.REVIEW, prices.cost_review) for side in (True, False)]
    low = high = 0.0
    for side, verdict, price in terms:
        own = [place for place, bad in enumerate(defective) if bool(bad) is side]
        were, are = ([said[place] is verdict for place in own] for said in (before, now))
        found = paired_difference(were, are, 1 - (1 - confidence) / len(terms))
        assert found is not None, "there are parts of both kinds"
        weight = price * (rate if side else 1 - rate)
        low, high = low + weight * found.low, high + weight * found.high
    return CostDifference(costs[0], costs[1], low, high)


def paired_share(before: Sequence[bool], now: Sequence[bool]) -> Measure:
    """Share now minus share before on the same parts, with its 95 % interval; None without parts. Raises ShapeError."""
    # Agresti & Min 2005: Wald's interval after adding one half to each cell of the 2 x 2 table. It covers 95 % on
    # average, and is narrower than that of `paired_difference`, which never covers less.
    gained, lost = _turned(before, now)
    parts = len(now)
    if not parts:
        return Measure(None)
    centre = (gained - lost) / (parts + 2)
    half = _Z * max(0.0, (gained + lost + 1) - (gained - lost) ** 2 / (parts + 2)) ** 0.5 / (parts + 2)
    return Measure((gained - lost) / parts, max(-1.0, centre - half), min(1.0, centre + half))


def paired_auroc(defective: ArrayLike, before: ArrayLike, now: ArrayLike) -> tuple[float | None, float | None, Measure]:
    """AUROC before and now on the same parts, and its change with a 95 % interval; None without both kinds."""
    # DeLong, DeLong & Clarke-Pearson 1988: an AUROC is a mean of placements, so the change is a mean of differences.
    is_defective = np.asarray(defective, bool)
    if is_defective.all() or not is_defective.any():
        return None, None, Measure(None)
    below, above = _placements(is_defective, np.asarray(before, np.float64))
    below_now, above_now = _placements(is_defective, np.asarray(now, np.float64))
    change = float((below_now - below).mean())
    measure = Measure(change)
    if min(len(below), len(above)) > 1:
        half = _Z * (_variance_of_mean(below_now - below) + _variance_of_mean(above_now - above)) ** 0.5
        if half > 0:  # where nothing varies, nothing is known of chance
            measure = Measure(change, max(-1.0, change - half), min(1.0, change + half))
    return float(below.mean()), float(below_now.mean()), measure


def mcnemar(regressions: int, improvements: int) -> float:
    """Two-sided p-value of as many changes in each direction; 1 where nothing changed.

    # McNemar 1947, by the binomial distribution instead of its chi-square approximation (Agresti 2002, section 10.1).
    """
    from scipy.stats import binomtest

    changed = regressions + improvements
    return float(binomtest(regressions, changed).pvalue) if changed else 1.0


def _turned(before: Sequence[bool], now: Sequence[bool]) -> tuple[int, int]:
    """How many parts became true, and how many false. Raises ShapeError."""
    if len(before) != len(now):
        raise ShapeError(
            f"{counted(len(before), 'part')} before and {len(now)} now; give one decision of each run for each part."
        )
    pairs = list(zip(before, now, strict=True))
    return sum(n and not b for b, n in pairs), sum(b and not n for b, n in pairs)


def _variance_of_mean(values: Floats) -> float:
    return float(values.var(ddof=1) / len(values))


def _placements(defective: NDArray[np.bool_], scores: Floats) -> tuple[Floats, Floats]:
    """Of each defective part the share of OK parts below it, of each OK part the share of defective ones above it."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)  # ties share their mean rank, which counts them one half
    worse, fine = scores[defective], scores[~defective]
    below = (ranks[defective] - rankdata(worse)) / len(fine)
    above = 1 - (ranks[~defective] - rankdata(fine)) / len(worse)
    return below, above
