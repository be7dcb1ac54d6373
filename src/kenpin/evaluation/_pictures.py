"""Measures of whole pictures: their names, the rank of the defect score, calibration, the threshold's decisions."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kenpin.evaluation.kinds import Better, MeasureKind, Unit
from kenpin.evaluation.pairs import change_of_accuracy, change_of_auroc, change_of_reviews
from kenpin.evaluation.sample import Chances, Sample
from kenpin.metrics import calibration, confusion, intervals, ranking
from kenpin.metrics.intervals import measured
from kenpin.plural import counted, was_were
from kenpin.quality import bounds
from kenpin.records import Measure

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

UNKNOWN = Measure(None)
FEW = 10
"""Parts of one kind, below which an interval by resampling is itself a guess."""
_CLAIM = 0.01  # an escape rate that is commonly asked for


def accuracy(sample: Sample) -> Measure:
    """Share of pictures on the diagonal of the confusion matrix, with Wilson's interval."""
    total, right = int(sample.confusion.sum()), int(np.trace(sample.confusion))
    return measured(right / total, intervals.wilson(right, total)) if total else UNKNOWN


def balanced_accuracy(sample: Sample) -> Measure:
    """Mean recall of the classes."""
    return _of_confusion(sample, confusion.balanced_accuracy)


def macro_f1(sample: Sample) -> Measure:
    """Mean F1 of the classes."""
    return _of_confusion(sample, confusion.macro_f1)


def _of_confusion(sample: Sample, measure: Callable[[Ints], Floats]) -> Measure:
    value = float(measure(sample.confusion))
    interval = intervals.confusion_interval(measure, sample.confusion, seed=sample.seed)
    return UNKNOWN if math.isnan(value) else measured(value, interval)


def auroc(sample: Sample) -> Measure:
    """AUROC of the defect score."""
    interval = intervals.ranking_interval(ranking.auroc_of_counts, *sample.scored, seed=sample.seed)
    return measured(ranking.auroc(*sample.scored), interval)


def average_precision(sample: Sample) -> Measure:
    """Average precision of the defect score."""
    interval = intervals.ranking_interval(ranking.average_precision_of_counts, *sample.scored, seed=sample.seed)
    return measured(ranking.average_precision(*sample.scored), interval)


def calibration_error(sample: Sample) -> Measure:
    """Calibration error of the probability of a defect; a distance has none."""
    return _of_chances(sample.defect_chances, sample.seed)


def calibration_error_before(sample: Sample) -> Measure | None:
    """Calibration error before the scores were calibrated; None where they were not, or were no probabilities."""
    before = sample.chances_before
    return _of_chances(before, sample.seed) if len(before.stated) else None


def top_label_calibration_error(sample: Sample) -> Measure:
    """Calibration error of the predicted class."""
    return _of_chances(sample.top_label_chances, sample.seed)


def _of_chances(chances: Chances, seed: int) -> Measure:
    error = calibration.calibration_error(chances.stated, chances.happened)
    return measured(error, calibration.calibration_interval(chances.stated, chances.happened, seed=seed))


def escape_rate(sample: Sample) -> Measure:
    """Share of defective parts that are passed, with the exact interval."""
    return _rate(int(sample.decisions[1, 0]), int(sample.decisions[1].sum()))


def overkill_rate(sample: Sample) -> Measure:
    """Share of OK parts that are failed, with the exact interval."""
    return _rate(int(sample.decisions[0, 2]), int(sample.decisions[0].sum()))


def review_rate(sample: Sample) -> Measure:
    """Share of parts that are sent to review, with the exact interval."""
    return _rate(int(sample.decisions[:, 1].sum()), int(sample.decisions.sum()))


def _rate(events: int, parts: int) -> Measure:
    return measured(events / parts, bounds.clopper_pearson(events, parts)) if parts else UNKNOWN


def escape_rate_at_most(sample: Sample) -> Measure:
    """Exact upper bound of the escape rate."""
    return Measure(bounds.at_most(int(sample.decisions[1, 0]), int(sample.decisions[1].sum())))


