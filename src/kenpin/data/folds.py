"""Folds: every example is held out once, at random or in blocks of file order."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError
from kenpin.plural import counted, is_are


def random_folds(dataset: Dataset, count: int, *, seed: int, learned: Collection[str] | None = None) -> list[int]:
    """The fold of each example, 0 to count - 1, classes spread evenly. Groups stay whole where all examples name one.
    Raises DatasetError where a class or the groups are too few.

    learned: the classes that are learned from, which every fold must hold; None: all. Other classes that are too rare
    count as one class.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels, groups = dataset.column("label"), dataset.column("group")
    grouped = all(group is not None for group in groups)
    counts = Counter(labels)
    rarest = min(counts[label] for label in (counts if learned is None else learned))
    if learned is not None:
        labels = [label if label in learned or counts[label] >= count else "" for label in labels]
    if (available := min(rarest, len(set(groups)) if grouped else rarest)) < count:
        raise DatasetError(
            f"{dataset.root}: {counted(count, 'fold')} need at least {counted(count, 'picture')} of each "
            f"class{' and as many groups' if grouped else ''}, but there {is_are(available)} only {available}; add "
            "pictures, or a validation split."
        )
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    folds = np.zeros(len(dataset), dtype=np.int64)
    divided = kind(count, shuffle=True, random_state=seed).split(folds, labels, groups if grouped else None)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class", UserWarning)  # such a class is not learned
        for fold, (_, held_out) in enumerate(divided):
            folds[held_out] = fold
    return [int(fold) for fold in folds]


def blocked_folds(dataset: Dataset, count: int) -> list[int]:
    """The fold of each example, 0 to count - 1, as blocks of equal size in file order."""
    return [row * count // len(dataset) for row in range(len(dataset))]
