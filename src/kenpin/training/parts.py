"""Which pictures a run learns from, decides on and is tested on, and what is to be learned of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.data.dataset import Dataset
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.errors import DatasetError, OptionError
from kenpin.models._family import Task


@dataclass(frozen=True)
class Parts:
    """Training pictures, and validation and test pictures where there are any; sentences on how they were made."""

    training: Dataset
    validation: Dataset | None
    test: Dataset | None
    notes: tuple[str, ...]


def divide(dataset: Dataset) -> Parts:
    """The data set's own splits, labelled pictures alone. Raises DatasetError where nothing is left to learn from."""
    labelled = dataset.select(i for i, label in enumerate(dataset.column("label")) if label is not None)
    splits = labelled.splits
    training = labelled.of_split("train") if splits else labelled
    if not len(training):
        raise DatasetError(
            f"{dataset.root}: no labelled picture to learn from (splits: {', '.join(splits) or 'none'}); label "
            "pictures, or name a split train."
        )
    unlabelled = len(dataset) - len(labelled)
    return Parts(
        training,
        labelled.of_split("validation") if "validation" in splits else None,
        labelled.of_split("test") if "test" in splits else None,
        (f"{unlabelled} pictures without a label were left out.",) if unlabelled else (),
    )


def hold_out_validation(parts: Parts, share: float, seed: int) -> Parts:
    """A share of the training pictures as validation pictures; no group on both sides where all name theirs.

    Raises DatasetError where there are too few.
    """
    ratios = {"train": 1 - share, "validation": share}
    grouped = all(group is not None for group in parts.training.column("group"))
    halves = (
        split_by_group(parts.training, ratios, column="group", seed=seed)
        if grouped
        else split_by_ratio(parts.training, ratios, seed=seed)
    )
    validation = halves.of_split("validation")
    how = "no group on both sides" if grouped else "stratified"
    note = f"No split is named validation: {len(validation)} of the training pictures were kept for it ({how})."
    return replace(parts, training=halves.of_split("train"), validation=validation, notes=(*parts.notes, note))


def task_of(training: Dataset, ok_labels: Sequence[str] | None) -> tuple[Task, tuple[str, ...]]:
    """Classes that occur among the training pictures, declared order first, and those that mean a good part.

    Raises OptionError where a named good class does not occur.
    """
    occurring = set(training.column("label"))
    labels = tuple(label for label in training.classes if label in occurring)
    if ok_labels is None:
        found = guess_ok_labels(labels)
        note = (
            f"Good parts are those of class {', '.join(found)}, by its name."
            if found
            else "No class is named like a good part, so nothing is judged; name the good ones with --ok-labels."
        )
        return Task(labels, found), (note,)
    for label in ok_labels:
        if label not in labels:
            raise OptionError(f"option `ok_labels`: class {label!r} is none of {', '.join(labels)}; name one of these.")
    return Task(labels, tuple(ok_labels)), ()
