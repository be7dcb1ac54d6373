"""What the answers of a language model say: boxes with scores, or words; without torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from kenpin.data.images import displayed_size
from kenpin.models.contract import Task
from kenpin.models.language.scores import AnswerReader
from kenpin.models.outputs import Outputs
from kenpin.quality.calibration import Calibration
from kenpin.records import Example, Prediction
from kenpin.targets import Target


class LanguageDecoding(ABC):
    """Tokens of answers, and the log-mass of each -> predictions."""

    target = Target.BOXES
    labels: tuple[str, ...]
    calibration: Calibration | None = None
    _task: Task

    @property
    @abstractmethod
    def reader(self) -> AnswerReader:
        """Turns tokens into scored detections."""

    @property
    def form(self) -> Literal["boxes", "words", "either"]:
        """Of the answers; either: boxes where an answer holds any, else words."""
        return "boxes"

    def decode(self, outputs: Outputs, examples: Sequence[Example]) -> list[Prediction]:
        """Answers -> boxes with scores; the defect score is the highest of a box whose class is not OK."""
        rows = zip(examples, outputs["tokens"].tolist(), outputs["log_masses"].tolist(), strict=True)
        return [self.calibrated(self._prediction(*row)) for row in rows]

    def calibrated(self, prediction: Prediction) -> Prediction:
        """The prediction with calibrated scores."""
        detections = prediction.detections
        if detections is None or detections.scores is None:
            return prediction
        scores = detections.scores
        if self.calibration is not None:
            scores = tuple(self.calibration.apply(scores).tolist())
        detections = replace(detections, scores=scores)
        if not self.labels:  # a base without a run: nothing it finds is known to be a defect
            return replace(prediction, detections=detections)
        of_defects = (
            s for s, label in zip(scores, detections.labels, strict=True) if label not in self._task.ok_labels
        )
        return replace(prediction, detections=detections, defect_score=max(of_defects, default=0.0))

    def _prediction(self, example: Example, tokens: list[int], log_masses: list[float]) -> Prediction:
        reading = self.reader.read(tokens, log_masses, example.size_wh or displayed_size(example.image))
        if self.form == "words" or (self.form == "either" and not len(reading.detections)):
            return Prediction(id=example.id, text=reading.text)
        return Prediction(id=example.id, detections=reading.detections, text=reading.text, rejected=reading.rejected)
