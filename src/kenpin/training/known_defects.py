"""Defective parts that are learned from: neither they nor near-duplicates of them may show how good a run is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from kenpin.config import TrainOptions
from kenpin.data.dataset import Dataset
from kenpin.data.duplicates import cluster_of_each, perceptual_hashes
from kenpin.models.contract import Family, Task
from kenpin.models.good_parts import OfGoodParts
from kenpin.plural import counted, was_were
from kenpin.training.folding import Check, Folding, learned_without
from kenpin.training.parts import Parts, defective


def learns_defects(family: Family[Any], options: TrainOptions) -> bool:
    """Whether the options ask a family of good parts to learn from defective ones too."""
    return isinstance(family, OfGoodParts) and family.learns_defects(options)


def known_defects(training: Dataset, task: Task, family: Family[Any]) -> list[int]:
    """Rows of the defective parts among those that are learned from."""
    return [row for row, bad in enumerate(defective(training, task, family.target)) if bad]


def apart_from_known(parts: Parts, task: Task, family: Family[Any]) -> Parts:
    """The parts without validation and test pictures that are near-duplicates of a defective training picture, or of
    its group, and a note on each split that lost some. Raises ImageError."""
    known = parts.training.select(known_defects(parts.training, task, family))
    groups = set(known.column("group")) - {None}
    hashes = perceptual_hashes(known)
    found: dict[str, Dataset | None] = {}
    notes = list(parts.notes)
    for name, pictures in (("validation", parts.validation), ("test", parts.test)):
        if pictures is None:
            found[name] = None
            continue
        clusters = cluster_of_each(np.concatenate([hashes, perceptual_hashes(pictures)]))
        near = set(clusters[: len(known)].tolist())
        kept = [
            row
            for row, (group, cluster) in enumerate(
                zip(pictures.column("group"), clusters[len(known) :].tolist(), strict=True)
            )
            if group not in groups and cluster not in near
        ]
        if gone := len(pictures) - len(kept):
            notes.append(
                f"{gone} of the {counted(len(pictures), f'{name} picture')} {was_were(gone)} left out, as "
                "near-duplicates of a defective part that is learned from, or of its group."
            )
        found[name] = pictures.select(kept) if kept else None
    return replace(parts, validation=found["validation"], test=found["test"], notes=tuple(notes))


def near_ones_together(folding: Folding, training: Dataset, known: Sequence[int], check: Check) -> Folding:
    """The same folds, but that defective pictures which nearly are the same are held out together, so that none is
    judged by what its like has taught, and with each those of its group; those like one that is never held out are not
    judged either.

    check: of what a fold leaves. Raises DatasetError, UnitSpaceError, ImageError.
    """
    folds = list(folding.folds)
    fold_of: dict[int, int | None] = {}
    pictures = training.select(known)
    clusters = cluster_of_each(perceptual_hashes(pictures))
    groups = np.array([group or "" for group in pictures.column("group")])
    for group in np.unique(groups[groups != ""]):  # pictures of one part stay together too
        clusters[np.isin(clusters, clusters[groups == group])] = clusters[groups == group].min()
    of_each = dict(zip(known, clusters.tolist(), strict=True))
    for row in sorted(known, key=lambda row: folds[row] is not None):  # those that are never held out come first
        folds[row] = fold_of.setdefault(of_each[row], folds[row])
    for fold in {folds[row] for row in known} - {None}:
        assert fold is not None
        check(training.select(learned_without(training, folds, fold)))
    rows = tuple(row for row in folding.rows if folds[row] is not None)
    return replace(folding, rows=rows, folds=tuple(folds))


def in_words(count: int) -> str:
    """What a threshold has to say of defective parts that were learned from."""
    return (
        f"The distance has learned from {counted(count, 'defective part')} too; neither they nor their groups or "
        "near-duplicates were judged by what they had taught."
    )