def overkill_rate_at_most(sample: Sample) -> Measure:
    """Exact upper bound of the overkill rate."""
    return Measure(bounds.at_most(int(sample.decisions[0, 2]), int(sample.decisions[0].sum())))


def cost_per_part(sample: Sample) -> Measure:
    """Mean cost of a part with these verdicts, at the threshold's defect rate (None: the sample's)."""
    counts, threshold = sample.decisions, sample.threshold
    ok, defective = (int(total) for total in counts.sum(1))
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None or not (ok and defective):
        return UNKNOWN
    if counts[:, 1].any() and threshold.cost_review is None:
        return UNKNOWN  # a part without a score is reviewed, and the cost of a review is not given
    rate = threshold.defect_rate if threshold.defect_rate is not None else defective / (ok + defective)
    review = threshold.cost_review or 0.0
    costs = np.array([[0.0, review, threshold.cost_overkill], [threshold.cost_escape, review, 0.0]])
    weights = costs * np.array([[(1 - rate) / ok], [rate / defective]])

    def mean_cost(tables: Ints) -> Floats:
        return np.asarray((tables * weights).sum((-2, -1)), np.float64)

    return measured(float(mean_cost(counts)), intervals.confusion_interval(mean_cost, counts, seed=sample.seed))


def picture_curves(sample: Sample) -> dict[str, ranking.Curve]:
    """Curves of the defect score and of stated probabilities, by name, as far as they are defined."""
    curves: dict[str, ranking.Curve] = {}
    defective, scores = sample.scored
    if defective.any() and not defective.all():
        curves["roc"] = ranking.roc_curve(defective, scores)
        curves["precision_recall"] = ranking.precision_recall_curve(defective, scores)
    for name, chances in (("reliability", sample.defect_chances), ("reliability_before", sample.chances_before)):
        if len(chances.stated):
            curves[name] = calibration.reliability_curve(chances.stated, chances.happened)
    return curves


def picture_notes(sample: Sample) -> list[str]:
    """Notes on the measures of whole pictures."""
    notes = [] if sample.boxes is not None else _naming_notes(sample)
    absent = [name for name, count in zip(sample.classes, sample.confusion.sum(1), strict=True) if count == 0]
    if sample.named and absent:
        notes.append(f"No picture is labelled {' or '.join(absent)}: how well such parts are found is unknown.")
    return [*notes, *_ranking_notes(sample), *_decision_notes(sample)]


def _naming_notes(sample: Sample) -> list[str]:
    if sample.is_named:
        if not (left_out := len(sample.judged) - len(sample.named)):
            return []
        return [
            f"{counted(left_out, 'picture')} got no class and {was_were(left_out)} left out of accuracy and confusion."
        ]
    if sample.threshold is None:
        return ["The inspector gives only scores and there is no threshold, so how often it is right is unknown."]
    if sample.threshold.review_from is not None:
        return ["Accuracy and confusion count a part in the review band as OK; the verdicts say where it goes."]
    return []


def _ranking_notes(sample: Sample) -> list[str]:
    defective, scores = sample.scored
    of_each = int((~defective).sum()), int(defective.sum())
    notes = []
    if not sample.ok_labels and sample.boxes is None:
        notes.append(
            "No class is marked as OK, so no part counts as defective: there is no AUROC and no verdict is scored."
        )
    elif not all(of_each):
        notes.append(
            f"AUROC and average precision need scored OK and defective parts; there are {of_each[0]} and {of_each[1]}."
        )
    elif min(of_each) < FEW:
        notes.append(
            f"There are only {of_each[0]} OK and {counted(of_each[1], 'defective part')}: the intervals by resampling "
            "are rough."
        )
    if ranking.auroc(defective, scores) == 1.0:
        notes.append(
            "The score separates these parts perfectly, so resampling cannot show how far chance could change it."
        )
    return notes


