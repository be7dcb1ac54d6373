"""What a classifier's raw outputs say: class probabilities, of a head on features or of a whole network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from kenpin.models.calibrated import CalibratedPictures
from kenpin.models.classifier.heads import Head, read_head
from kenpin.models.contract import Task
from kenpin.models.naming import predictions
from kenpin.models.outputs import Outputs
from kenpin.models.resizing import Resizing
from kenpin.records import Example, Prediction

HEAD_FILE = "head.npz"


class HeadDecoding(CalibratedPictures):
    """Probabilities by a head on features."""

    def __init__(self, task: Task, head: Head | None) -> None:
        self.labels, self._task, self._head = task.labels, task, head

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Features -> class probabilities."""
        if self._head is None:
            raise ValueError("the classifier has no head yet; fit it first.")
        uncalibrated = predictions(examples, self._head.probabilities(outputs["features"]), self._task)
        return [self.calibrated(prediction) for prediction in uncalibrated]


class NetworkDecoding(CalibratedPictures):
    """Probabilities of a network."""

    def __init__(self, task: Task) -> None:
        self.labels, self._task = task.labels, task

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """One prediction a picture."""
        uncalibrated = predictions(examples, outputs["probabilities"].astype(np.float64), self._task)
        return [self.calibrated(prediction) for prediction in uncalibrated]


def of_package(folder: Path, task: Task, options: Mapping[str, Any], resizing: Resizing) -> CalibratedPictures:
    """The decoding of a package whose decision files are in this folder. Raises RunError."""
    if options.get("tuning") == "head":
        return HeadDecoding(task, read_head(folder / HEAD_FILE, len(task.labels)))
    return NetworkDecoding(task)
