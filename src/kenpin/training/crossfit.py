"""Out-of-fold predictions: each picture judged by an inspector, or by a whole chain, that was fitted without it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage, known_contents
from kenpin.errors import OptionError
from kenpin.models.contract import Family, Fitted, Progress, Task
from kenpin.predictor import Predictor, best_device
from kenpin.records import Prediction
from kenpin.training.folding import learned_without

Refit = Callable[[frozenset[str]], AbstractContextManager[TrainOptions]]
"""Options of the same inspector on a chain that is trained anew without pictures of these contents, and gone behind."""


def out_of_fold(
    family: Family[Any],
    options: TrainOptions,
    task: Task,
    dataset: Dataset,
    folds: Sequence[int | None],
    progress: Progress,
    *,
    lineage: Lineage = NOTHING_SEEN,
    refit: Refit | None = None,
    beside: Callable[[Predictor, int], None] | None = None,
) -> tuple[Prediction, ...]:
    """One prediction for each example that has a fold, in order, by an inspector fitted to the others. folds: (n,) fold
    numbers; None: learned from in every fold and never judged.

    What is fitted has learned from no picture of the fold, nor from a copy of one, nor from another of its group.
    `progress` counts the folds; beside: given each fold's predictor and number, to judge more that it has not seen;
    lineage: of what the inspector stands on; with `refit` that is trained anew for each
    fold. Raises OptionError for an inspector that is trained by gradients: that would take as many trainings as
    folds.
    """
    contents, found = dataset.contents(), dict[int, Prediction]()
    # on one base, which is loaded once: each fit forgets the one before
    of_all = to_be_fitted(family, options, task) if refit is None else None
    numbers = sorted({of for of in folds if of is not None})
    progress("cross-validating", 0, len(numbers))
    for done, fold in enumerate(numbers, start=1):
        judged = [row for row, of in enumerate(folds) if of == fold]
        unseen = known_contents(contents[row] for row in judged)
        with nullcontext(options) if refit is None else refit(unseen) as of_fold:
            inspector = of_all or to_be_fitted(family, of_fold, task)
            inspector.fit(dataset.select(learned_without(dataset, folds, fold)), lineage, _unheard)
            predictor = Predictor(inspector)
            found |= dict(zip(judged, predictor.predict(dataset.select(judged)), strict=True))
            if beside is not None:
                beside(predictor, fold)
        progress("cross-validating", done, len(numbers))
    return tuple(found[row] for row in sorted(found))


def to_be_fitted(family: Family[Any], options: TrainOptions, task: Task) -> Fitted:
    """An inspector on its device. Raises OptionError where it is trained by gradients."""
    inspector = family.create(options, task)
    if not isinstance(inspector, Fitted):
        raise OptionError("folds are for inspectors that are fitted in one pass; name a validation split instead.")
    inspector.module.to(best_device(options.device))
    return inspector


def _unheard(doing: str, done: int, total: int) -> None:
    pass
