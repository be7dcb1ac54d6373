"""Layers chosen by made defects: the set that tells them best from the good parts that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from kenpin.config import TrainOptions
from kenpin.metrics import auroc
from kenpin.models.contract import Progress
from kenpin.models.good_parts import OfGoodParts
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.records import Prediction
from kenpin.training.crossfit import out_of_fold, to_be_fitted
from kenpin.training.made_copies import Copies, plan_copies
from kenpin.training.parts import defective
from kenpin.training.start import Start

Layers = tuple[int, ...]


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


def with_chosen_layers(start: Start, progress: Progress) -> Start:
    """The start on the set of layers that tells made defects best from good parts, and with a note of all that were
    tried; the same where nothing is to be chosen. Raises DatasetError, UnitSpaceError."""
    family = start.family
    sets = family.layer_sets(start.options) if isinstance(family, OfGoodParts) else ()
    if not isinstance(family, OfGoodParts) or not sets:
        return start
    copies = copies_of_held_out(start)
    found: dict[Layers, float] = {}
    for done, layers in enumerate(sets):
        progress("choosing layers", done, len(sets))
        found[layers] = _told_apart(start, family.on_layers(start.options, layers), copies)
    progress("choosing layers", len(sets), len(sets))
    best = max(found, key=lambda layers: found[layers])  # the first of equal ones, which is the usual one
    options = family.on_layers(start.options, best)
    note = _note(found, best, copies)
    return replace(start, options=options, inspector=family.create(options, start.task), notes=(*start.notes, note))


def _told_apart(start: Start, options: TrainOptions, copies: Copies) -> float:
    """AUROC of copies with made defects against the held-out good parts, each by a fit without it."""
    family: Any = start.family
    training, found = start.parts.training, dict[int, Prediction]()
    if start.folding is None:
        inspector = to_be_fitted(family, options, start.task)
        inspector.fit(training, start.lineage, _unheard)
        predictor = Predictor(inspector)
        good = tuple(predictor.predict(copies.pictures))
        found = dict(copies.of_fold(predictor, 0))
    else:
        good = out_of_fold(
            family,
            options,
            start.task,
            training,
            start.folding.folds,
            _unheard,
            lineage=start.lineage,
            beside=lambda predictor, fold: found.update(copies.of_fold(predictor, fold)),
        )
    scores = [*(one.defect_score or 0.0 for one in good), *copies.judged(found).scores]
    return auroc([row >= len(good) for row in range(len(scores))], scores) or 0.0


def _note(found: Mapping[Layers, float], best: Layers, copies: Copies) -> str:
    each = ", ".join(f"{_in_words(layers)}: {area:.3f}" for layers, area in found.items())
    made, parts = counted(len(copies.planned), "defect"), counted(len(copies.pictures), "good part")
    return (
        f"Layers {_in_words(best)}: chosen by {made} made by the program in copies of {parts} that were held out. "
        f"AUROC on made defects by layers: {each}. The largest is flattered by the choice, and which layers find real "
        "defects best is unknown."
    )


def _in_words(layers: Layers) -> str:
    return " ".join(map(str, layers))


def _unheard(doing: str, done: int, total: int) -> None:
    pass
