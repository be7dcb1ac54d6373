"""Matching of boxes, the best score cut, and confusion of classes.

A true box is found by the detection of its class with the best score that overlaps it by half (intersection over union)
and has not found another. A detection that finds no box is a false alarm, unless it lies in a crowd of its class: there
objects were not counted, so it is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.boxes import area, intersection, iou
from kenpin.errors import LabelError
from kenpin.metrics.ranking import Curve, thin
from kenpin.records import Detections

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

NOTHING, CROWD = -1, -2
"""Matches of detections without a true box: in a crowd, or of nothing."""
OVERLAP = 0.5


def match(truth: Detections, found: Detections, overlap: float = OVERLAP) -> Ints:
    """For each detection the index of the true box that it finds, or CROWD, or NOTHING. -> (len(found),)."""
    # the rules, ties included, are those of COCO's own evaluation (pycocotools, evaluateImg)
    return _match(truth, found, _overlaps(truth, found), overlap)


def match_at(truth: Detections, found: Detections, overlaps: Sequence[float]) -> Ints:
    """`match` at several overlaps. -> (len(overlaps), len(found))."""
    shared = _overlaps(truth, found)
    return np.stack([_match(truth, found, shared, overlap) for overlap in overlaps])


def scores_of(found: Sequence[Detections]) -> Floats | None:
    """All scores, picture by picture; None where some detection has none."""
    if any(len(detections) and detections.scores is None for detections in found):
        return None
    return np.array(list(chain.from_iterable(detections.scores or () for detections in found)), np.float64)


def best_cut(right: ArrayLike, scores: ArrayLike, true_boxes: int) -> float | None:
    """The score cut of the best F1; of equally good cuts the lowest.

    right: (n,), whether each detection finds a box; scores: (n,); both without detections in crowds.
    None where no detection is right: then no cut is better than another.
    """
    hits, values = np.asarray(right, bool), np.asarray(scores, np.float64)
    if not hits.any():
        return None
    order = np.argsort(-values, kind="stable")
    caught, stated, cuts = np.cumsum(hits[order]), np.arange(1, len(hits) + 1), values[order]
    last_of_equals = np.append(cuts[1:] < cuts[:-1], True)
    f1 = np.where(last_of_equals, 2 * caught / (stated + true_boxes), -1.0)
    return float(cuts[len(f1) - 1 - np.argmax(f1[::-1])])


def precision_recall_curve(right: ArrayLike, scores: ArrayLike, true_boxes: int) -> Curve:
    """(recall, precision) in rising recall, one point a distinct score; arguments as for `best_cut`.

    Empty without a true box or a detection.
    """
    hits, values = np.asarray(right, bool), np.asarray(scores, np.float64)
    if not true_boxes or not len(hits):
        return ()
    order = np.argsort(-values, kind="stable")
    caught, cuts = np.cumsum(hits[order]), values[order]
    last_of_equals = np.append(cuts[1:] < cuts[:-1], True)
    precision = caught / np.arange(1, len(hits) + 1)
    return thin(caught[last_of_equals] / true_boxes, precision[last_of_equals])


def confusion_with_background(
    truth: Sequence[Detections], found: Sequence[Detections], labels: Sequence[str], overlap: float = OVERLAP
) -> Ints:
    """Counts of (true class, stated class) in the order of `labels`, and last the background. -> (k + 1, k + 1).

    Boxes are matched within their class first, so that the diagonal holds what precision and recall count as right;
    what is left of both sides is then matched whatever its class. The background's row holds detections of nothing,
    its column the boxes that nothing overlaps. Crowds count for nothing.
    Raises LabelError for a label that is not among `labels`.
    """
    unknown = sorted({label for detections in (*truth, *found) for label in detections.labels} - set(labels))
    if unknown:
        raise LabelError(f"boxes are labelled {unknown}, not among {list(labels)}; add these or leave them out.")
    index = {label: i for i, label in enumerate(labels)}
    background = len(labels)
    counts = np.zeros((background + 1, background + 1), np.int64)
    for true, stated in zip(truth, found, strict=True):
        overlaps = _overlaps(true, stated)
        taken = _match(true, stated, overlaps, overlap)
        left = ~(np.isin(np.arange(len(true)), taken) | _crowds(true))
        rest = np.flatnonzero(taken == NOTHING)
        taken[rest] = _greedy(overlaps[rest], _by_score(stated, rest), left, np.zeros_like(left), overlap)
        for label, finds in zip(stated.labels, taken.tolist(), strict=True):
            if finds != CROWD:
                counts[background if finds == NOTHING else index[true.labels[finds]], index[label]] += 1
        for i in np.flatnonzero(left & ~np.isin(np.arange(len(true)), taken)):
            counts[index[true.labels[i]], background] += 1
    return counts


def _match(truth: Detections, found: Detections, overlaps: Floats, least: float) -> Ints:
    same = np.array(found.labels, object)[:, None] == np.array(truth.labels, object)[None, :]
    crowd = _crowds(truth)
    return _greedy(np.where(same, overlaps, -1.0), _by_score(found, np.arange(len(found))), ~crowd, crowd, least)


def _greedy(overlaps: Floats, order: Ints, free: Bools, crowd: Bools, least: float) -> Ints:
    """Each detection in turn takes the free box it overlaps most, or else a crowd that it lies in. (d, t) -> (d,)."""
    taken = np.full(len(overlaps), NOTHING, np.int64)
    still_free, crowds = free.tolist(), np.flatnonzero(crowd).tolist()
    rows = overlaps.tolist()
    for row in order.tolist():
        best = min(least, 1 - 1e-10)
        choice = NOTHING
        for i, shared in enumerate(rows[row]):
            if still_free[i] and shared >= best:
                best, choice = shared, i
        if choice != NOTHING:
            still_free[choice] = False
        elif any(rows[row][i] >= best for i in crowds):
            choice = CROWD
        taken[row] = choice
    return taken


def _overlaps(truth: Detections, found: Detections) -> Floats:
    """Intersection over union of every pair; over the detection's own area where the truth is a crowd. -> (d, t)."""
    boxes, true_boxes = found.boxes_xyxy_px, truth.boxes_xyxy_px
    overlaps = iou(boxes, true_boxes)
    if truth.crowd is None:
        return overlaps
    own = area(boxes)[:, None]
    within = np.divide(intersection(boxes, true_boxes), own, out=np.zeros_like(overlaps), where=own > 0)
    return np.where(_crowds(truth), within, overlaps)


def _crowds(truth: Detections) -> Bools:
    return np.array(truth.crowd if truth.crowd is not None else [False] * len(truth), bool)


def _by_score(found: Detections, among: Ints) -> Ints:
    """Indices into `among` by falling score; equal scores, and detections without one, keep their order."""
    if found.scores is None:
        return np.arange(len(among))
    return np.argsort(-np.array(found.scores, np.float64)[among], kind="stable")
