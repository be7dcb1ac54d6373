"""Exact bounds on a rate of wrong decisions, and how many parts it takes to claim one.

# Clopper & Pearson 1934, in the form by beta quantiles of Brown, Cai & DasGupta 2001, section 4.2.1: never less sure
# than it says, whatever the true rate, which is what an auditor may ask of an escape rate.
"""

from __future__ import annotations

import math

from kenpin.errors import OptionError, ShapeError
from kenpin.plural import counted


def clopper_pearson(events: int, parts: int, confidence: float = 0.95) -> tuple[float, float] | None:
    """Two-sided exact interval of a rate; None without parts. Raises ShapeError unless 0 <= events <= parts."""
    _check(events, parts, confidence)
    if parts == 0:
        return None
    tail = (1 - confidence) / 2
    return _lower(events, parts, tail), _upper(events, parts, tail)


def at_most(events: int, parts: int, confidence: float = 0.95) -> float | None:
    """One-sided exact upper bound: the rate is at most this, with that confidence; None without parts.

    Raises ShapeError unless 0 <= events <= parts.
    """
    _check(events, parts, confidence)
    return _upper(events, parts, 1 - confidence) if parts else None


def parts_needed(rate: float, events: int = 0, confidence: float = 0.95) -> int:
    """The least number of parts, with that many events among them, that shows the rate to be at most `rate`.

    Raises OptionError unless 0 < rate < 1.
    """
    if not 0 < rate < 1:
        raise OptionError(f"no number of parts proves a rate of at most {rate}; give a rate between 0 and 1.")
    _check(events, events, confidence)
    high = events + 1
    while _upper(events, high, 1 - confidence) > rate:
        high *= 2
    low = high // 2
    while low < high:  # the bound falls as parts are added
        middle = (low + high) // 2
        if middle > events and _upper(events, middle, 1 - confidence) <= rate:
            high = middle
        else:
            low = middle + 1
    return high


def _lower(events: int, parts: int, tail: float) -> float:
    from scipy.special import betaincinv

    return 0.0 if events == 0 else float(betaincinv(events, parts - events + 1, tail))


def _upper(events: int, parts: int, tail: float) -> float:
    from scipy.special import betaincinv

    return 1.0 if events == parts else float(betaincinv(events + 1, parts - events, 1 - tail))


def _check(events: int, parts: int, confidence: float) -> None:
    if not 0 <= events <= parts:
        raise ShapeError(f"{counted(events, 'event')} in {counted(parts, 'part')}; give 0 <= events <= parts.")
    if not 0 < confidence < 1 or math.isnan(confidence):
        raise OptionError(f"a confidence of {confidence} is impossible; give one between 0 and 1, such as 0.95.")
