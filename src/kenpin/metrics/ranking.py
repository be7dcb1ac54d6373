"""How well a score ranks defective parts above OK ones: AUROC, average precision and their curves.

All measures are computed from two histograms over the distinct scores in rising order, so that ties are exact: equal
scores are one level, whatever their order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted, is_are

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Curve = tuple[tuple[float, float], ...]


def levels(defective: ArrayLike, scores: ArrayLike) -> tuple[Ints, Ints, Ints]:
    """The level of each score among the distinct ones (n,), and the defective and OK parts at each level (m,), (m,).

    Raises ShapeError for unequal lengths or a score that is not a number.
    """
    is_defective, values = np.asarray(defective, bool), np.asarray(scores, np.float64)
    if is_defective.ndim != 1 or is_defective.shape != values.shape:
        raise ShapeError(f"{is_defective.shape} truths for {values.shape} scores; give one for each part.")
    if missing := int(np.isnan(values).sum()):
        raise ShapeError(f"{counted(missing, 'score')} {is_are(missing)} not a number; leave out these parts.")
    distinct, level = np.unique(values, return_inverse=True)
    defective_at = np.bincount(level[is_defective], minlength=len(distinct))
    ok_at = np.bincount(level[~is_defective], minlength=len(distinct))
    return level, defective_at, ok_at


def auroc_of_counts(defective_at: Ints | Floats, ok_at: Ints | Floats) -> Floats:
    """Area under the ROC curve from histograms over rising levels. (..., m), (..., m) -> (...).

    # Hanley & McNeil 1982: the chance that a defective part scores above an OK one, a tie counting one half.
    """
    ok_below = np.cumsum(ok_at, -1) - ok_at
    favourable = (defective_at * (ok_below + 0.5 * ok_at)).sum(-1)
    return np.asarray(favourable / (defective_at.sum(-1) * ok_at.sum(-1)), np.float64)


def average_precision_of_counts(defective_at: Ints, ok_at: Ints) -> Floats:
    """Average precision from histograms over rising levels. (..., m), (..., m) -> (...).

    # The step sum of recall increments times precision, without interpolation, which would be too optimistic
    # (Davis & Goadrich 2006).
    """
    caught = np.cumsum(defective_at[..., ::-1], -1)
    flagged = caught + np.cumsum(ok_at[..., ::-1], -1)
    # a resample may leave the highest levels empty; they add nothing
    gained = defective_at[..., ::-1] * caught / np.maximum(flagged, 1)
    return np.asarray(gained.sum(-1) / caught[..., -1], np.float64)


def auroc(defective: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the ROC curve, ties counting one half; None without both kinds of part. Raises ShapeError.

    >>> auroc([False, True, True], [0.1, 0.1, 0.8])
    0.75
    """
    _, defective_at, ok_at = levels(defective, scores)
    return float(auroc_of_counts(defective_at, ok_at)) if defective_at.any() and ok_at.any() else None


def average_precision(defective: ArrayLike, scores: ArrayLike) -> float | None:
    """Mean precision over the defective parts, without interpolation; None without both kinds. Raises ShapeError."""
    _, defective_at, ok_at = levels(defective, scores)
    return float(average_precision_of_counts(defective_at, ok_at)) if defective_at.any() and ok_at.any() else None


def roc_curve(defective: ArrayLike, scores: ArrayLike) -> Curve:
    """(false alarm rate, detection rate) from (0, 0) to (1, 1); empty without both kinds. Raises ShapeError."""
    _, defective_at, ok_at = levels(defective, scores)
    if not (defective_at.any() and ok_at.any()):
        return ()
    detected = np.concatenate([[0], np.cumsum(defective_at[::-1])]) / defective_at.sum()
    alarmed = np.concatenate([[0], np.cumsum(ok_at[::-1])]) / ok_at.sum()
    return thin(alarmed, detected)


def precision_recall_curve(defective: ArrayLike, scores: ArrayLike) -> Curve:
    """(recall, precision), one point a threshold, in rising recall; empty without both kinds. Raises ShapeError."""
    _, defective_at, ok_at = levels(defective, scores)
    if not (defective_at.any() and ok_at.any()):
        return ()
    caught, passed_wrongly = np.cumsum(defective_at[::-1]), np.cumsum(ok_at[::-1])
    return thin(caught / caught[-1], caught / (caught + passed_wrongly))


def thin(x: ArrayLike, y: ArrayLike, at_most: int = 500) -> Curve:
    """A polyline with at most `at_most` of its points, both ends kept, and no point farther from it than its step.

    Points on straight stretches are dropped first, without a change; the rest are sampled at even steps along the line.
    """
    points = np.stack([np.asarray(x, np.float64), np.asarray(y, np.float64)], axis=1)
    if len(points) > 2:
        before, after = np.diff(points, axis=0)[:-1], np.diff(points, axis=0)[1:]
        bends = np.abs(before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]) > 1e-15
        points = points[np.concatenate([[True], bends, [True]])]
    if len(points) > at_most:
        way = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(points, axis=0)).sum(1))])
        keep = np.unique(np.searchsorted(way, np.linspace(0.0, way[-1], at_most)).clip(0, len(points) - 1))
        points = points[keep]
    return tuple((float(px), float(py)) for px, py in points)
