"""How much a rate of wrong decisions changed between two runs that judged the same parts, exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.errors import ShapeError
from kenpin.plural import counted
from kenpin.quality.bounds import clopper_pearson
from kenpin.quality.planning import Wrong
from kenpin.records import Verdict


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
    if len(before) != len(now):
        raise ShapeError(
            f"{counted(len(before), 'part')} before and {len(now)} now; give one decision of each run for each part."
        )
    lost = sum(n and not b for b, n in zip(before, now, strict=True))
    gained = sum(b and not n for b, n in zip(before, now, strict=True))
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


def mcnemar(regressions: int, improvements: int) -> float:
    """Two-sided p-value of as many changes in each direction; 1 where nothing changed.

    # McNemar 1947, by the binomial distribution instead of its chi-square approximation (Agresti 2002, section 10.1).
    """
    from scipy.stats import binomtest

    changed = regressions + improvements
    return float(binomtest(regressions, changed).pvalue) if changed else 1.0
