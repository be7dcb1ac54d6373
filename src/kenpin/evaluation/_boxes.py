"""Measures of boxes: average precision, what the best score cut finds and misses, calibration of the scores."""

from __future__ import annotations

from kenpin.evaluation._box_matching import OTHER, countable
from kenpin.evaluation._pictures import FEW, UNKNOWN
from kenpin.evaluation.kinds import Better, MeasureKind, Section, Unit
from kenpin.evaluation.pairs import change_of_boxes
from kenpin.evaluation.sample import Sample
from kenpin.metrics import calibration
from kenpin.metrics.intervals import measured
from kenpin.metrics.ranking import Curve
from kenpin.plural import counted, is_are, was_were
from kenpin.records import Measure


def mean_average_precision(sample: Sample) -> Measure:
    """COCO's mAP 50:95; this measure and the other means are unknown where boxes have no scores."""
    precision = sample.matches.average_precision
    return measured(None if precision is None else precision.mean, sample.average_precision_intervals[0])


def mean_average_precision_50(sample: Sample) -> Measure:
    """COCO's average precision at an overlap of 0.50."""
    precision = sample.matches.average_precision
    return measured(None if precision is None else precision.at_50, sample.average_precision_intervals[1])


def mean_average_precision_75(sample: Sample) -> Measure:
    """COCO's average precision at an overlap of 0.75."""
    precision = sample.matches.average_precision
    return measured(None if precision is None else precision.at_75, sample.average_precision_intervals[2])


def mean_average_precision_small(sample: Sample) -> Measure:
    """COCO's mAP of small true boxes."""
    precision = sample.matches.average_precision
    return Measure(None if precision is None else precision.small)


def mean_average_precision_medium(sample: Sample) -> Measure:
    """COCO's mAP of medium true boxes."""
    precision = sample.matches.average_precision
    return Measure(None if precision is None else precision.medium)


def mean_average_precision_large(sample: Sample) -> Measure:
    """COCO's mAP of large true boxes."""
    precision = sample.matches.average_precision
    return Measure(None if precision is None else precision.large)


def box_precision(sample: Sample) -> Measure:
    """Precision at the score cut; this rate and the others have the bootstrap's interval over the pictures."""
    return sample.box_rates.precision


def box_recall(sample: Sample) -> Measure:
    """Recall at the score cut."""
    return sample.box_rates.recall


def box_f1(sample: Sample) -> Measure:
    """F1 at the score cut."""
    return sample.box_rates.f1


def missed_boxes_per_picture(sample: Sample) -> Measure:
    """Missed boxes per picture at the score cut."""
    return sample.box_rates.missed_per_picture


def false_alarms_per_picture(sample: Sample) -> Measure:
    """False alarms per picture at the score cut."""
    return sample.box_rates.false_alarms_per_picture


def score_cut(sample: Sample) -> Measure:
    """The score cut of best F1."""
    return Measure(sample.matches.cut)


def box_calibration_error(sample: Sample) -> Measure:
    """Calibration error of the scores against the share of boxes that are right."""
    matches = sample.matches
    return UNKNOWN if matches.scores is None else Measure(calibration.calibration_error(matches.scores, matches.right))


def rejected_pieces(sample: Sample) -> Measure:
    """Number of pieces of answers that could not be parsed."""
    return Measure(float(sum(len(part.prediction.rejected) for part in sample.judged)))


def box_curves(sample: Sample) -> dict[str, Curve]:
    """Reliability curve of the scores, where boxes have scores."""
    matches = sample.matches
    if matches.scores is None:
        return {}
    return {"box_reliability": calibration.reliability_curve(matches.scores, matches.right)}


