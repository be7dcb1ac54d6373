"""The choice of a unit space's items by known defective parts, confirmed on parts that were held out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.errors import UnitSpaceError
from kenpin.metrics.intervals import measured, paired_ranking_interval
from kenpin.metrics.ranking import auroc, auroc_of_counts
from kenpin.models.contract import Progress
from kenpin.models.mahalanobis.options import MahalanobisOptions
from kenpin.plural import counted, is_are
from kenpin.taguchi import Moments, UnitSpace, parts_needed, sum_of_fourth_powers
from kenpin.taguchi.selection import Confirmation, Selection, select_items

_FEWEST = 10
_SHOWN = 5  # names of dropped items in a sentence


@dataclass(frozen=True)
class Portions:
    """Rows of training parts, in this order: parts that choose, and parts held out to confirm the choice."""

    good: list[int]
    good_held_out: list[int]
    defective: list[int]
    defective_held_out: list[int]

    @property
    def all_rows(self) -> list[int]:
        """All rows, portion by portion."""
        return [*self.good, *self.good_held_out, *self.defective, *self.defective_held_out]


def check_count(good: int, ridge: float | Literal["ledoit-wolf"]) -> None:
    """Require the least number of good parts for any fit. Raises UnitSpaceError."""
    if good < (needed := parts_needed(1, ridge)):
        raise UnitSpaceError(
            f"unit space: {counted(good, 'good part')} to fit to; at least {needed} are needed. Add good parts."
        )


def divide_parts(
    training: Dataset, is_good: Sequence[bool], share: float, seed: int, lineage: Lineage = NOTHING_SEEN
) -> Portions:
    """Hold out a share of good and of defective parts; no group on both sides where all parts name theirs.

    lineage: of the source of the items. Good parts in it are used to fit the space and for nothing else: they would
    make items that were learned from them look better than they are. Raises UnitSpaceError for too few other parts,
    DatasetError for too few groups.
    """
    untouched = lineage.untouched(training)
    good, defective = (sum(is_good[row] is kind for row in untouched) for kind in (True, False))
    fewest, kind = min((defective, "defective"), (good, "good"))
    if fewest < _FEWEST:
        which = "" if len(untouched) == len(is_good) else f" that {lineage.having()} not learned from"
        raise UnitSpaceError(
            f"item selection: {counted(fewest, f'{kind} training part')}{which}; at least {_FEWEST} are needed, to "
            "choose by some and to confirm with the others. Add some, or leave out --select-items."
        )
    ratios = {"choose": 1 - share, "confirm": share}
    grouped = all(group is not None for group in training.column("group"))
    candidates = training.select(untouched)
    groups = candidates.column("group")
    for kind, wanted in (("good", True), ("defective", False)):
        own = [group for group, row in zip(groups, untouched, strict=True) if is_good[row] is wanted]
        if grouped and len(set(own)) == 1:
            raise UnitSpaceError(
                f"item selection: {counted(len(own), f'{kind} training part')}, all that there are, {is_are(len(own))} "
                f"of group {own[0]}, and a group is not divided between parts that choose and parts that confirm. Add "
                f"{kind} ones of another group, or leave out --select-items."
            )
    halves = (
        split_by_group(candidates, ratios, column="group", seed=seed)
        if grouped
        else split_by_ratio(candidates, ratios, seed=seed)
    )
    split: dict[int, str | None] = dict(zip(untouched, halves.column("split"), strict=True))
    split |= {row: "choose" for row, good in enumerate(is_good) if good and row not in split}

    def rows(good: bool, name: str) -> list[int]:
        return [row for row, is_one in enumerate(is_good) if is_one is good and split.get(row) == name]

    portions = Portions(*(rows(good, name) for good in (True, False) for name in ratios))
    for kind, chosen, held_out in (
        ("good", portions.good, portions.good_held_out),
        ("defective", portions.defective, portions.defective_held_out),
    ):
        if not chosen or not held_out:
            raise UnitSpaceError(
                f"item selection: of {counted(len(chosen) + len(held_out), f'{kind} training part')} {len(held_out)} "
                "are held out to confirm by, and some are needed on both sides. Set --confirm-share nearer to one "
                f"half, add {kind} ones{' of other groups' if grouped else ''}, or leave out --select-items."
            )
    return portions


def choose(
    rows: NDArray[Any],
    portions: Portions,
    items: NDArray[np.int64],
    names: Sequence[str],
    space: UnitSpace,
    options: MahalanobisOptions,
    progress: Progress,
) -> tuple[Selection, str]:
    """A confirmed selection among `items`, and a sentence on it. items: indices of columns of `rows`, which are in the
    order of the portions.

    space: its settings are those of all unit spaces compared; options: of the selection. Raises UnitSpaceError,
    MissingExtraError.
    """
    bounds = np.cumsum([len(portions.good), len(portions.good_held_out), len(portions.defective)])
    good, good_held_out, defective, defective_held_out = np.split(rows, bounds)
    moments = Moments.of(good)
    everything = _fitted(space, moments, good, items)
    selection = select_items(
        moments.of_items(items),
        defective[:, items],
        ridge=everything.ridge_,
        names=names,
        factors=options.factors,
        most=options.keep_share,
        progress=progress,
    )
    kept = items[list(selection.kept)]
    reduced = _fitted(space, moments, good, kept)
    scores = [
        np.concatenate([of.score_samples(part[:, columns]) for part in (good_held_out, defective_held_out)])
        for of, columns in ((everything, items), (reduced, kept))
    ]
    truth = np.arange(len(scores[0])) >= len(good_held_out)
    before, after = (auroc(truth, of) for of in scores)
    assert before is not None, "divide_parts holds out parts of both kinds"
    assert after is not None
    interval = paired_ranking_interval(auroc_of_counts, truth, *scores, seed=options.seed)
    change = measured(after - before, interval)
    confirmation = Confirmation(len(good_held_out), len(defective_held_out), before, after, change)
    selection = replace(selection, confirmation=confirmation)
    return selection, _sentence(selection, confirmation)


def _fitted(space: UnitSpace, moments: Moments, rows: NDArray[Any], items: NDArray[np.int64]) -> UnitSpace:
    of_items = moments.of_items(items)
    powers = sum_of_fourth_powers(rows, of_items, items) if space.needs_fourth_powers else None
    return UnitSpace(**space.get_params()).fit_moments(of_items, powers)


def _sentence(selection: Selection, confirmed: Confirmation) -> str:
    change = confirmed.change
    interval = "" if change.low is None else f", 95 % interval {change.low:+.3f} to {change.high:+.3f}"
    dropped = selection.dropped
    named = ", ".join(dropped[:_SHOWN]) + (f" and {len(dropped) - _SHOWN} more" if len(dropped) > _SHOWN else "")
    taken = (
        "That loss is more than chance, so all items are kept."
        if confirmed.lost
        else f"Dropped, the least gain first: {named or 'none'}."
    )
    return (
        f"Item selection by {counted(selection.defective, 'defective part')} in {counted(selection.runs, 'run')} keeps "
        f"{len(selection.kept)} of {counted(len(selection.gains), 'item')}. On {confirmed.good} good and "
        f"{counted(confirmed.defective, 'defective part')} held out, AUROC is {confirmed.auroc_kept:.3f} with these "
        f"and {confirmed.auroc_all:.3f} with all ({change.value:+.3f}{interval}). {taken}"
    )
