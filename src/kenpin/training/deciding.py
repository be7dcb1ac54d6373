"""The decision stage: a calibration and a threshold from scored pictures, and what such do to others of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.errors import DatasetError, OptionError
from kenpin.evaluation.parts import JoinedParts
from kenpin.models.contract import Calibrated, Inspector, Limited
from kenpin.records import Prediction, Threshold
from kenpin.targets import Target
from kenpin.training.calibrating import calibrate
from kenpin.training.decision import decide
from kenpin.training.made_copies import NONE_MADE, JudgedCopies
from kenpin.training.made_figures import found_by_kind, in_words

_FOLDS = 10


@dataclass(frozen=True)
class Scored:
    """Pictures with predictions, not calibrated, by inspectors that had not seen them."""

    name: str
    """What they are, in words."""
    split: str
    pictures: Dataset
    predictions: tuple[Prediction, ...]
    defective: tuple[bool, ...]
    made: JudgedCopies = NONE_MADE
    """Copies of the good ones among them with made defects, where no real defect is known."""
    parts: JoinedParts | None = None
    """The parts that `pictures` are then, with their views; None where each picture is judged by itself."""
    views: Dataset | None = None
    """The pictures of these parts."""

    @property
    def looked_at(self) -> Dataset:
        """All pictures that were scored."""
        return self.pictures if self.views is None else self.views


@dataclass(frozen=True)
class Decided:
    """Predictions as they are calibrated, and how they decide."""

    predictions: tuple[Prediction, ...]
    threshold: Threshold | None
    meaning: tuple[str, ...]
    """Sentences on the calibration, and on made defects."""
    why: str
    """A sentence on the threshold."""

    def adding(self, sentence: str) -> Decided:
        """The same with a further sentence in the threshold's basis, and on the threshold."""
        threshold = self.threshold
        if threshold is not None:
            threshold = replace(threshold, basis=f"{threshold.basis} {sentence}")
        return replace(self, threshold=threshold, why=f"{self.why} {sentence}")


def decide_by(inspector: Inspector, options: TrainOptions, target: Target, scored: Scored, folder: str) -> Decided:
    """Calibrate the inspector where that is asked for, and choose a threshold. folder: where good parts lie."""
    predictions, meaning = scored.predictions, tuple[str, ...]()
    if options.calibrate != "none" and isinstance(inspector, Calibrated):
        predictions, sentence = calibrate(
            inspector, options.calibrate, scored.pictures, scored.predictions, scored.defective, target
        )
        meaning = (sentence,)
    limit = inspector.limit if isinstance(inspector, Limited) else None
    made = scored.made
    threshold, why = decide(predictions, scored.defective, options, scored.name, limit, folder, made.scores)
    if threshold is not None and made.copies:
        good = [score for one in predictions if (score := one.defect_score) is not None]
        found = found_by_kind(good, made.scores, made.kinds, threshold)
        meaning = (*meaning, in_words(found, chose=threshold.cost_escape is not None))
    return Decided(predictions, threshold, meaning, why)


def decide_without_each(
    inspector: Inspector, options: TrainOptions, target: Target, scored: Scored
) -> tuple[tuple[Prediction, ...], tuple[Threshold, ...], int] | None:
    """Each picture as it is calibrated and decided by what the pictures of the other folds choose, and the number of
    folds: what the threshold would do to pictures that it was not chosen by.

    None where the others are too few to choose by. The inspector keeps the calibration that it has.
    """
    labels = ["defective" if bad else "good" for bad in scored.defective]
    pictures, groups = scored.pictures.with_labels(labels, ()), set(scored.pictures.column("group"))
    count = min(_FOLDS, *(labels.count(label) for label in set(labels)), _FOLDS if None in groups else len(groups))
    if count < 2:
        return None
    before = inspector.calibration if isinstance(inspector, Calibrated) else None
    found: dict[int, tuple[Prediction, Threshold]] = {}
    try:
        folds = random_folds(pictures, count, seed=options.seed)
        for fold in range(count):
            others = decide_by(inspector, options, target, _of(scored, [of != fold for of in folds]), "")
            is_calibrated = isinstance(inspector, Calibrated) and inspector.calibration is not None
            if others.threshold is None or is_calibrated is not (before is not None):
                return None
            for row, prediction in enumerate(scored.predictions):
                if folds[row] == fold:
                    calibrated = inspector.calibrated(prediction) if isinstance(inspector, Calibrated) else prediction
                    found[row] = calibrated, others.threshold
    except (DatasetError, OptionError):
        return None
    finally:
        if isinstance(inspector, Calibrated):
            inspector.calibration = before
    predictions, thresholds = zip(*(found[row] for row in range(len(scored.predictions))), strict=True)
    return predictions, thresholds, count


def _of(scored: Scored, chosen: Sequence[bool]) -> Scored:
    rows = [row for row, is_chosen in enumerate(chosen) if is_chosen]
    return Scored(
        scored.name,
        scored.split,
        scored.pictures.select(rows),
        tuple(scored.predictions[row] for row in rows),
        tuple(scored.defective[row] for row in rows),
        scored.made.of_rows(rows),
    )
