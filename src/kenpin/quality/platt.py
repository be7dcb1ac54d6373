"""Platt's scaling: a logistic curve from any score to a probability, where too few parts are known for a free one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted


@dataclass(frozen=True, slots=True)
class PlattScaling:
    """probability = 1 / (1 + exp(-(slope · score + offset)))."""

    slope: float
    offset: float

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores of any range -> probabilities. (n,) -> (n,)."""
        from scipy.special import expit

        return np.asarray(expit(self.slope * np.asarray(scores, np.float64) + self.offset), np.float64)


def fit_platt(scores: ArrayLike, happened: ArrayLike) -> PlattScaling:
    """The curve of largest likelihood. scores: (n,), finite; happened: (n,), both outcomes. Raises ShapeError."""
    # Platt 1999, with his targets, which stand for as many parts seen and two more, so that scores that separate the
    # outcomes make no step; the problem is convex (Lin, Lin & Weng 2007).
    from scipy.optimize import minimize
    from scipy.special import expit

    x, event = np.asarray(scores, np.float64), np.asarray(happened, bool)
    if x.ndim != 1 or x.shape != event.shape or not np.isfinite(x).all():
        raise ShapeError(f"{x.shape} scores for {event.shape} outcomes; give one finite score for each.")
    hits = int(event.sum())
    if not 0 < hits < len(x):
        raise ShapeError(f"{hits} of {counted(len(x), 'outcome')} happened; a curve needs both kinds.")
    target = np.where(event, (hits + 1) / (hits + 2), 1 / (len(x) - hits + 2))
    centre, spread = float(x.mean()), float(x.std()) or 1.0
    z = (x - centre) / spread

    def loss(line: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        at = line[0] * z + line[1]
        away = expit(at) - target
        return float((np.logaddexp(0, at) - target * at).mean()), np.array([(away * z).mean(), away.mean()])

    slope, offset = minimize(loss, np.zeros(2), jac=True, method="BFGS", options={"gtol": 1e-10}).x
    return PlattScaling(float(slope / spread), float(offset - slope * centre / spread))