def _decision_notes(sample: Sample) -> list[str]:
    notes = [] if sample.threshold is not None else ["No threshold was given, so no part was passed or failed."]
    defective, escapes = int(sample.decisions[1].sum()), int(sample.decisions[1, 0])
    if defective and not escapes and defective < (needed := bounds.parts_needed(_CLAIM)):
        notes.append(
            f"To prove an escape rate of at most {_CLAIM * 100:.0f} % (one-sided 95 %), "
            f"{counted(needed, 'defective part')} must be judged without an escape; there {was_were(defective)} "
            f"{defective}."
        )
    return notes


ROWS = (
    MeasureKind(
        "accuracy",
        "Accuracy",
        "Share of the pictures that get the right class; of an inspector that only scores, or gives boxes, of those "
        "that are on the right side of the threshold.",
        short="accuracy",
        watched=True,
        compute=accuracy,
        change=change_of_accuracy,
    ),
    MeasureKind(
        "balanced_accuracy",
        "Balanced accuracy",
        "The mean over the classes of the share of their pictures that get the right class, so that rare classes "
        "count as much as common ones.",
        watched=True,
        compute=balanced_accuracy,
    ),
    MeasureKind(
        "macro_f1",
        "Mean F1 of the classes",
        "The mean over the classes of the harmonic mean of precision and recall.",
        unit=Unit.NUMBER,
        compute=macro_f1,
    ),
    MeasureKind(
        "auroc",
        "AUROC",
        "How often a defective part scores above a good one, over all such pairs: 0.5 is chance, 1 is perfect.",
        unit=Unit.NUMBER,
        short="AUROC",
        watched=True,
        compute=auroc,
        change=change_of_auroc,
    ),
    MeasureKind(
        "average_precision",
        "Average precision",
        "The mean over the defective parts of the share of defective ones among all that score as high or higher.",
        unit=Unit.NUMBER,
        compute=average_precision,
    ),
    MeasureKind(
        "calibration_error",
        "Calibration error, defective or not",
        "How far the stated probability of a defect is from the share of such parts that are defective.",
        unit=Unit.NUMBER,
        better=Better.LOWER,
        compute=calibration_error,
    ),
    MeasureKind(
        "calibration_error_before",
        "Calibration error before the scores were calibrated",
        "How far the probability of a defect was from the share of such parts that are defective before it was "
        "calibrated.",
        unit=Unit.NUMBER,
        better=Better.LOWER,
        compute=calibration_error_before,
    ),
    MeasureKind(
        "top_label_calibration_error",
        "Calibration error of the predicted class",
        "How far the stated probability of the predicted class is from the share of such pictures that are of it.",
        unit=Unit.NUMBER,
        better=Better.LOWER,
        compute=top_label_calibration_error,
    ),
    MeasureKind(
        "escape_rate",
        "Escapes: defective parts passed",
        "Share of the defective parts that are passed.",
        better=Better.LOWER,
        short="escapes",
        compute=escape_rate,
    ),
    MeasureKind(
        "overkill_rate",
        "Overkills: OK parts failed",
        "Share of the OK parts that are failed.",
        better=Better.LOWER,
        short="overkills",
        compute=overkill_rate,
    ),
    MeasureKind(
        "review_rate",
        "Parts sent to review",
        "Share of all parts that a person must look at.",
        better=Better.LOWER,
        compute=review_rate,
        change=change_of_reviews,
    ),
    MeasureKind(
        "escape_rate_at_most",
        "Escapes, at most (one-sided 95 %)",
        "The exact upper bound of the escape rate: it holds with 95 % confidence.",
        unit=Unit.BOUND,
        better=Better.LOWER,
        compute=escape_rate_at_most,
    ),
    MeasureKind(
        "overkill_rate_at_most",
        "Overkills, at most (one-sided 95 %)",
        "The exact upper bound of the overkill rate: it holds with 95 % confidence.",
        unit=Unit.BOUND,
        better=Better.LOWER,
        compute=overkill_rate_at_most,
    ),
    MeasureKind(
        "cost_per_part",
        "Cost per part",
        "The mean cost of escapes, overkills and reviews, at the threshold's share of defective parts.",
        unit=Unit.COST,
        better=Better.LOWER,
        compute=cost_per_part,
    ),
)
