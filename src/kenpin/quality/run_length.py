"""How long a control chart runs before it alarms, and the limits that let it run that long while nothing changes."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from kenpin.errors import OptionError

_STATES = 201  # odd, so that one lies at the centre
_SHORTEST = 2.0  # an in-control run below which a chart would alarm at nearly every point


def shewhart_width(arl: float) -> float:
    """Standard deviations from the centre at which a chart of independent points alarms every `arl` points by chance.

    Raises OptionError unless arl >= 2.
    """
    # Montgomery 2013, section 6.2: run lengths are geometric, so the mean is one over the chance of an alarm.
    _check(arl, 1.0)
    return NormalDist().inv_cdf(1 - 0.5 / arl)


def ewma_run_length(weight: float, width: float, shift: float = 0.0) -> float:
    """Mean number of points until an EWMA leaves its limits, from the centre on.

    weight: of the newest point; width: the limits' distance from the centre in standard deviations of the EWMA;
    shift: of the mean, in standard deviations of a point. Raises OptionError.
    """
    # Brook & Evans 1972, as Lucas & Saccucci 1990 apply it: the range within the limits is cut into states, and the
    # mean run length solves (I - Q) r = 1.
    from scipy.special import ndtr

    _check(_SHORTEST, weight)
    half = width * math.sqrt(weight / (2 - weight))
    step = 2 * half / _STATES
    middles = -half + step * (np.arange(_STATES) + 0.5)
    edges = -half + step * np.arange(_STATES + 1)
    reached = ndtr((edges[None, :] - (1 - weight) * middles[:, None]) / weight - shift)
    lengths = np.linalg.solve(np.eye(_STATES) - np.diff(reached, axis=1), np.ones(_STATES))
    return float(lengths[_STATES // 2])


@cache
def ewma_width(weight: float, arl: float) -> float:
    """The limits' distance from the centre, in standard deviations of the EWMA, that gives this in-control run length.

    Raises OptionError.
    """
    from scipy.optimize import brentq

    _check(arl, weight)
    # an EWMA is smoother than its points, so their limits are always wide enough
    return float(brentq(lambda width: math.log(ewma_run_length(weight, width) / arl), 0.05, shewhart_width(arl) + 0.1))


@cache
def best_weight(arl: float, shift: float) -> float:
    """The weight that finds a shift of the mean soonest, at this in-control run length. Raises OptionError.

    # Lucas & Saccucci 1990: the smallest out-of-control run length at a given in-control one.
    """
    from scipy.optimize import minimize_scalar

    if not 0 < shift < math.inf:
        raise OptionError(f"a shift of {shift} standard deviations is impossible to find; give a number above 0.")

    def delay(log_weight: float) -> float:
        weight = math.exp(log_weight)
        return ewma_run_length(weight, ewma_width(weight, arl), shift)

    found = minimize_scalar(delay, bounds=(math.log(0.02), 0.0), method="bounded", options={"xatol": 0.02})
    return round(math.exp(float(found.x)), 3)


def _check(arl: float, weight: float) -> None:
    if not _SHORTEST <= arl < math.inf:
        raise OptionError(f"a chart cannot run {arl:g} points between false alarms; give {_SHORTEST:g} or more.")
    if not 0 < weight <= 1:
        raise OptionError(f"a weight of {weight} is impossible for an EWMA; give one above 0, up to 1.")
