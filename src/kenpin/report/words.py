"""Numbers as words: measures by name, in their unit and which way they are better; parts and their boxes in a few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from kenpin.records import JudgedExample, Measure

NONE = "–"
NO_BOXES = "no boxes"
NO_LABEL = "no label"

TITLES = {
    "accuracy": "Accuracy",
    "balanced_accuracy": "Balanced accuracy",
    "macro_f1": "Mean F1 of the classes",
    "auroc": "AUROC",
    "average_precision": "Average precision",
    "calibration_error": "Calibration error, defective or not",
    "calibration_error_before": "Calibration error before the scores were calibrated",
    "top_label_calibration_error": "Calibration error of the predicted class",
    "escape_rate": "Escapes: defective parts passed",
    "escape_rate_at_most": "Escapes, at most (one-sided 95 %)",
    "overkill_rate": "Overkills: OK parts failed",
    "overkill_rate_at_most": "Overkills, at most (one-sided 95 %)",
    "review_rate": "Parts sent to review",
    "cost_per_part": "Cost per part",
    "pixel_auroc": "AUROC of pixels",
    "aupro": "AUPRO: overlap with each defective region",
    "map": "mAP 50:95",
    "map_50": "mAP 50",
    "map_75": "mAP 75",
    "map_small": "mAP 50:95, small boxes",
    "map_medium": "mAP 50:95, medium boxes",
    "map_large": "mAP 50:95, large boxes",
    "box_precision": "Drawn boxes that are right (precision)",
    "box_recall": "True boxes that are found (recall)",
    "box_f1": "F1 of boxes",
    "score_cut": "Score cut",
    "missed_boxes_per_picture": "Boxes missed per picture",
    "false_alarms_per_picture": "False alarms per picture",
    "box_calibration_error": "Calibration error of the scores",
    "rejected_pieces": "Unreadable pieces of answers",
    "exact_match": "Answers with the true words",
    "token_f1": "F1 of the words in an answer",
    "edit_distance": "Share of an answer's characters to edit",
    "verification_auroc": "AUROC of pairs: same class or not",
    "equal_error_rate": "Equal error rate of pairs",
    "knn_accuracy": "Right class by the 5 nearest neighbours",
    "recall_at_1": "Nearest neighbour has the same class",
    "recall_at_5": "One of the 5 nearest neighbours has the same class",
    "silhouette": "Silhouette of the classes",
    "precision_at_5_before": "Wanted among the 5 nearest cases, before the training",
    "precision_at_5_after": "Wanted among the 5 nearest cases, after it",
    "precision_at_5_gain": "Wanted among the 5 nearest cases, gain by the training",
    "effective_rank": "Directions in which embeddings differ",
}
OF_BOXES = {
    "map": "Whether boxes are found, ranked by their scores and drawn in the right position: the mean over all classes "
    "and ten required overlaps from 0.50 to 0.95. 1 is perfect; a box on a picture without any lowers it.",
    "map_50": "mAP where an overlap of one half is enough: whether defects are found at all.",
    "map_75": "mAP where three quarters must overlap: whether boxes fit.",
    "map_small": "mAP of true boxes with an area below 32² pixels.",
    "map_medium": "mAP of true boxes with an area from 32² to 96² pixels.",
    "map_large": "mAP of true boxes with an area above 96² pixels.",
    "box_precision": "Share of the boxes with a score from the cut up that are right in class and position.",
    "box_recall": "Share of the true boxes that are found this way.",
    "box_f1": "The harmonic mean of precision and recall.",
    "score_cut": "The score from which a box counts as drawn; chosen where F1 is best.",
    "missed_boxes_per_picture": "True boxes that were not found.",
    "false_alarms_per_picture": "Boxes drawn where there is nothing of their class.",
    "box_calibration_error": "How far scores are from the share of boxes with such a score that are right.",
    "rejected_pieces": "Pieces of answers that are not a valid box.",
}
"""What each measure of boxes means."""
_NUMBERS = {"auroc", "average_precision", "macro_f1", "calibration_error", "calibration_error_before",
            "top_label_calibration_error", "map",
            "map_50", "map_75", "map_small", "map_medium", "map_large", "score_cut", "missed_boxes_per_picture",
            "false_alarms_per_picture", "box_calibration_error", "verification_auroc", "silhouette",
            "effective_rank", "pixel_auroc", "aupro", "token_f1", "edit_distance"}  # fmt: skip

LOWER_IS_BETTER = {"calibration_error", "calibration_error_before", "top_label_calibration_error", "escape_rate",
                   "escape_rate_at_most", "overkill_rate", "overkill_rate_at_most", "review_rate", "cost_per_part",
                   "missed_boxes_per_picture", "false_alarms_per_picture", "box_calibration_error",
                   "rejected_pieces", "edit_distance", "equal_error_rate"}  # fmt: skip
"""Measures of what is wrong. Of the others more is better, but for `score_cut` and `effective_rank`, which say nothing
of how good an inspector is."""


def title(name: str) -> str:
    """A measure's name for readers."""
    return TITLES.get(name, name.replace("_", " ").capitalize())


