"""Giving scores a meaning: a calibration fitted on the pictures that the threshold is then chosen on."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.metrics.detection import CROWD, match, scores_of
from kenpin.models.contract import Calibrated
from kenpin.quality.calibration import Calibration, Method, fit_calibration, inside_unit, unit_of_distance
from kenpin.records import Detections, Prediction
from kenpin.targets import Target


def calibrate(
    inspector: Calibrated,
    method: Method,
    pictures: Dataset,
    predictions: Sequence[Prediction],
    defective: Sequence[bool],
    target: Target,
) -> tuple[tuple[Prediction, ...], str]:
    """Give the inspector its calibration, or none; what it then says of these pictures, and a sentence.

    predictions: without a calibration, by inspectors that had not seen the pictures; target: what they are judged on,
    each picture's `label` or its `boxes`.
    """
    of_boxes = target.locates
    inspector.calibration, sentence = (
        _of_boxes(method, pictures, predictions) if of_boxes else _of_pictures(method, predictions, defective)
    )
    return tuple(map(inspector.calibrated, predictions)), sentence


def _of_pictures(
    method: Method, predictions: Sequence[Prediction], defective: Sequence[bool]
) -> tuple[Calibration | None, str]:
    known = [
        (inside_unit(score if prediction.distance is None else unit_of_distance(score)), bad)
        for prediction, bad in zip(predictions, defective, strict=True)
        if (score := prediction.defect_score) is not None and math.isfinite(score)
    ]
    if not known:
        return None, "Scores are not calibrated: no picture has one."
    scores, outcomes = zip(*known, strict=True)
    return fit_calibration(scores, outcomes, method, cases="parts", outcomes=("defective", "good"))


def _of_boxes(method: Method, pictures: Dataset, predictions: Sequence[Prediction]) -> tuple[Calibration | None, str]:
    found = [prediction.detections or Detections() for prediction in predictions]
    scores = scores_of(found)
    if scores is None:
        return None, "Scores are not calibrated: not every box has one."
    finds = [match(example.boxes or Detections(), of) for example, of in zip(pictures, found, strict=True)]
    matched: NDArray[np.int64] = np.concatenate(finds) if finds else np.array([], np.int64)
    counted = matched != CROWD  # such a box is neither right nor wrong
    return fit_calibration(scores[counted], matched[counted] >= 0, method)
