"""What is measured on boxes: average precision, the best score cut and what it finds, misses, and mistaken classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kenpin.evaluation._pictures import FEW, UNKNOWN, measured
from kenpin.metrics import calibration, confusion, detection, intervals
from kenpin.metrics.average_precision import AveragePrecision, average_precision, average_precision_intervals
from kenpin.metrics.ranking import Curve
from kenpin.plural import counted, is_are, was_were
from kenpin.records import ClassScores, Detections, JudgedBoxes, JudgedExample, Measure

BACKGROUND, OTHER = "background", "another name"

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Truth:
    """The annotated boxes of one picture, and its displayed size where it is known."""

    boxes: Detections
    size_wh: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class BoxFigures:
    """All that an evaluation says of boxes."""

    judged: tuple[JudgedExample, ...]
    labels: tuple[str, ...]
    confusion: Ints
    measures: dict[str, Measure]
    per_class: dict[str, ClassScores]
    curves: dict[str, Curve]


def judge_boxes(
    judged: Sequence[JudgedExample], truths: Sequence[Truth], labels: Sequence[str], seed: int, notes: list[str]
) -> BoxFigures:
    """Match each picture's predicted boxes with its true ones and measure the outcome.

    Raises LabelError for a true label that is not among `labels`, and MissingExtraError.
    """
    truth = [one.boxes for one in truths]
    stated = [_renamed(part.prediction.detections or Detections(), frozenset(labels)) for part in judged]
    others = sum(one.labels.count(OTHER) for one in stated)
    names = (*labels, OTHER) if others else tuple(labels)
    finds = [detection.match(*pair) for pair in zip(truth, stated, strict=True)]
    taken = np.concatenate([*finds, np.zeros(0, np.int64)])
    counted, right, scores = taken != detection.CROWD, taken >= 0, detection.scores_of(stated)
    true_boxes = sum(_countable(one) for one in truth)
    cut = None
    if scores is not None:
        cut = detection.best_cut(right[counted], scores[counted], true_boxes)

    parts = tuple(
        replace(part, boxes=_judged_boxes(one, said, places, cut))
        for part, one, said, places in zip(judged, truths, stated, finds, strict=True)
    )
    table = detection.confusion_with_background(truth, [_from(one, cut) for one in stated], names)
    found = None if scores is None else average_precision(truth, stated, names)
    measures = _average_precision_measures(found, truth, stated, names, seed)
    measures |= _cut_measures([part.boxes for part in parts if part.boxes is not None], seed)
    measures["score_cut"] = Measure(cut)
    curves: dict[str, Curve] = {}
    measures["box_calibration_error"] = UNKNOWN
    if scores is not None:
        measures["box_calibration_error"] = Measure(calibration.calibration_error(scores[counted], right[counted]))
        curves["box_reliability"] = calibration.reliability_curve(scores[counted], right[counted])
    measures["rejected_pieces"] = Measure(float(sum(len(part.prediction.rejected) for part in judged)))
    per_class = _class_scores(labels, table, found, stated, taken, scores)
    notes += _notes(parts, per_class, cut, scores is not None, others)
    return BoxFigures(parts, (*names, BACKGROUND), table, measures, per_class, curves)


def _renamed(found: Detections, known: frozenset[str]) -> Detections:
    if known.issuperset(found.labels):
        return found
    return replace(found, labels=tuple(label if label in known else OTHER for label in found.labels))


def _countable(truth: Detections) -> int:
    return len(truth) - sum(truth.crowd or ())


def _reaches(found: Detections, cut: float | None) -> list[bool]:
    return [True] * len(found) if cut is None else [score >= cut for score in found.scores or ()]


def _from(found: Detections, cut: float | None) -> Detections:
    """The detections that reach the cut."""
    kept = [i for i, reaches in enumerate(_reaches(found, cut)) if reaches]
    scores = None if found.scores is None else tuple(found.scores[i] for i in kept)
    return Detections(tuple(found.boxes_xyxy_px[i] for i in kept), tuple(found.labels[i] for i in kept), scores)


def _judged_boxes(truth: Truth, found: Detections, finds: Ints, cut: float | None) -> JudgedBoxes:
    counts = np.array(_reaches(found, cut), bool)
    crowd = truth.boxes.crowd or (False,) * len(truth.boxes)
    reached = set(finds[counts].tolist())
    right = [
        None if place == detection.CROWD or not counting else place != detection.NOTHING
        for place, counting in zip(finds.tolist(), counts.tolist(), strict=True)
    ]
    return JudgedBoxes(
        truth=truth.boxes,
        found=tuple(hidden or i in reached for i, hidden in enumerate(crowd)),
        right=tuple(right),
        size_wh=truth.size_wh,
    )


def _average_precision_measures(
    found: AveragePrecision | None,
    truth: Sequence[Detections],
    stated: Sequence[Detections],
    names: Sequence[str],
    seed: int,
) -> dict[str, Measure]:
    if found is None:
        return dict.fromkeys(("map", "map_50", "map_75", "map_small", "map_medium", "map_large"), UNKNOWN)
    mean, at_50, at_75 = average_precision_intervals(truth, stated, names, seed=seed)
    return {
        "map": measured(found.mean, mean),
        "map_50": measured(found.at_50, at_50),
        "map_75": measured(found.at_75, at_75),
        "map_small": Measure(found.small),
        "map_medium": Measure(found.medium),
        "map_large": Measure(found.large),
    }


def _cut_measures(judged: Sequence[JudgedBoxes], seed: int) -> dict[str, Measure]:
    """Precision, recall and F1 of all boxes, and misses and false alarms a picture, at the score cut."""
    counts = np.array([(one.right.count(True), one.right.count(False), one.found.count(False)) for one in judged])

    def rates(draws: Ints) -> Floats:
        right, false_alarms, missed = (draws @ counts).T
        parts, boxes = draws.sum(1), right + missed
        fractions = ((right, right + false_alarms), (right, boxes), (2 * right, right + false_alarms + boxes),
                     (missed, parts), (false_alarms, parts))  # fmt: skip
        return np.stack(
            [np.divide(top, all, out=np.full(len(draws), np.nan), where=all > 0) for top, all in fractions], axis=1
        )

    names = ("box_precision", "box_recall", "box_f1", "missed_boxes_per_picture", "false_alarms_per_picture")
    values = rates(np.ones((1, len(judged)), np.int64))[0].tolist()
    spans = intervals.picture_intervals(rates, len(judged), cells_each=2 * len(judged), seed=seed)
    return {
        name: UNKNOWN if np.isnan(value) else measured(value, span)
        for name, value, span in zip(names, values, spans, strict=True)
    }


def _class_scores(
    labels: Sequence[str],
    table: Ints,
    found: AveragePrecision | None,
    stated: Sequence[Detections],
    taken: Ints,
    scores: Floats | None,
) -> dict[str, ClassScores]:
    per_class = dict(zip(labels, confusion.class_scores(table), strict=False))
    if found is None or scores is None:
        return per_class
    names = np.array([label for one in stated for label in one.labels], object)
    for label, at_cut in per_class.items():
        mine = (names == label) & (taken != detection.CROWD)
        per_class[label] = replace(
            at_cut,
            average_precision=found.per_class[label],
            average_precision_50=found.per_class_at_50[label],
            curve=detection.precision_recall_curve(taken[mine] >= 0, scores[mine], at_cut.support),
        )
    return per_class


def _notes(
    judged: Sequence[JudgedExample],
    per_class: dict[str, ClassScores],
    cut: float | None,
    scored: bool,
    others: int,
) -> list[str]:
    notes = []
    rejected = [(piece, part.id) for part in judged for piece in part.prediction.rejected]
    if rejected:
        piece, where = rejected[0]
        notes.append(
            f"{counted(len(rejected), 'piece')} of the answers {was_were(len(rejected))} left out as not a valid box, "
            f"such as “{piece:.60}” of {where}."
        )
    if others:
        notes.append(
            f"{counted(others, 'box')} got a class that the inspector was not trained on: false alarms of “{OTHER}”."
        )
    if not scored:
        notes.append(
            "The boxes have no scores to rank them by: there is no mAP and no curve, and every box counts in "
            "precision, recall and F1."
        )
    elif cut is not None:
        notes.append(
            f"Precision, recall, F1, misses and false alarms count the boxes with a score of {cut:.3g} or more: the "
            "cut of best F1 on these pictures, so these figures are a little too good."
        )
    absent = [label for label, scores in per_class.items() if not scores.support]
    if absent:
        notes.append(f"No true box is of class {' or '.join(absent)}: how well such boxes are found is unknown.")
    with_boxes = sum(one.boxes is not None and bool(_countable(one.boxes.truth)) for one in judged)
    if 0 < with_boxes < FEW:
        notes.append(
            f"There {is_are(with_boxes)} only {counted(with_boxes, 'picture')} with boxes: the intervals of box "
            "measures are rough."
        )
    return notes
