"""Held-out pictures, and copies of them with made defects, as judged by what has not seen them."""

from __future__ import annotations

from kenpin.data.dataset import Dataset
from kenpin.models.contract import Progress
from kenpin.models.good_parts import OfGoodParts
from kenpin.predictor import Predictor
from kenpin.records import Prediction
from kenpin.training.crossfit import Refit, fits_of_folds
from kenpin.training.folding import Folding
from kenpin.training.made_copies import Copies, JudgedCopies, plan_copies
from kenpin.training.parts import defective
from kenpin.training.start import Start


def copies_of_held_out(start: Start) -> Copies:
    """The copies with made defects that the options ask for, of the good parts that decide; none of other families."""
    family, options, folding = start.family, start.options, start.folding
    pictures, folds = start.parts.validation, list[int]()
    if folding is not None:
        pictures = start.parts.training.select(folding.rows)
        folds = [fold for row in folding.rows if (fold := folding.folds[row]) is not None]
    count = family.made_defects(options) if isinstance(family, OfGoodParts) else 0
    if pictures is None or not count:
        return Copies(start.parts.training, (), ())
    bad = defective(pictures, start.task, family.target)
    return plan_copies(pictures, bad, folds or [0] * len(pictures), count, seed=options.seed)


def judged_by_folds(
    start: Start, folding: Folding, copies: Copies, progress: Progress, refit: Refit | None = None
) -> tuple[tuple[Prediction, ...], JudgedCopies]:
    """A prediction for each of the folding's pictures, in order, and for each copy. `progress` counts the folds."""
    training, folds = start.parts.training, folding.folds
    found, of_copies = dict[int, Prediction](), dict[int, Prediction]()
    progress("cross-validating", 0, folding.count)
    fits = fits_of_folds(start.family, start.options, start.task, training, folds, start.lineage, refit)
    for done, (fold, predictor) in enumerate(fits, start=1):
        judged = [row for row, of in enumerate(folds) if of == fold]
        found |= dict(zip(judged, predictor.predict(training.select(judged)), strict=True))
        of_copies |= copies.of_fold(predictor, fold)
        progress("cross-validating", done, folding.count)
    return tuple(found[row] for row in sorted(found)), copies.judged(of_copies)


def judged_at_once(
    predictor: Predictor, pictures: Dataset, copies: Copies, progress: Progress
) -> tuple[tuple[Prediction, ...], JudgedCopies]:
    """The same of validation pictures, by a predictor that has seen none of them."""
    predictions = tuple(predictor.predict(pictures, progress=progress))
    return predictions, copies.judged(dict(copies.of_fold(predictor, 0)))
