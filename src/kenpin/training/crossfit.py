"""Out-of-fold predictions: each picture judged by an inspector, or by a whole chain, that was fitted without it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
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
) -> tuple[Prediction, ...]:
    """One prediction for each example that has a fold, in order, by an inspector fitted to the others. folds: (n,) fold
    numbers; None: learned from in every fold and never judged.

    `progress` counts the folds; the rest is as for `fits_of_folds`. Raises OptionError as it does.
    """
    found, count = dict[int, Prediction](), len(set(folds) - {None})
    progress("cross-validating", 0, count)
    for done, (fold, predictor) in enumerate(fits_of_folds(family, options, task, dataset, folds, lineage), 1):
        judged = [row for row, of in enumerate(folds) if of == fold]
        found |= dict(zip(judged, predictor.predict(dataset.select(judged)), strict=True))
        progress("cross-validating", done, count)
    return tuple(found[row] for row in sorted(found))


def fits_of_folds(
    family: Family[Any],
    options: TrainOptions,
    task: Task,
    dataset: Dataset,
    folds: Sequence[int | None],
    lineage: Lineage = NOTHING_SEEN,
    refit: Refit | None = None,
) -> Iterator[tuple[int, Predictor]]:
    """Each fold with what is fitted to the others, to be used before the next comes. folds: as for `out_of_fold`.

    What is fitted has learned from no picture of the fold, nor from a copy of one, nor from another of its group.
    lineage: of what the inspector stands on; with `refit` that is trained anew for each fold. Raises OptionError for an
    inspector that is trained by gradients: that would take as many trainings as folds.
    """
    contents = dataset.contents()
    # on one base, which is loaded once: each fit forgets the one before
    of_all = to_be_fitted(family, options, task) if refit is None else None
    for fold in sorted({of for of in folds if of is not None}):
        unseen = known_contents(contents[row] for row, of in enumerate(folds) if of == fold)
        with nullcontext(options) if refit is None else refit(unseen) as of_fold:
            inspector = of_all or to_be_fitted(family, of_fold, task)
            inspector.fit(dataset.select(learned_without(dataset, folds, fold)), lineage, _unheard)
            yield fold, Predictor(inspector)


def to_be_fitted(family: Family[Any], options: TrainOptions, task: Task) -> Fitted:
    """An inspector on its device. Raises OptionError where it is trained by gradients."""
    inspector = family.create(options, task)
    if not isinstance(inspector, Fitted):
        raise OptionError("folds are for inspectors that are fitted in one pass; name a validation split instead.")
    inspector.module.to(best_device(options.device))
    return inspector


def _unheard(doing: str, done: int, total: int) -> None:
    pass
