"""Waiting times between tries: longer from try to try up to a limit, and never the same on two machines."""

from __future__ import annotations

import random
from collections.abc import Callable

_DOUBLINGS = 62  # beyond it a time in seconds is longer than any limit


def wait_s(failures: int, *, first_s: float, longest_s: float, chance: Callable[[], float] = random.random) -> float:
    """Seconds until the next try after so many failures in a row, from 1: between half and the whole of
    `first_s` · 2^(failures − 1), at most `longest_s`.

    >>> [wait_s(failures, first_s=1, longest_s=5, chance=lambda: 1.0) for failures in (1, 2, 3, 4)]
    [1.0, 2.0, 4.0, 5.0]
    """
    whole_s = min(float(longest_s), first_s * 2.0 ** min(failures - 1, _DOUBLINGS))
    return whole_s * (0.5 + 0.5 * chance())
