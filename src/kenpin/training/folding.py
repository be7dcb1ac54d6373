"""Folds of the training pictures, planned before anything is computed so that each leaves enough to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.data.lineage import known_contents
from kenpin.errors import DatasetError, UnitSpaceError
from kenpin.plural import counted, is_are
from kenpin.quality.conformal import FEW

FOLDS = 10
"""With fewer, each fit lacks more of the parts that the shipped fit has, and good parts lie farther from it."""
Check = Callable[[Dataset], None]
"""Refuses training pictures that are too few. Raises DatasetError, UnitSpaceError."""


@dataclass(frozen=True)
class Folding:
    """Which training pictures are held out together."""

    rows: tuple[int, ...]
    """The training pictures that are held out at some time, in order."""
    folds: tuple[int | None, ...]
    """The fold of each training picture, (n,); None: learned from in every fold and never judged."""
    count: int


def plan_folds(training: Dataset, rows: Sequence[int], learned: Collection[str], check: Check, *, seed: int) -> Folding:
    """As many folds as there may be, `FOLDS` at most, that leave enough to learn from whichever of them is held out.

    rows: of the training pictures that may be held out; learned: classes that are learned from, which every fold must
    hold; check: of what is left. Raises DatasetError with the class or group of which there is too little.
    """
    judged = training.select(rows)
    counts, groups = Counter(judged.column("label")), judged.column("group")
    grouped, learned = None not in groups, [label for label in learned if label in counts]
    if not learned:
        raise DatasetError(f"{training.root or 'the data set'}: no training picture can be held out; add pictures.")
    rarest = min(learned, key=lambda label: counts[label])
    good_alone = len(counts) == 1 and counts[rarest] <= FEW  # what so few can promise hangs on each of them
    wanted = counts[rarest] if good_alone else FOLDS
    most = min(wanted, counts[rarest], len(set(groups)) if grouped else wanted)
    if most < 2:
        one_group = groups[0] if grouped and counts[rarest] > 1 else None
        raise DatasetError(_too_few(judged, rarest, counts[rarest], one_group))
    refusal: Exception | None = None
    for count in range(most, 1, -1):
        folds: list[int | None] = [None] * len(training)
        for row, fold in zip(rows, random_folds(judged, count, seed=seed, learned=learned), strict=True):
            folds[row] = fold
        try:
            for fold in range(count):
                check(training.select(learned_without(training, folds, fold)))
        except (DatasetError, UnitSpaceError) as error:
            refusal = refusal or error
            continue
        return Folding(tuple(rows), tuple(folds), count)
    if len(judged) > 1 and len(set(judged.contents())) == 1:
        where, number = training.root or "the data set", counted(len(judged), "training picture")
        raise DatasetError(f"{where}: all {number} that may be held out are the same picture; add others.") from refusal
    if grouped:
        refuse_one_group(judged, learned)
    raise DatasetError(
        f"no split is named validation, and what holding out 1 of {counted(most, 'fold')} leaves is too little: "
        f"{refusal}"
    ) from refusal


def learned_without(training: Dataset, folds: Sequence[int | None], fold: int) -> list[int]:
    """The training pictures that are learned from while a fold is held out: none of it, no copy of one, and none of
    their groups."""
    contents, groups = training.contents(), training.column("group")
    judged = [row for row, of in enumerate(folds) if of == fold]
    unseen = known_contents(contents[row] for row in judged)
    of_parts = {groups[row] for row in judged} - {None}
    return [
        row
        for row, of in enumerate(folds)
        if of != fold and contents[row] not in unseen and groups[row] not in of_parts
    ]


def refuse_one_group(dataset: Dataset, labels: Collection[str]) -> None:
    """Refuse to hold a group out that all pictures of one of these classes are of. Raises DatasetError."""
    for label in labels:
        of_each = zip(dataset.column("label"), dataset.column("group"), strict=True)
        groups = [group for own, group in of_each if own == label]
        if None not in groups and len(set(groups)) == 1:
            raise DatasetError(
                f"{dataset.root or 'the data set'}: no split is named validation, and "
                f"{counted(len(groups), 'training picture')} of class {label}, all that there are, "
                f"{is_are(len(groups))} of group {groups[0]}, which is held out as a whole; add pictures of {label} of "
                "another group, or name a validation split."
            )


def _too_few(judged: Dataset, label: str, count: int, group: str | None) -> str:
    """That nothing can be held out, since all pictures are of one group, or one alone is of a class."""
    where = f"{judged.root or 'the data set'}: no split is named validation, and"
    if group is not None:
        return (
            f"{where} {counted(len(judged), 'training picture')}, all that there are, {is_are(len(judged))} of group "
            f"{group}, so that none can be held out from the "
            "others; add parts of another group, name a validation split, or leave out the groups."
        )
    return (
        f"{where} {count} of {counted(len(judged), 'training picture')} is of class {label}, so that it cannot be held "
        f"out from others; add pictures of {label}, or name a validation split."
    )
