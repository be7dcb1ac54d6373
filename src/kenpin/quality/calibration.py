"""What a score means: the share of detections with such a score that were right, learned from judged pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError

FEWEST, FEWEST_OF_A_KIND = 30, 5
"""Detections, and right as well as wrong ones among them, below which a calibration would be made of chance."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """A rising line through points (score, precision), from (0, 0) to (1, 1): it changes no ranking."""

    scores: tuple[float, ...]
    precisions: tuple[float, ...]

    def apply(self, scores: ArrayLike) -> NDArray[np.float64]:
        """Scores in (0, 1) -> the precision to be expected, in (0, 1) too. (n,) -> (n,)."""
        return np.interp(np.asarray(scores, np.float64), self.scores, self.precisions)


def fit_calibration(scores: ArrayLike, is_true: ArrayLike) -> tuple[Calibration | None, str]:
    """Centred isotonic regression of being right on the score, and a sentence; None where there are too few.

    scores: (n,) in (0, 1); is_true: (n,), whether each detection was right. Raises ShapeError.
    # Oron & Flournoy 2017: isotonic regression is constant over blocks, which would make different scores equal;
    # a line through the blocks' centres is as monotone and keeps them apart.
    """
    from scipy.optimize import isotonic_regression  # scipy takes long to load

    stated, right = np.asarray(scores, np.float64), np.asarray(is_true, bool)
    if stated.ndim != 1 or stated.shape != right.shape:
        raise ShapeError(f"{stated.shape} scores for {right.shape} judged detections; give one for each.")
    if not ((stated > 0) & (stated < 1)).all():
        raise ShapeError("scores to calibrate must lie between 0 and 1, both excluded.")
    count, hits = len(right), int(right.sum())
    if count < FEWEST or min(hits, count - hits) < FEWEST_OF_A_KIND:
        return None, (
            f"Scores are not calibrated: {count} detections, {hits} of them right, are too few; at least {FEWEST} are "
            f"needed, with {FEWEST_OF_A_KIND} right and {FEWEST_OF_A_KIND} wrong."
        )
    _, place, weights = np.unique(stated, return_inverse=True, return_counts=True)
    rates = isotonic_regression(np.bincount(place, right) / weights, weights=weights).x[place]
    precisions, block = np.unique(rates, return_inverse=True)
    centres = np.bincount(block, stated) / np.bincount(block)
    # rule of succession: n parts cannot show a rate of exactly 0 or 1
    precisions = np.clip(precisions, 1 / (count + 2), 1 - 1 / (count + 2))
    calibration = Calibration((0.0, *map(float, centres), 1.0), (0.0, *map(float, precisions), 1.0))
    return calibration, f"Scores are calibrated on {count} detections, {hits} of them right."
