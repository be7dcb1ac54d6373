"""Folds: every example is held out once, at random or in blocks of file order."""

from __future__ import annotations

import numpy as np

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError


def random_folds(dataset: Dataset, count: int, *, seed: int) -> list[int]:
    """The fold of each example, 0 to count - 1, classes spread evenly; a group stays in one fold where all examples
    name theirs. Raises DatasetError where a class or the groups are too few.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    labels, groups = dataset.column("label"), dataset.column("group")
    grouped = all(group is not None for group in groups)
    rarest = min(labels.count(label) for label in set(labels))
    if (available := min(rarest, len(set(groups)) if grouped else rarest)) < count:
        raise DatasetError(
            f"{dataset.root}: {count} folds need as many pictures of each class"
            f"{' and as many groups' if grouped else ''}, there are {available}; add some or name a validation split."
        )
    kind = StratifiedGroupKFold if grouped else StratifiedKFold
    folds = np.zeros(len(dataset), dtype=np.int64)
    divided = kind(count, shuffle=True, random_state=seed).split(folds, labels, groups if grouped else None)
    for fold, (_, held_out) in enumerate(divided):
        folds[held_out] = fold
    return [int(fold) for fold in folds]


def blocked_folds(dataset: Dataset, count: int) -> list[int]:
    """The fold of each example, 0 to count - 1, as blocks of equal size in file order."""
    return [place * count // len(dataset) for place in range(len(dataset))]
