"""What is watched while training: scores by the predictor that ships, and the same few pictures drawn each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.drawing import draw_detections, font_note
from kenpin.errors import MissingExtraError
from kenpin.evaluation import evaluate
from kenpin.models._family import Inspector, Task
from kenpin.predictor import Predictor
from kenpin.records import Detections
from kenpin.training.evolution import record_snapshot, record_truth

_SCORES = {
    "label": ("accuracy", "balanced_accuracy", "auroc"),
    "boxes": ("map", "map_50", "box_precision", "box_recall"),
}
SAMPLE = 64
"""Pictures at most of which boxes are scored at each evaluation: answers are written token by token."""
_DRAWN = 6
_LONGEST_PX = 640


class Watch:
    """Scores of validation pictures; of detectors those of a sample, and some of it drawn below `evolution/`."""

    def __init__(
        self, inspector: Inspector, target: str, validation: Dataset, task: Task, seed: int, folder: Path
    ) -> None:
        """Raises MissingExtraError."""
        if target == "boxes" and not all(map(find_spec, ("faster_coco_eval", "supervision"))):
            raise MissingExtraError('boxes are scored and drawn by an extra: pip install "kenpin[detection]"')
        self._predictor = Predictor(inspector, target=target)
        self._task, self._seed, self._folder = task, seed, folder
        self._names = _SCORES[target]
        self._draws = target == "boxes"
        order = np.random.default_rng(seed).permutation(len(validation))
        self._sample = validation.select(sorted(order[:SAMPLE].tolist())) if self._draws else validation
        self._drawn = self._sample.select(range(min(_DRAWN, len(self._sample))))

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told of the drawn pictures."""
        note = font_note(self._task.labels) if self._draws else None
        return () if note is None else (note,)

    def __call__(self, step: int, epoch: float, loss: float | None) -> Mapping[str, float | None]:
        """Scores by name, None where there is none. loss: on the validation pictures. Step 0 is before training."""
        evaluation = evaluate(
            self._predictor, self._sample, ok_labels=self._task.ok_labels, threshold=None, split=None, seed=self._seed
        )
        scores = {name: evaluation.measures[name].value for name in self._names}
        if self._draws:
            found = {part.id: part.prediction.detections for part in evaluation.judged}
            if step == 0:
                truth = [example.boxes for example in self._drawn]
                record_truth(self._folder, [example.id for example in self._drawn], self._pictures(truth))
            drawn = self._pictures([found[example.id] for example in self._drawn])
            record_snapshot(self._folder, step, epoch, {"loss": loss} | scores, drawn)
        return scores

    def _pictures(self, boxes: Sequence[Detections | None]) -> list[Image.Image]:
        return [
            draw_detections(
                read_image(example.image), of or Detections(), labels=self._task.labels, longest_px=_LONGEST_PX
            )
            for example, of in zip(self._drawn, boxes, strict=True)
        ]
