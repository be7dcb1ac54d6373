"""The pictures of a data set that are annotated for a target, and the classes that are annotated on each."""

from __future__ import annotations

from kenpin.data.dataset import Dataset
from kenpin.targets import Target


def annotated(dataset: Dataset, target: Target) -> Dataset:
    """The pictures that have this annotation."""
    column = dataset.column(target.column)
    return dataset.select(row for row, value in enumerate(column) if value is not None)


def classes_of_each(dataset: Dataset, target: Target) -> list[set[str]]:
    """The classes that are annotated on each picture: its label's, or its boxes'; an answer is of none."""
    if not target.judges:
        return [set() for _ in range(len(dataset))]
    column = dataset.column(target.column)
    return [set(labels) for labels in column] if target.locates else [{label} for label in column]
