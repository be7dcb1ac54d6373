"""What a score means: how often parts or boxes with such a score are what it says, learned from judged pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.quality.platt import PlattScaling, fit_platt

FEWEST, FEWEST_OF_A_KIND = 30, 5
"""Cases, and those of either outcome among them, below which a calibration would be made of chance."""
Method = Literal["isotonic", "platt"]
_LEAST = float(np.finfo(np.float64).tiny)
_EDGE = 2.0**-53  # log-odds beyond it are rounding, and would pull a curve to themselves


@dataclass(frozen=True, slots=True)
class IsotonicCurve:
    """A rising line through points (score, rate), from score 0 to score 1: it changes no ranking."""

    scores: tuple[float, ...]
    precisions: tuple[float, ...]

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores in [0, 1] -> the rate to be expected, in [0, 1] too. (n,) -> (n,)."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.precisions)


@dataclass(frozen=True, slots=True)
class LogisticCurve:
    """Platt's scaling of the score's log-odds, with a slope above 0: it changes no ranking, and 0 and 1 stay."""

    slope: float
    offset: float

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores in [0, 1] -> the rate to be expected, in [0, 1] too. (n,) -> (n,)."""
        from scipy.special import logit

        return PlattScaling(self.slope, self.offset).apply(logit(np.asarray(scores, np.float64)))


Calibration = IsotonicCurve | LogisticCurve


def inside_unit(score: float) -> float:
    """A probability that was rounded to 0 or 1, which have no odds, as the nearest number between them."""
    return min(max(score, _LEAST), 1 - _EDGE)


def unit_of_distance(distance: float) -> float:
    """A distance from 0 up as a number in [0, 1) of the same rank; its log-odds are the distance's logarithm."""
    return distance / (1 + distance)


def distance_of_unit(unit: float) -> float:
    """The distance that `unit_of_distance` made this number of; infinite for 1."""
    return unit / (1 - unit) if unit < 1 else float("inf")


def least_score(calibration: Calibration, rate: float) -> float:
    """The least score in [0, 1] whose expected rate reaches this one; 1 where none below does."""
    low, high = 0.0, 1.0
    while low < (middle := (low + high) / 2) < high:  # until no number lies between
        low, high = (low, middle) if calibration.apply([middle])[0] >= rate else (middle, high)
    return high


def fit_calibration(
    scores: ArrayLike,
    happened: ArrayLike,
    method: Method = "isotonic",
    *,
    cases: str = "detections",
    outcomes: tuple[str, str] = ("right", "wrong"),
) -> tuple[Calibration | None, str]:
    """The curve from scores to rates, and a sentence; None where there are too few cases or the score tells nothing.

    scores: (n,) in (0, 1); happened: (n,), whether each case had the first of `outcomes`. Raises ShapeError.
    """
    stated, event = np.asarray(scores, np.float64), np.asarray(happened, bool)
    if stated.ndim != 1 or stated.shape != event.shape:
        raise ShapeError(f"{stated.shape} scores for {event.shape} judged {cases}; give one for each.")
    if not ((stated > 0) & (stated < 1)).all():
        raise ShapeError("scores to calibrate must lie between 0 and 1, both excluded.")
    count, hits = len(event), int(event.sum())
    happens, fails = outcomes
    counted = f"{count} {cases}, {hits} of them {happens}"
    if count < FEWEST or min(hits, count - hits) < FEWEST_OF_A_KIND:
        return None, (
            f"Scores are not calibrated: {counted}, are too few; at least {FEWEST} are needed, with "
            f"{FEWEST_OF_A_KIND} {happens} and {FEWEST_OF_A_KIND} {fails}."
        )
    calibration = _isotonic(stated, event) if method == "isotonic" else _logistic(stated, event)
    if calibration is None:
        told = "the score is no higher for them"
        return None, f"Scores are not calibrated: {hits} of {count} {cases} are {happens}, and {told}."
    return calibration, f"Scores are calibrated ({method}) on {counted}."


def _isotonic(scores: NDArray[np.float64], happened: NDArray[np.bool_]) -> IsotonicCurve:
    # Oron & Flournoy 2017, centred isotonic regression: the plain one is constant over blocks, which would make
    # different scores equal; a line through the blocks' centres is as monotone and keeps them apart.
    from scipy.optimize import isotonic_regression  # scipy takes long to load

    count = len(happened)
    _, place, weights = np.unique(scores, return_inverse=True, return_counts=True)
    rates = isotonic_regression(np.bincount(place, happened) / weights, weights=weights).x[place]
    precisions, block = np.unique(rates, return_inverse=True)
    centres = np.bincount(block, scores) / np.bincount(block)
    # rule of succession: n cases cannot show a rate of exactly 0 or 1
    precisions = np.clip(precisions, 1 / (count + 2), 1 - 1 / (count + 2))
    # beyond the outermost centres nothing is known but the ranking: it rises there by what one more case would show
    lowest = precisions[0] * (1 - 1 / (count + 2))
    highest = 1 - (1 - precisions[-1]) * (1 - 1 / (count + 2))
    return IsotonicCurve((0.0, *map(float, centres), 1.0), (float(lowest), *map(float, precisions), float(highest)))


def _logistic(scores: NDArray[np.float64], happened: NDArray[np.bool_]) -> LogisticCurve | None:
    from scipy.special import logit

    found = fit_platt(logit(np.clip(scores, _EDGE, 1 - _EDGE)), happened)
    return LogisticCurve(found.slope, found.offset) if found.slope > 0 else None
