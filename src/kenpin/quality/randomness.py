"""Whether numbers in the order of time vary at random about one level: the ratio of von Neumann."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import ShapeError
from kenpin.plural import counted

_FEWEST = 10  # numbers from which the ratio is close to normal


def wandering(values: ArrayLike) -> float:
    """Chance with which numbers of one level that do not depend on each other look as if they drifted, jumped or
    followed one another as much as these. (n,), n >= 10 -> p-value, one-sided. Raises ShapeError.

    >>> from numpy.random import default_rng
    >>> level = default_rng(1).normal(size=50)
    >>> wandering(level) > 0.01, wandering(level + np.linspace(0, 3, 50)) < 0.001
    (True, True)
    """
    # von Neumann 1941: squared steps from number to number over squared distances from the mean. Its expectation is 2,
    # its variance 4 (n - 2) / (n² - 1) for normal numbers (Young 1941); a trend or a chain makes it smaller.
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ShapeError(f"numbers of shape {x.shape} must be one row of finite ones; leave the others out.")
    count = len(x)
    if count < _FEWEST:
        raise ShapeError(f"{counted(count, 'number')} cannot show whether they wander; give at least {_FEWEST}.")
    around = float(((x - x.mean()) ** 2).sum())
    if around == 0:
        return 1.0
    ratio = float((np.diff(x) ** 2).sum()) / around
    return NormalDist().cdf((ratio - 2) / math.sqrt(4 * (count - 2) / (count**2 - 1)))
