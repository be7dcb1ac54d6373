"""What is watched while training: scores by the predictor that ships, and the same few pictures drawn each time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from kenpin.data.dataset import Dataset
from kenpin.data.images import read_image
from kenpin.drawing import draw_detections, font_note
from kenpin.errors import CollapseError, MissingExtraError
from kenpin.evaluation import VECTOR_SAMPLE, evaluate, vectors_of
from kenpin.evaluation.kinds import Section
from kenpin.evaluation.measures import watched
from kenpin.installing import installing
from kenpin.metrics.collapse import collapse
from kenpin.models.contract import Inspector, LearnsVectors, Progress, Task
from kenpin.predictor import Predictor
from kenpin.records import Detections
from kenpin.run.evolution import record_snapshot, record_truth
from kenpin.targets import Target
from kenpin.training.evolution import EvolutionPage
from kenpin.training.listener import SCORING

_SECTIONS = {Target.LABEL: Section.PICTURES, Target.BOXES: Section.BOXES, Target.TEXT: Section.ANSWERS}
ANSWERED = (Target.BOXES, Target.TEXT)
"""What language models are trained for."""
SAMPLE = 64
"""Pictures at most of which a language model's answers are scored at each evaluation: it writes them token by token."""
_DRAWN = 6
_LONGEST_PX = 640


class Watch:
    """Scores of validation pictures; of language models those of a sample, and of detectors some of it drawn below
    `evolution/`."""

    def __init__(
        self,
        inspector: Inspector,
        target: Target,
        validation: Dataset,
        task: Task,
        seed: int,
        folder: Path,
        page: EvolutionPage | None,
        progress: Progress,
    ) -> None:
        """page: written anew at each evaluation that draws. Raises MissingExtraError."""
        if target.locates and not all(map(find_spec, ("faster_coco_eval", "supervision"))):
            raise MissingExtraError(f"scoring and drawing boxes needs an extra: {installing('detection')}")
        self._predictor = Predictor(inspector, target=target)
        self._task, self._seed, self._folder = task, seed, folder
        self._page, self._progress = page, progress
        self._compares = isinstance(inspector, LearnsVectors)
        self._names = watched(Section.EMBEDDINGS if self._compares else _SECTIONS[target])
        self._draws = target.locates
        order = np.random.default_rng(seed).permutation(len(validation))
        limit = SAMPLE if target in ANSWERED else VECTOR_SAMPLE if self._compares else None
        self._sample = validation if limit is None else validation.select(sorted(order[:limit].tolist()))
        self._drawn = self._sample.select(range(min(_DRAWN, len(self._sample))))

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes on the drawn pictures."""
        note = font_note(self._task.labels) if self._draws else None
        return () if note is None else (note,)

    def __call__(self, step: int, epoch: float, loss: float | None) -> Mapping[str, float | None]:
        """Scores by name, None where there is none. loss: on the validation pictures. Step 0 is before training.

        Raises CollapseError.
        """
        evaluation = evaluate(
            self._predictor,
            self._sample,
            ok_labels=self._task.ok_labels,
            threshold=None,
            split=None,
            seed=self._seed,
            progress=lambda done, total: self._progress(SCORING, done, total),
        )
        if self._compares and step:
            self._refuse_collapse(vectors_of(evaluation.judged)[0], step)
        scores = {name: evaluation.measures[name].value for name in self._names if name in evaluation.measures}
        if self._draws:
            found = {part.id: part.prediction.detections for part in evaluation.judged}
            if step == 0:
                truth = [example.boxes for example in self._drawn]
                record_truth(self._folder, [example.id for example in self._drawn], self._pictures(truth))
            drawn = self._pictures([found[example.id] for example in self._drawn])
            record_snapshot(self._folder, step, epoch, {"loss": loss} | scores, drawn)
            if self._page is not None:
                self._page.write()
        return scores

    def _refuse_collapse(self, vectors: NDArray[np.float64], step: int) -> None:
        if (what := collapse(vectors, len(self._task.labels))) is not None:
            raise CollapseError(
                f"step {step}: the embedder has collapsed, {what}; start again with --overwrite and a lower "
                "--learning-rate, another --objective or --miner, or more --pictures-per-class."
            )

    def _pictures(self, boxes: Sequence[Detections | None]) -> list[Image.Image]:
        return [
            draw_detections(
                read_image(example.image), of or Detections(), labels=self._task.labels, longest_px=_LONGEST_PX
            )
            for example, of in zip(self._drawn, boxes, strict=True)
        ]
