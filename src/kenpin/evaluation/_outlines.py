"""Measures of outlines, where an inspector predicts them: average precision of their pixels."""

from __future__ import annotations

from kenpin.evaluation.kinds import MeasureKind, Section, Unit
from kenpin.evaluation.sample import Sample
from kenpin.records import Measure


def mask_average_precision(sample: Sample) -> Measure | None:
    """COCO's mAP 50:95 of masks; None where no prediction has an outline."""
    precision = sample.mask_precision
    return None if precision is None else Measure(precision.mean)


def mask_average_precision_50(sample: Sample) -> Measure | None:
    """COCO's average precision of masks at an overlap of 0.50."""
    precision = sample.mask_precision
    return None if precision is None else Measure(precision.at_50)


ROWS = (
    MeasureKind(
        "mask_map",
        "mAP 50:95 of masks",
        "mAP with the pixels of outlines in place of boxes, where the inspector predicts outlines.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mask_average_precision,
    ),
    MeasureKind(
        "mask_map_50",
        "mAP 50 of masks",
        "mAP of masks where an overlap of one half is enough.",
        Section.BOXES,
        Unit.NUMBER,
        compute=mask_average_precision_50,
    ),
)