def box_notes(sample: Sample) -> list[str]:
    """Notes on the measures of boxes."""
    result, notes = sample.matches, []
    rejected = [(piece, part.id) for part in sample.judged for piece in part.prediction.rejected]
    if rejected:
        piece, where = rejected[0]
        notes.append(
            f"{counted(len(rejected), 'piece')} of the answers {was_were(len(rejected))} left out as not a valid box, "
            f"such as “{piece:.60}” of {where}."
        )
    if others := sum(detections.labels.count(OTHER) for detections in result.predicted):
        notes.append(
            f"{counted(others, 'box')} got a class that the inspector was not trained on: false alarms of “{OTHER}”."
        )
    if result.scores is None:
        notes.append(
            "The boxes have no scores to rank them by: there is no mAP and no curve, and every box counts in "
            "precision, recall and F1."
        )
    elif result.cut is not None:
        notes.append(
            f"Precision, recall, F1, misses and false alarms count the boxes with a score of {result.cut:.3g} or more: "
            "the cut of best F1 on these pictures, so these figures are a little too good."
        )
    absent = [label for label, scores in result.per_class.items() if not scores.support]
    if absent:
        notes.append(f"No true box is of class {' or '.join(absent)}: how well such boxes are found is unknown.")
    with_boxes = sum(bool(countable(detections)) for detections in result.truth)
    if 0 < with_boxes < FEW:
        notes.append(
            f"There {is_are(with_boxes)} only {counted(with_boxes, 'picture')} with boxes: the intervals of box "
            "measures are rough."
        )
    return notes


ROWS = (
    MeasureKind(
        "map",
        "mAP 50:95",
        "Whether boxes are found, ranked by their scores and drawn in the right position: the mean over all classes "
        "and ten required overlaps from 0.50 to 0.95. 1 is perfect; a box on a picture without any lowers it.",
        Section.BOXES,
        Unit.NUMBER,
        short="mAP",
        watched=True,
        compute=mean_average_precision,
        change=change_of_boxes,
    ),
    MeasureKind(
        "map_50",
        "mAP 50",
        "mAP where an overlap of one half is enough: whether defects are found at all.",
        Section.BOXES,
        Unit.NUMBER,
        short="mAP 50",
        watched=True,
        compute=mean_average_precision_50,
        change=change_of_boxes,
    ),
    MeasureKind(
        "map_75",
        "mAP 75",
        "mAP where three quarters must overlap: whether boxes fit.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mean_average_precision_75,
        change=change_of_boxes,
    ),
    MeasureKind(
        "map_small",
        "mAP 50:95, small boxes",
        "mAP of true boxes with an area below 32² pixels.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mean_average_precision_small,
    ),
    MeasureKind(
        "map_medium",
        "mAP 50:95, medium boxes",
        "mAP of true boxes with an area from 32² to 96² pixels.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mean_average_precision_medium,
    ),
    MeasureKind(
        "map_large",
        "mAP 50:95, large boxes",
        "mAP of true boxes with an area above 96² pixels.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mean_average_precision_large,
    ),
    MeasureKind(
        "box_precision",
        "Drawn boxes that are right (precision)",
        "Share of the boxes with a score from the cut up that are right in class and position.",
        Section.BOXES,
        watched=True,
        compute=box_precision,
        change=change_of_boxes,
    ),
    MeasureKind(
        "box_recall",
        "True boxes that are found (recall)",
        "Share of the true boxes that boxes with a score from the cut up find.",
        Section.BOXES,
        watched=True,
        compute=box_recall,
        change=change_of_boxes,
    ),
    MeasureKind(
        "box_f1",
        "F1 of boxes",
        "The harmonic mean of precision and recall of boxes.",
        Section.BOXES,
        compute=box_f1,
    ),
    MeasureKind(
        "missed_boxes_per_picture",
        "Boxes missed per picture",
        "True boxes that were not found, on average over the pictures.",
        Section.BOXES,
        Unit.NUMBER,
        Better.LOWER,
        compute=missed_boxes_per_picture,
    ),
    MeasureKind(
        "false_alarms_per_picture",
        "False alarms per picture",
        "Boxes drawn where there is nothing of their class, on average over the pictures.",
        Section.BOXES,
        Unit.NUMBER,
        Better.LOWER,
        compute=false_alarms_per_picture,
    ),
    MeasureKind(
        "score_cut",
        "Score cut",
        "The score from which a box counts as drawn; chosen where F1 is best.",
        Section.BOXES,
        Unit.NUMBER,
        None,
        compute=score_cut,
    ),
    MeasureKind(
        "box_calibration_error",
        "Calibration error of the scores",
        "How far scores are from the share of boxes with such a score that are right.",
        Section.BOXES,
        Unit.NUMBER,
        Better.LOWER,
        compute=box_calibration_error,
    ),
    MeasureKind(
        "rejected_pieces",
        "Unreadable pieces of answers",
        "Pieces of answers that are not a valid box.",
        Section.BOXES,
        Unit.COUNT,
        Better.LOWER,
        compute=rejected_pieces,
    ),
)
