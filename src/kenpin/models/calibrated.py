"""Calibrated scores of inspectors of whole pictures, and the run's file with the calibration curve."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from kenpin.files import read_json, write_json
from kenpin.models.contract import Task
from kenpin.quality.calibration import Calibration, IsotonicCurve, LogisticCurve, inside_unit, unit_of_distance
from kenpin.records import Prediction
from kenpin.records_json import from_json, to_json
from kenpin.run.layout import CALIBRATION
from kenpin.targets import Target


class CalibratedPictures:
    """An inspector whose defect score, a probability or a distance, becomes the calibrated probability of a defect."""

    target = Target.LABEL
    calibration: Calibration | None = None
    _task: Task

    def calibrated(self, prediction: Prediction) -> Prediction:
        """The prediction with the calibrated score, and class probabilities that agree with it."""
        score = prediction.defect_score
        if self.calibration is None or score is None:
            return prediction
        unit = score if prediction.distance is None else unit_of_distance(score)
        chance = float(self.calibration.apply([inside_unit(unit)])[0])
        moved = replace(prediction, defect_score=chance, uncalibrated_score=score)
        if prediction.probabilities is None:
            return moved
        good = {label: share for label, share in prediction.probabilities.items() if label in self._task.ok_labels}
        defects = {label: share for label, share in prediction.probabilities.items() if label not in good}
        parts = _divided(1 - chance, good) | _divided(chance, defects)
        shares = {label: parts[label] for label in prediction.probabilities}
        return replace(moved, probabilities=shares, label=max(shares, key=shares.__getitem__))


def _divided(total_share: float, shares: Mapping[str, float]) -> dict[str, float]:
    """The total share, divided among classes in their former proportion; evenly where all were rounded to 0."""
    total = sum(shares.values())
    return {label: total_share * (share / total if total else 1 / len(shares)) for label, share in shares.items()}


def write_calibration(folder: Path, calibration: Calibration) -> None:
    """Write the calibration into a run's folder of decision files."""
    write_json(folder / CALIBRATION, to_json(calibration))


def read_calibration(folder: Path) -> Calibration | None:
    """The calibration of `write_calibration`; None where there is none. Raises RunError."""
    path = folder / CALIBRATION
    if not path.is_file():
        return None
    values = read_json(path)
    kind: type[LogisticCurve] | type[IsotonicCurve] = LogisticCurve if "slope" in values else IsotonicCurve
    return from_json(kind, values, str(path), finite=True)
