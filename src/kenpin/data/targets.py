"""The pictures of a data set that are annotated for a target, and the classes that are annotated on each."""

from __future__ import annotations

from collections.abc import Collection

from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError
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


def of_labels(dataset: Dataset, labels: Collection[str]) -> Dataset:
    """The pictures whose own label is one of these."""
    return dataset.select(row for row, label in enumerate(dataset.column("label")) if label in labels)


def refuse_pictures(dataset: Dataset) -> None:
    """Refuse pictures where a table of numbers is expected. Raises DatasetError."""
    if len(dataset) and not dataset.item_names:
        raise DatasetError(
            f"{dataset.root or 'the data set'}: it holds pictures, and this model judges rows of a table."
        )


def refuse_table(dataset: Dataset) -> None:
    """Refuse a table of numbers where pictures are expected. Raises DatasetError."""
    if dataset.item_names:
        raise DatasetError(
            f"{dataset.root or 'the data set'}: it is a table of numbers, and this model looks at pictures; train "
            "mahalanobis on it."
        )
