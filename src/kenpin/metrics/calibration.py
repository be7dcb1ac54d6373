"""How well stated probabilities agree with observed rates: expected calibration error and reliability curve.

Both sort the probabilities into bins of equal width, `[0, 1/bins)`, …, `[1 - 1/bins, 1]`, and compare in each the
mean probability with the rate at which the event happened.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.metrics.intervals import Interval, picture_intervals

BINS = 10


def _bins(
    probability: ArrayLike, happened: ArrayLike, bins: int
) -> tuple[NDArray[np.float64], NDArray[np.bool_], NDArray[np.int64]]:
    """The probabilities, the events and the bin of each. Raises ShapeError."""
    stated, event = np.asarray(probability, np.float64), np.asarray(happened, bool)
    if stated.ndim != 1 or stated.shape != event.shape:
        raise ShapeError(f"{stated.shape} probabilities for {event.shape} events; give one for each.")
    # rounding may leave a sum of probabilities slightly outside
    if not ((stated >= -1e-6) & (stated <= 1 + 1e-6)).all():
        raise ShapeError("probabilities must lie between 0 and 1; a distance or a logit has no calibration error.")
    return stated, event, np.clip((stated * bins).astype(np.int64), 0, bins - 1)


def _binned(probability: ArrayLike, happened: ArrayLike, bins: int) -> tuple[NDArray[np.float64], ...]:
    """Number of cases, mean probability and observed rate of each bin that is not empty."""
    stated, event, bin_of = _bins(probability, happened, bins)
    cases = np.bincount(bin_of, minlength=bins)
    used = cases > 0
    mean = np.bincount(bin_of, stated, minlength=bins)[used] / cases[used]
    rate = np.bincount(bin_of, event, minlength=bins)[used] / cases[used]
    return cases[used].astype(np.float64), mean, rate


def calibration_error(probability: ArrayLike, happened: ArrayLike, bins: int = BINS) -> float | None:
    """Mean distance between stated probability and observed rate, each bin weighing its cases; None without cases.

    For "OK or not": the probability of a defect and whether there is one. For the predicted class: the probability of
    the top label and whether it was right. Raises ShapeError.
    # Guo et al. 2017, eq. 3 (the binary form: Naeini et al. 2015).
    """
    cases, mean, rate = _binned(probability, happened, bins)
    return float((cases * np.abs(mean - rate)).sum() / cases.sum()) if len(cases) else None


def calibration_interval(
    probability: ArrayLike, happened: ArrayLike, bins: int = BINS, *, seed: int = 0
) -> Interval | None:
    """Two-sided 95 % interval of the calibration error; None without cases, and where no bin holds both
    what happened and what did not: then resampling cannot show by how much chance could change its rate.

    # Basic bootstrap (Davison & Hinkley 1997, section 5.2): a calibration error is too large by chance alone, and that
    # of a resample by as much again, so that percentiles would lie above the truth. Raises ShapeError.
    """
    stated, event, bin_of = _bins(probability, happened, bins)
    error = calibration_error(stated, event, bins)
    happened_in, others_in = (np.bincount(bin_of, kind, minlength=bins) for kind in (event, ~event))
    if error is None or not (happened_in * others_in).any():
        return None
    # the error is the mean over all cases of |sum of stated - happened| in each bin
    excess = np.zeros((len(stated), bins))
    excess[np.arange(len(stated)), bin_of] = stated - event

    def errors(draws: NDArray[np.int64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = np.abs(draws @ excess).sum(1) / draws.sum(1)
        return moved[:, None]

    (interval,) = picture_intervals(errors, len(stated), cells_each=2 * len(stated), seed=seed)
    if interval is None:
        return None
    low, high = interval
    low, high = min(error, max(0.0, 2 * error - high)), max(error, 2 * error - low)
    return (low, high) if low < high else None  # of no error at all the reflection leaves nothing


def reliability_curve(probability: ArrayLike, happened: ArrayLike, bins: int = BINS) -> tuple[tuple[float, float], ...]:
    """(mean probability, observed rate) of every bin that is not empty, rising. Raises ShapeError."""
    _, mean, rate = _binned(probability, happened, bins)
    return tuple((float(x), float(y)) for x, y in zip(mean, rate, strict=True))
