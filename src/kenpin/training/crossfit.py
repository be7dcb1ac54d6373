"""Out-of-fold predictions: each picture judged by an inspector that was fitted without it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.errors import OptionError
from kenpin.models._family import Family, Fitted, Progress, Task
from kenpin.predictor import Predictor, best_device
from kenpin.records import Prediction


def out_of_fold(
    family: Family, options: Any, task: Task, dataset: Dataset, folds: Sequence[int], progress: Progress
) -> tuple[Prediction, ...]:
    """One prediction an example, in order, by an inspector fitted to the other folds. folds: (n,) fold numbers.

    `progress` counts the folds. Raises OptionError for an inspector that is trained by gradients: that would take as
    many trainings as folds.
    """
    found: dict[int, Prediction] = {}
    numbers = sorted(set(folds))
    progress("cross-validating", 0, len(numbers))
    for done, fold in enumerate(numbers, start=1):
        inspector = family.create(options, task)
        if not isinstance(inspector, Fitted):
            raise OptionError("folds are for inspectors that are fitted in one pass; name a validation split instead.")
        inspector.module.to(best_device(options.device))
        held_out = [place for place, of in enumerate(folds) if of == fold]
        inspector.fit(dataset.select(place for place, of in enumerate(folds) if of != fold), _unheard)
        found |= dict(zip(held_out, Predictor(inspector).predict(dataset.select(held_out)), strict=True))
        progress("cross-validating", done, len(numbers))
    return tuple(found[place] for place in range(len(dataset)))


def _unheard(doing: str, done: int, total: int) -> None:
    pass
