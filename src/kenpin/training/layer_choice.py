"""Layers chosen by made defects: the set that tells them best from the good parts that they are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from kenpin.metrics import auroc
from kenpin.models.contract import Progress
from kenpin.models.good_parts import OfGoodParts
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.training.crossfit import to_be_fitted
from kenpin.training.holding_out import copies_of_held_out, judged_at_once, judged_by_folds
from kenpin.training.made_copies import Copies
from kenpin.training.start import Start

Layers = tuple[int, ...]


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
        found[layers] = _told_apart(replace(start, options=family.on_layers(start.options, layers)), copies)
    progress("choosing layers", len(sets), len(sets))
    best = max(found, key=lambda layers: found[layers])  # the first of equal ones, which is the usual one
    options = family.on_layers(start.options, best)
    note = _note(found, best, copies)
    return replace(start, options=options, inspector=family.create(options, start.task), notes=(*start.notes, note))


def _told_apart(start: Start, copies: Copies) -> float:
    """AUROC of copies with made defects against the held-out good parts, each by a fit without it."""
    if start.folding is None:
        inspector = to_be_fitted(start.family, start.options, start.task)
        inspector.fit(start.parts.training, start.lineage, _unheard)
        good, made = judged_at_once(Predictor(inspector), copies.pictures, copies, _unheard)
    else:
        good, made = judged_by_folds(start, start.folding, copies, _unheard)
    scores = [*(one.defect_score or 0.0 for one in good), *made.scores]
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
