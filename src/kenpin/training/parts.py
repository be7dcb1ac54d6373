"""Which pictures a run learns from, decides on and is tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.data.dataset import Dataset
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.errors import DatasetError, OptionError
from kenpin.models._family import Task


@dataclass(frozen=True)
class Parts:
    """Training, validation and, where the data set has one, test pictures; and sentences on how they were made."""

    training: Dataset
    validation: Dataset
    test: Dataset | None
    notes: tuple[str, ...]


def divide(dataset: Dataset, *, validation_share: float, seed: int) -> Parts:
    """The data set's own splits; where it names no validation split, a share of its training pictures.

    Raises DatasetError where nothing is left to learn from.
    """
    notes = []
    labelled = dataset.select(i for i, label in enumerate(dataset.column("label")) if label is not None)
    if (unlabelled := len(dataset) - len(labelled)) > 0:
        notes.append(f"{unlabelled} pictures without a label were left out.")
    splits = labelled.splits
    training = labelled.of_split("train") if splits else labelled
    if not len(training):
        raise DatasetError(
            f"{dataset.root}: no labelled picture to learn from (splits: {', '.join(splits) or 'none'}); label "
            "pictures, or name a split train."
        )
    if "validation" in splits:
        validation = labelled.of_split("validation")
    else:
        ratios = {"train": 1 - validation_share, "validation": validation_share}
        groups = all(group is not None for group in training.column("group"))
        halves = (
            split_by_group(training, ratios, column="group", seed=seed)
            if groups
            else split_by_ratio(training, ratios, seed=seed)
        )
        training, validation = halves.of_split("train"), halves.of_split("validation")
        how = "no group on both sides" if groups else "stratified"
        notes.append(
            f"No split is named validation: {len(validation)} of the training pictures were kept for it ({how})."
        )
    return Parts(training, validation, labelled.of_split("test") if "test" in splits else None, tuple(notes))


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
