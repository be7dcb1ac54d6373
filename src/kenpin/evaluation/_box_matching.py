"""Predicted boxes matched with the true ones at the best score cut, and scored class by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kenpin.metrics import confusion, detection
from kenpin.metrics.average_precision import AveragePrecision, average_precision
from kenpin.metrics.intervals import measured, picture_intervals
from kenpin.records import ClassScores, Detections, JudgedBoxes, JudgedExample, Measure

BACKGROUND, OTHER = "background", "another name"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotated boxes of one picture, and its displayed size where it is known."""

    boxes: Detections
    size_wh: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class BoxMatches:
    """The outcome of matching, by picture and by class."""

    judged: tuple[JudgedExample, ...]
    """The judged examples with the outcome of their boxes."""
    truth: tuple[Detections, ...]
    predicted: tuple[Detections, ...]
    """Predicted boxes; a class that the inspector does not have is `OTHER`."""
    labels: tuple[str, ...]
    """The inspector's classes, then `OTHER`, if it gave any."""
    cut: float | None
    """The score of best F1, from which a box counts as predicted; None where boxes have no scores, or none is right."""
    scores: Floats | None
    """Scores of all predicted boxes outside crowds; None where boxes have no scores."""
    right: Bools
    """Whether each of these boxes is right, whatever its score."""
    confusion: Ints
    """Confusion matrix of `labels` and the background."""
    average_precision: AveragePrecision | None
    per_class: dict[str, ClassScores]

    @property
    def boxes(self) -> tuple[JudgedBoxes, ...]:
        """The outcome of each picture's boxes."""
        return tuple(part.boxes for part in self.judged if part.boxes is not None)


def match_boxes(judged: Sequence[JudgedExample], truths: Sequence[Truth], labels: Sequence[str]) -> BoxMatches:
    """Match each picture's predicted boxes with its true ones, and score the classes.

    Raises LabelError for a true label that is not among `labels`, and MissingExtraError.
    """
    truth = tuple(annotated.boxes for annotated in truths)
    predicted = tuple(_renamed(part.prediction.detections or Detections(), frozenset(labels)) for part in judged)
    names = (*labels, OTHER) if any(OTHER in detections.labels for detections in predicted) else tuple(labels)
    finds = [detection.match(*pair) for pair in zip(truth, predicted, strict=True)]
    taken = np.concatenate([*finds, np.zeros(0, np.int64)])
    counted, right, scores = taken != detection.CROWD, taken >= 0, detection.scores_of(predicted)
    cut = None
    if scores is not None:
        cut = detection.best_cut(right[counted], scores[counted], sum(countable(detections) for detections in truth))
    table = detection.confusion_with_background(truth, [_from(detections, cut) for detections in predicted], names)
    precision = None if scores is None else average_precision(truth, predicted, names)
    return BoxMatches(
        judged=tuple(
            replace(part, boxes=_judged_boxes(annotated, stated, indices, cut))
            for part, annotated, stated, indices in zip(judged, truths, predicted, finds, strict=True)
        ),
        truth=truth,
        predicted=predicted,
        labels=names,
        cut=cut,
        scores=None if scores is None else scores[counted],
        right=right[counted],
        confusion=table,
        average_precision=precision,
        per_class=_class_scores(labels, table, precision, predicted, taken, scores),
    )


@dataclass(frozen=True, slots=True)
class BoxRates:
    """Rates of boxes at the score cut: found, missed and false alarms."""

    precision: Measure
    recall: Measure
    f1: Measure
    missed_per_picture: Measure
    false_alarms_per_picture: Measure


def box_rates(judged: Sequence[JudgedBoxes], seed: int) -> BoxRates:
    """Rates of all boxes, with the bootstrap's intervals over the pictures. judged: one for each picture."""
    counts = np.array([(each.right.count(True), each.right.count(False), each.found.count(False)) for each in judged])

    def rates(draws: Ints) -> Floats:
        right, false_alarms, missed = (draws @ counts.reshape(-1, 3)).T
        pictures, boxes = draws.sum(1), right + missed
        fractions = ((right, right + false_alarms), (right, boxes), (2 * right, right + false_alarms + boxes),
                     (missed, pictures), (false_alarms, pictures))  # fmt: skip
        return np.stack(
            [np.divide(top, all, out=np.full(len(draws), np.nan), where=all > 0) for top, all in fractions], axis=1
        )

    values = rates(np.ones((1, len(judged)), np.int64))[0].tolist()
    spans = picture_intervals(rates, len(judged), cells_each=2 * len(judged), seed=seed)
    return BoxRates(
        *(measured(None if np.isnan(value) else value, span) for value, span in zip(values, spans, strict=True))
    )


def _renamed(detections: Detections, known: frozenset[str]) -> Detections:
    if known.issuperset(detections.labels):
        return detections
    return replace(detections, labels=tuple(label if label in known else OTHER for label in detections.labels))


def countable(truth: Detections) -> int:
    """Number of true boxes to find; crowds do not count."""
    return len(truth) - sum(truth.crowd or ())


def _reaches(detections: Detections, cut: float | None) -> list[bool]:
    return [True] * len(detections) if cut is None else [score >= cut for score in detections.scores or ()]


def _from(detections: Detections, cut: float | None) -> Detections:
    """The detections that reach the cut."""
    kept = [i for i, reaches in enumerate(_reaches(detections, cut)) if reaches]
    scores = None if detections.scores is None else tuple(detections.scores[i] for i in kept)
    return Detections(
        tuple(detections.boxes_xyxy_px[i] for i in kept), tuple(detections.labels[i] for i in kept), scores
    )


def _judged_boxes(truth: Truth, detections: Detections, finds: Ints, cut: float | None) -> JudgedBoxes:
    counts = np.array(_reaches(detections, cut), bool)
    crowd = truth.boxes.crowd or (False,) * len(truth.boxes)
    reached = set(finds[counts].tolist())
    right = [
        None if match == detection.CROWD or not counting else match != detection.NOTHING
        for match, counting in zip(finds.tolist(), counts.tolist(), strict=True)
    ]
    return JudgedBoxes(
        truth=replace(truth.boxes, outlines=None),  # measured by then, and long where they are kept
        found=tuple(hidden or i in reached for i, hidden in enumerate(crowd)),
        right=tuple(right),
        size_wh=truth.size_wh,
    )


def _class_scores(
    labels: Sequence[str],
    table: Ints,
    precision: AveragePrecision | None,
    stated: Sequence[Detections],
    taken: Ints,
    scores: Floats | None,
) -> dict[str, ClassScores]:
    per_class = dict(zip(labels, confusion.class_scores(table), strict=False))
    if precision is None or scores is None:
        return per_class
    names = np.array([label for detections in stated for label in detections.labels], object)
    for label, at_cut in per_class.items():
        mine = (names == label) & (taken != detection.CROWD)
        per_class[label] = replace(
            at_cut,
            average_precision=precision.per_class[label],
            average_precision_50=precision.per_class_at_50[label],
            curve=detection.precision_recall_curve(taken[mine] >= 0, scores[mine], at_cut.support),
        )
    return per_class
