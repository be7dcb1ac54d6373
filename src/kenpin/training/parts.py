"""Which pictures a run learns from, decides on and is tested on, and what is to be learned of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.data.dataset import Dataset
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.data.targets import TARGETS, annotated, classes_of_each
from kenpin.errors import DatasetError, OptionError
from kenpin.models._family import Task
from kenpin.nearest import did_you_mean


@dataclass(frozen=True)
class Parts:
    """Training pictures, and validation and test pictures where there are any; sentences on how they were made."""

    training: Dataset
    validation: Dataset | None
    test: Dataset | None
    notes: tuple[str, ...]


def divide(dataset: Dataset, target: str) -> Parts:
    """The data set's own splits, of the pictures alone that have the annotation to learn: a `label`, `boxes` or `text`.

    Raises DatasetError where nothing is left to learn from.
    """
    what, known = TARGETS[target].one, annotated(dataset, target)
    splits = known.splits
    training = known.of_split("train") if splits else known
    if not len(known) and (other := _annotated_otherwise(dataset, target)):
        raise DatasetError(f"{dataset.root}: {other}.")
    if not len(training):
        raise DatasetError(
            f"{dataset.root}: no picture with {what} to learn from (splits: {', '.join(splits) or 'none'}); annotate "
            "pictures, or name a split train."
        )
    left_out = len(dataset) - len(known)
    notes = [f"{left_out} pictures without {what} were left out."] if left_out else []
    used = ("train", "validation", "test")
    unused = Counter(split for split in known.column("split") if split not in used) if splits else {}
    for split, count in unused.items():
        of = "without a split" if split is None else f"of split {split!r}"
        notes.append(f"{count} pictures {of} were left out: the splits used are {', '.join(used)}.")
    return Parts(
        training,
        known.of_split("validation") if "validation" in splits else None,
        known.of_split("test") if "test" in splits else None,
        tuple(notes),
    )


_LEARNED_BY = {
    "boxes": ("boxes", "boxes, such as florence2"),
    "label": ("labels of whole pictures", "whole pictures, such as classifier"),
    "text": ("answers in words", "answers, such as vlm"),
}


def _annotated_otherwise(dataset: Dataset, target: str) -> str | None:
    """What is annotated in place of the target, and who learns that; None where nothing is."""
    for other, (have, families) in _LEARNED_BY.items():
        if other != target and len(annotated(dataset, other)):
            return f"its pictures have {have} and no {_LEARNED_BY[target][0]}; train a family for {families}"
    return None


def defective(dataset: Dataset, task: Task, target: str) -> list[bool]:
    """Whether each picture shows something that is no good class."""
    good = set(task.ok_labels)
    return [not classes <= good for classes in classes_of_each(dataset, target)]


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


def task_of(training: Dataset, target: str, ok_labels: Sequence[str] | None) -> tuple[Task, tuple[str, ...]]:
    """Classes that occur among the training pictures, declared order first, and those that mean a good part.

    Raises DatasetError where there is no class, OptionError where a named good class does not occur.
    """
    if target == "text":
        if ok_labels is not None:
            raise OptionError("option `ok_labels`: answers in words have no classes; leave it out.")
        questions, answers = (_most_frequent_first(training.column(column)) for column in ("prefix", "suffix"))
        return Task((), (), questions=questions, answers=answers), ()
    occurring = set().union(*classes_of_each(training, target))
    labels = tuple(label for label in training.classes if label in occurring)
    if not labels:
        raise DatasetError(f"{training.root}: none of the training pictures has a box; there is nothing to learn.")
    if ok_labels is not None:
        if not ok_labels:
            raise OptionError("option `ok_labels` names no class; name the good ones, or leave it out.")
        for label in ok_labels:
            if label not in labels:
                raise OptionError(
                    f"option `ok_labels`: no picture is of class {label!r}; {did_you_mean(label, labels)}"
                )
        return Task(labels, tuple(ok_labels)), ()
    if target == "boxes":
        return Task(labels, ()), (
            "A part without a box is good; name the classes that are no defects with --ok-labels.",
        )
    found = guess_ok_labels(labels)
    note = (
        f"Good parts are those of class {', '.join(found)}, by its name."
        if found
        else "No class is named like a good part, so nothing is judged; name the good ones with --ok-labels."
    )
    return Task(labels, found), (note,)


def _most_frequent_first(texts: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(text for text, _ in Counter(text for text in texts if text is not None).most_common())