def percent(share: float | None, digits: int = 1) -> str:
    """A share in percent, a dash for None."""
    return NONE if share is None else f"{share * 100:.{digits}f}\N{NO-BREAK SPACE}%"


def percent_at_most(share: float) -> str:
    """A bound in percent, never rounded down."""
    return f"{math.ceil(share * 1000 - 1e-9) / 10:.1f}\N{NO-BREAK SPACE}%"


def bound(sentence: str) -> str:
    """A sentence in which no percentage is parted at the end of a line."""
    return sentence.replace(" %", "\N{NO-BREAK SPACE}%")


def value(name: str, number: float | None) -> str:
    """A measure's number in its unit, a dash for None."""
    if number is None:
        return NONE
    if name == "cost_per_part":
        return f"{number:,.4g}"
    if name.endswith("_at_most"):
        return percent_at_most(number)
    if name == "rejected_pieces":
        return f"{number:.0f}"
    return f"{number:.3f}" if name in _NUMBERS else percent(number)


def interval(name: str, measure: Measure) -> str:
    """`low to high` in the measure's unit; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{value(name, measure.low)} to {value(name, measure.high)}"


def change(name: str, measure: Measure) -> str:
    """A difference with its sign: percentage points for shares."""
    return NONE if measure.value is None else _signed(name, measure.value)


def change_interval(name: str, measure: Measure) -> str:
    """`low to high` of a difference, with signs; empty where there is no interval."""
    if measure.low is None or measure.high is None:
        return ""
    return f"{_signed(name, measure.low)} to {_signed(name, measure.high)}"


def _signed(name: str, number: float) -> str:
    text = f"{number:+.3f}" if name in _NUMBERS else f"{number * 100:+.1f} pp"
    return text.replace("-", "−")


def score(number: float | None) -> str:
    """A score or cut with four digits; words where the cut lies beyond all scores."""
    if number is None or number != number:
        return NONE
    if math.isinf(number):
        return "above every score" if number > 0 else "below every score"
    return f"{number:.4g}"


def asked(part: JudgedExample) -> tuple[str, ...]:
    """What was asked of a part, where it has a question of its own."""
    return () if part.text is None or part.text.question is None else (f"asked: {part.text.question}",)


def answered(part: JudgedExample) -> str:
    """What was answered."""
    return f"answered: {(part.prediction.text or '').strip() or NONE}"


def truth(part: JudgedExample) -> str:
    """What a part is: its label, its true answer, or the classes of its boxes with their numbers."""
    if part.text is not None:
        return f"true: {part.text.truth}"
    if part.boxes is None:
        return f"is {part.label}"
    return f"true: {listed(part.boxes.truth.labels) or NO_BOXES}"


def drawn(part: JudgedExample) -> str:
    """The classes of the boxes that count as drawn, with their numbers."""
    said = part.prediction.detections
    if part.boxes is None or said is None:
        return NO_BOXES
    counted = zip(said.labels, part.boxes.right, strict=True)
    return listed(label for label, right in counted if right is not None) or NO_BOXES


def kinds(part: JudgedExample) -> tuple[str, ...]:
    """The classes that a part shows: its label, or those of its boxes."""
    if part.boxes is None:
        return (part.label or NO_LABEL,)
    return tuple(dict.fromkeys(part.boxes.truth.labels)) or (NO_BOXES,)


def side(part: JudgedExample) -> str:
    """A part's label; where boxes are judged, whether it is OK."""
    return part.label or NO_LABEL if part.boxes is None else "not OK" if part.defective else "OK"


def listed(labels: Iterable[str]) -> str:
    """`dent × 2, scratch`; empty for none."""
    return ", ".join(name if number == 1 else f"{name} × {number}" for name, number in Counter(labels).items())
