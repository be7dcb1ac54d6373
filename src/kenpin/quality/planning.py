"""How many parts a claim about a rate takes, what they showed in one sentence, and the chance that a claim succeeds."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.quality.bounds import at_most, parts_needed

Wrong = Literal["escape", "overkill"]
PARTS_OF: dict[Wrong, str] = {"escape": "NG", "overkill": "OK"}
_DIGITS = 2  # of a bound in a sentence


@dataclass(frozen=True, slots=True)
class Plan:
    """A test that shows a rate of wrong decisions to be at most `rate`."""

    wrong: Wrong
    rate: float
    confidence: float
    allowed: int
    """Wrong decisions up to which the claim stands."""
    parts: int
    """NG parts for escapes, OK parts for overkills."""

    def chance(self, true_rate: float) -> float:
        """Chance that an inspector of this true rate passes the test.

        # Operating characteristic of a single sampling plan: Montgomery 2013, section 15.2.
        """
        from scipy.stats import binom

        return float(binom.cdf(self.allowed, self.parts, true_rate))

    def rate_passing(self, chance: float = 0.9) -> float:
        """The true rate at which the test is passed with this chance: what the inspector should really achieve."""
        from scipy.special import betaincinv

        return float(betaincinv(self.allowed + 1, self.parts - self.allowed, 1 - chance))

    def __str__(self) -> str:
        kind = PARTS_OF[self.wrong]
        limit = f"no {self.wrong}" if self.allowed == 0 else f"at most {counted(self.allowed, self.wrong)}"
        return (
            f"{counted(self.parts, f'{kind} part')} with {limit} show{'s' if self.parts == 1 else ''} a rate of at "
            f"most {self.rate * 100:g} % (one-sided {self.confidence * 100:g} %); an inspector whose true rate is "
            f"{percent_down(self.rate_passing())} passes this test nine times in ten."
        )


def plan(wrong: Wrong, rate: float, confidence: float = 0.95, allowed: int = 0) -> Plan:
    """The smallest test that shows the rate with this confidence and that many wrong decisions. Raises OptionError."""
    if allowed < 0:
        raise OptionError(f"{counted(allowed, 'wrong decision')} cannot be allowed; give 0 or more.")
    return Plan(wrong, rate, confidence, allowed, parts_needed(rate, allowed, confidence))


def bound_sentence(wrong: Wrong, events: int, parts: int, confidence: float = 0.95) -> str:
    """What a test showed: "0 escapes in 59 NG parts: at most 5 %, one-sided 95 %."

    Raises ShapeError, OptionError.
    """
    bound = at_most(events, parts, confidence)

    said = f"{counted(events, wrong)} in {counted(parts, f'{PARTS_OF[wrong]} part')}"
    if bound is None:
        return f"{said}: the rate is unknown."
    return f"{said}: at most {percent_up(bound)}, one-sided {confidence * 100:g} %."


def percent_up(rate: float) -> str:
    """A rate as percent in two digits, never below the rate: a bound must not be rounded to a bolder claim."""
    return _percent(rate, math.ceil)


def percent_down(rate: float) -> str:
    """A rate as percent in two digits, never above the rate."""
    return _percent(rate, math.floor)


def _percent(rate: float, rounded: Callable[[float], int]) -> str:
    if rate == 0:
        return "0 %"
    step = 10.0 ** (math.floor(math.log10(rate * 100)) + 1 - _DIGITS)
    # a rate that is a whole number of steps but for rounding stays what it is
    steps = rate * 100 / step
    whole = round(steps)
    count = whole if math.isclose(steps, whole, rel_tol=1e-9) else rounded(steps)
    return f"{count * step:.{_DIGITS + 1}g} %"
