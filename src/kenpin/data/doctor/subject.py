"""The data set under examination: its columns, read once for all checks, and what was seen of its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from kenpin.data.duplicates import near_duplicate_clusters

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from kenpin.data.dataset import Dataset
    from kenpin.data.doctor.pictures import Look


Clusters: TypeAlias = "Callable[[NDArray[np.uint64]], list[tuple[int, ...]]]"


class Subject:
    """Columns of a data set, one value for each picture in its order, and its classes."""

    def __init__(self, dataset: Dataset) -> None:
        self.name = dataset.root or "the data set"
        """Name of the data set in findings on all of it."""
        self.ids: list[str] = dataset.column("id")
        self.splits: list[str | None] = dataset.column("split")
        self.labels: list[str | None] = dataset.column("label")
        self.box_labels: list[list[str] | None] = dataset.column("box_labels")
        self.groups: list[str | None] = dataset.column("group")
        self.prefixes: list[str | None] = dataset.column("prefix")
        self.suffixes: list[str | None] = dataset.column("suffix")
        self.declared_classes = dataset.declared_classes
        self.classes = dataset.classes
        self.looks: list[Look] = []
        """Filled while the pictures are opened."""
        self.clusters_of: Clusters = near_duplicate_clusters
        """What finds near-duplicates by their hashes, (n, words)."""

    @property
    def classes_of_each(self) -> list[set[str]]:
        """The classes that each picture shows: its label and those of its boxes."""
        return [
            set(boxes or ()) | (set() if label is None else {label})
            for label, boxes in zip(self.labels, self.box_labels, strict=True)
        ]


def listed(names: Sequence[str], limit: int = 4) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
