"""Control charts of scores, lots and failures: limits from reference parts, alarms with the first that tripped."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.plural import counted, is_are
from kenpin.quality.run_length import ewma_width, shewhart_width

Floats = NDArray[np.float64]
FEWEST = 25
"""Reference parts below which a centre and a spread would be made of chance."""
_RANGE_TO_DEVIATION = 1.128  # d2 of two: mean range of two normal numbers in standard deviations


@dataclass(frozen=True, slots=True)
class Chart:
    """Points in the order of time, with limits that may differ from point to point. All (n,)."""

    name: str
    values: tuple[float, ...]
    centre: float
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def alarms(self) -> tuple[int, ...]:
        """Places of the points outside their limits, the first that tripped in front."""
        points = zip(self.values, self.low, self.high, strict=True)
        return tuple(i for i, (value, low, high) in enumerate(points) if not low <= value <= high)


def normal_scores(values: ArrayLike, reference: ArrayLike) -> Floats:
    """Where values lie among the reference, as quantiles of the normal distribution. (n,), (m,) -> (n,).

    Distances and scores are skewed, and charts are designed for normal points; ranks do not mind. Beyond the reference
    the highest score is (m + 1/2) / (m + 1)'s, so the distance from it does not count. Raises ShapeError.
    """
    # Van der Waerden's scores (1952) of a new value among m old ones: its middle rank over m + 1
    from scipy.special import ndtri

    new, old = _numbers(values, 1), np.sort(_numbers(reference, FEWEST))
    below = (np.searchsorted(old, new, "left") + np.searchsorted(old, new, "right")) / 2
    return np.asarray(ndtri((below + 0.5) / (len(old) + 1)), np.float64)


def ewma_chart(
    values: ArrayLike,
    centre: float,
    deviation: float,
    *,
    weight: float,
    arl: float,
    reference: int | None = None,
    degrees: int | None = None,
) -> Chart:
    """Exponentially weighted moving average of single points, from the centre on; alarms every `arl` points by chance.

    `reference`: how many points the centre was estimated from; None: it is known. `degrees`: degrees of freedom of the
    deviation, where it was estimated too. Raises ShapeError, OptionError.
    """
    # Roberts 1959; NIST/SEMATECH e-Handbook 6.3.2.4, with the limits of long use. A centre that was estimated from m
    # parts adds 1 / m to the variance, and the limits widen by as much (what happens else: Jones, Champ & Rigdon 2001).
    points = _numbers(values, 1)
    _check_deviation(deviation)
    smooth = list(accumulate(points, lambda mean, x: weight * x + (1 - weight) * mean, initial=centre))[1:]
    spread = math.sqrt(weight / (2 - weight) + (0 if reference is None else 1 / reference)) * deviation
    half = _wide(ewma_width(weight, arl), degrees) * spread
    return _level("EWMA", smooth, centre, half)


def individuals_chart(values: ArrayLike, reference: ArrayLike, *, arl: float = 370.398) -> Chart:
    """Shewhart's chart of single points, its spread from the moving ranges of the reference. Raises ShapeError.

    # Montgomery 2013, section 6.4: a deviation is the mean moving range over 1.128.
    """
    points, old = _numbers(values, 1), _numbers(reference, 2)
    deviation = float(np.abs(np.diff(old)).mean()) / _RANGE_TO_DEVIATION
    return _level("individuals", points.tolist(), float(old.mean()), shewhart_width(arl) * deviation)


def means_chart(values: ArrayLike, lots: ArrayLike, reference: ArrayLike, *, arl: float = 370.398) -> Chart:
    """Shewhart's X-bar chart of lots of any size, in the order in which they come. values, lots: (n,); reference: (m,).

    Raises ShapeError.
    """
    # Montgomery 2013, section 6.2, with the reference's own deviation, and its mean's error in the limits
    points, old = _numbers(values, 1), _numbers(reference, FEWEST)
    sizes, sums = _by_lot(lots, points)
    centre, deviation = float(old.mean()), float(old.std(ddof=1))
    half = shewhart_width(arl) * deviation * np.sqrt(1 / sizes + 1 / len(old))
    return Chart("means", tuple((sums / sizes).tolist()), centre, tuple(centre - half), tuple(centre + half))


def p_chart(failed: ArrayLike, lots: ArrayLike, reference_failed: ArrayLike, *, arl: float = 370.398) -> Chart:
    """Share of failed parts in each lot, with exact limits. failed, lots: (n,); reference_failed: (m,).

    A lot alarms where, of its and the reference's failures, chance would put so many or so few into the lot less often
    than once in twice `arl` lots, each side. Raises ShapeError, OptionError.
    """
    # Montgomery 2013, section 7.2, with the hypergeometric distribution in place of three deviations, as in Fisher's
    # exact test: it holds for any rate and any size of lot and reference.
    from scipy.stats import hypergeom

    shewhart_width(arl)  # refuses what is no run length
    tail = 0.5 / arl
    old = np.asarray(reference_failed, bool)
    if len(old) < FEWEST:
        raise ShapeError(f"{counted(len(old), 'reference part')} {is_are(len(old))} too few; give at least {FEWEST}.")
    sizes, counts = _by_lot(lots, np.asarray(failed, bool).astype(np.float64))
    low, high = [], []
    for size in sizes.astype(int).tolist():
        possible = np.arange(size + 1)
        chance = (size + len(old), int(old.sum()) + possible, size)
        # limits are the fewest and most failures that are no alarm, each judged with the failures it would add
        usual = (hypergeom.sf(possible - 1, *chance) > tail) & (hypergeom.cdf(possible, *chance) > tail)
        kept = np.flatnonzero(usual)
        low.append(float(kept[0] / size))
        high.append(float(kept[-1] / size))
    return Chart("failures", tuple((counts / sizes).tolist()), float(old.mean()), tuple(low), tuple(high))


def _by_lot(lots: ArrayLike, values: Floats) -> tuple[Floats, Floats]:
    """Sizes and sums of the lots, in the order in which they come."""
    names = np.asarray(lots)
    if names.shape != values.shape:
        raise ShapeError(f"{names.shape} lots for {values.shape} parts; give one for each part.")
    _, first, place = np.unique(names, return_index=True, return_inverse=True)
    order = np.argsort(np.argsort(first))[place]
    return np.bincount(order).astype(np.float64), np.bincount(order, values).astype(np.float64)


def _level(name: str, values: list[float], centre: float, half: float) -> Chart:
    count = len(values)
    return Chart(name, tuple(values), centre, (centre - half,) * count, (centre + half,) * count)


def _numbers(values: ArrayLike, fewest: int) -> Floats:
    x = np.asarray(values, np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ShapeError(f"points of shape {x.shape} must be one row of finite numbers; leave other parts out.")
    if len(x) < fewest:
        raise ShapeError(f"{counted(len(x), 'part')} {is_are(len(x))} too few; give at least {fewest}.")
    return x


def _wide(width: float, degrees: int | None) -> float:
    """The width that an estimated deviation needs, so that points lie outside as rarely."""
    if degrees is None:
        return width
    from scipy.stats import norm, t

    return float(t.isf(norm.sf(width), degrees))


def _check_deviation(deviation: float) -> None:
    if not 0 < deviation < math.inf:
        raise OptionError(f"a deviation of {deviation} makes no limits; give reference parts that vary.")
