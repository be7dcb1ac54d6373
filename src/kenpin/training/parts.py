"""Which pictures a run learns from, decides on and is tested on, and what is to be learned of them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.data.targets import annotated, classes_of_each
from kenpin.errors import DatasetError, OptionError, UnitSpaceError
from kenpin.models import families_of_good_parts
from kenpin.models.contract import Taken, Task
from kenpin.models.good_parts import OfGoodParts
from kenpin.nearest import did_you_mean
from kenpin.plural import counted, is_are, was_were
from kenpin.targets import Target
from kenpin.training.folding import Check, refuse_one_group

_SPLITS = ("train", "validation", "test")
_GOOD = "ok"
"""Class of unlabelled good parts, where nobody named another."""


@dataclass(frozen=True)
class Parts:
    """Training pictures, and validation and test pictures where there are any; sentences on how they were made."""

    training: Dataset
    validation: Dataset | None
    test: Dataset | None
    notes: tuple[str, ...]


@dataclass(frozen=True)
class TakenForGood:
    """A data set whose unlabelled pictures are taken for good parts."""

    dataset: Dataset
    """The same, with the class of good parts as their label."""
    task: Task
    note: str


def take_for_good(dataset: Dataset, ok_labels: Sequence[str] | None) -> TakenForGood | None:
    """Pictures without a label as good parts; None where one to learn from is annotated in whatever way.

    A validation or test split is taken so too where none of its pictures is annotated; else its labels tell. The class
    is the first of `ok_labels`, or the one among the labels that is named like a good part. Raises DatasetError where
    there are labels and none is named so.
    """
    columns = (dataset.column(target.column) for target in Target)
    is_annotated = [any(value is not None for value in values) for values in zip(*columns, strict=True)]
    split_of_each = dataset.column("split")
    annotated_splits = {split for split, is_known in zip(split_of_each, is_annotated, strict=True) if is_known}
    learned = "train" if dataset.splits else None
    if learned in annotated_splits or learned not in split_of_each:
        return None
    good = tuple(ok_labels or guess_ok_labels(dataset.classes))
    if not good and annotated_splits:
        raise DatasetError(
            f"{dataset.root}: its pictures to learn from have no label and are taken as good parts, but no class of "
            f"the others ({', '.join(dataset.classes)}) is named like a good part; name the good ones with --ok-labels."
        )
    good = good or (_GOOD,)
    taken = {learned, *_SPLITS[1:]} - annotated_splits
    labels = [
        good[0] if split in taken else label
        for split, label in zip(split_of_each, dataset.column("label"), strict=True)
    ]
    count = sum(split in taken for split in split_of_each)
    row = "row" if dataset.item_names else "picture"
    of = f" of split {', '.join(split for split in dataset.splits if split in taken)}" if dataset.splits else ""
    return TakenForGood(
        dataset.with_labels(labels, tuple(dict.fromkeys((*dataset.declared_classes, good[0])))),
        Task((good[0],), good),
        f"No {row}{of} has a label, so all {count} are taken as good parts.",
    )


def divide(dataset: Dataset, target: Target, family: str = "this family", leave_out: Sequence[str] = ()) -> Parts:
    """The data set's own splits, of the pictures alone that have the annotation to learn: a `label`, `boxes` or `text`.

    family: who learns it; leave_out: splits that are not looked at. Raises DatasetError where nothing is left to learn
    from, OptionError where a split to leave out is not there.
    """
    kept_away = []
    for split in leave_out:
        if split not in dataset.splits:
            raise OptionError(
                f"option `leave_out`: {dataset.root} has no split {split!r}; its splits are "
                f"{', '.join(dataset.splits) or 'none'}."
            )
        kept_away.append(f"Split {split} was left out, as asked: this run has not looked at its pictures.")
    if leave_out:
        dataset = dataset.select(row for row, split in enumerate(dataset.column("split")) if split not in leave_out)
    what, known = target.one, annotated(dataset, target)
    splits = known.splits
    training = known.of_split("train") if splits else known
    if not len(known) and len(dataset):
        why = _annotated_otherwise(dataset, target) or _unannotated(dataset, target, family)
        raise DatasetError(f"{dataset.root}: {why}.")
    if not len(training):
        raise DatasetError(
            f"{dataset.root}: no picture with {what} to learn from (splits: {', '.join(splits) or 'none'}); annotate "
            "pictures, or name a split train."
        )
    left_out = len(dataset) - len(known)
    notes = kept_away
    if left_out:
        notes.append(f"{counted(left_out, 'picture')} without {what} {was_were(left_out)} left out.")
    unused = Counter(split for split in known.column("split") if split not in _SPLITS) if splits else {}
    for split, count in unused.items():
        of = "without a split" if split is None else f"of split {split!r}"
        notes.append(
            f"{counted(count, 'picture')} {of} {was_were(count)} left out: the splits used are {', '.join(_SPLITS)}."
        )
    return Parts(
        training,
        known.of_split("validation") if "validation" in splits else None,
        known.of_split("test") if "test" in splits else None,
        tuple(notes),
    )


_LEARNED_BY = {
    Target.BOXES: ("boxes", "boxes, such as florence2"),
    Target.LABEL: ("labels of whole pictures", "whole pictures, such as classifier"),
    Target.TEXT: ("answers in words", "answers, such as vlm"),
}


def _annotated_otherwise(dataset: Dataset, target: Target) -> str | None:
    """What is annotated in place of the target, and who learns that; None where nothing is."""
    for other, (have, families) in _LEARNED_BY.items():
        if other is not target and len(annotated(dataset, other)):
            return f"its pictures have {have} and no {_LEARNED_BY[target][0]}; train a family for {families}"
    return None


def _unannotated(dataset: Dataset, target: Target, family: str) -> str:
    """That nothing is annotated, and what to do."""
    row = "row" if dataset.item_names else "picture"
    remedy = "annotate them"
    if target is Target.LABEL:
        root = Path(dataset.root)
        in_folders = f"put them in class folders such as {root / 'ok'} and {root / 'scratch'}"
        remedy = in_folders if dataset.format == "folders" else "give each its class, in a column label of a table"
    return (
        f"none of its {counted(len(dataset), row)} has {target.one}, and {family} learns from "
        f"{target.several}; {remedy}, or train {' or '.join(families_of_good_parts())}, which needs good "
        "parts alone"
    )


def check_two_classes(training: Dataset, task: Task, family: str) -> None:
    """Refuse pictures of one class, where what sets classes apart is learned. Raises DatasetError."""
    if len(task.labels) < 2:
        raise DatasetError(
            f"{training.root}: all training pictures ({len(training)}) are of class {task.labels[0]}, and {family} "
            "learns what sets classes apart; add pictures of another, or train "
            f"{' or '.join(families_of_good_parts())}, which needs good parts alone."
        )


def good_folder(pictures: Dataset, task: Task) -> str:
    """The folder that good parts lie in, where it tells what they are; else what the data set was read from."""
    of_file = zip(pictures.column("label"), pictures.column("image"), pictures.column("origin"), strict=True)
    folders = {
        str(Path(origin).parent) if image and image["path"] == origin else None
        for label, image, origin in of_file
        if label in task.ok_labels
    }
    named = {folder for folder in folders if folder is not None}
    return os.path.commonpath(named) if named and len(named) == len(folders) else pictures.root


def check_good_parts(training: Dataset, task: Task, family: OfGoodParts[Taken] | None, options: Taken) -> None:
    """Refuse fewer good parts than are needed, where these alone are learned from. family: None: one is enough. Raises
    DatasetError."""
    fewest = 1 if family is None else family.fewest_good(options)
    labels = training.column("label")
    good = sum(label in task.ok_labels for label in labels)
    further = good < len(labels)
    if not good:
        of_each = ", ".join(f"{label} {count}" for label, count in Counter(labels).most_common())
        named = (
            f"of class {', '.join(task.ok_labels)}" if task.ok_labels else "of a class that is named like good parts"
        )
        raise DatasetError(
            f"{training.root}: none of the {counted(len(labels), 'training picture')} ({of_each}) is {named}; name the "
            "good classes with --ok-labels."
        )
    if family is not None and good < fewest:
        fewer = "" if training.item_names else family.fewer_good(options, good)
        remedies = [
            f"add {fewest - good}",
            *["name further good classes with --ok-labels"] * further,
            *[fewer] * bool(fewer),
        ]
        raise DatasetError(
            f"{good_folder(training, task)}: {counted(good, 'good part')}; {fewest} are needed to learn from: "
            f"{', or '.join(remedies)}."
        )


def defective(dataset: Dataset, task: Task, target: Target) -> list[bool]:
    """Whether each picture shows something that is no good class."""
    good = set(task.ok_labels)
    return [not classes <= good for classes in classes_of_each(dataset, target)]


def hold_out_validation(parts: Parts, share: float, seed: int, lineage: Lineage = NOTHING_SEEN) -> Parts:
    """A share of the training pictures as validation pictures, none of which is in the lineage; no group on both sides
    where all name theirs. Raises DatasetError where there are too few.
    """
    untouched = lineage.untouched(parts.training)
    candidates = parts.training.select(untouched)
    if len(candidates) < len(parts.training):  # as many as without a lineage, as far as there are such
        share = min(share * len(parts.training) / max(len(candidates), 1), 1.0)
    groups = parts.training.column("group")
    grouped = all(group is not None for group in groups)
    chosen = set(untouched)
    if share < 1:
        _check_divisible(candidates, share, groups[0] if grouped else None)
        ratios = {"train": 1 - share, "validation": share}
        halves = (
            split_by_group(candidates, ratios, column="group", seed=seed)
            if grouped
            else split_by_ratio(candidates, ratios, seed=seed)
        )
        chosen = {row for row, split in zip(untouched, halves.column("split"), strict=True) if split == "validation"}
    how = "no group on both sides" if grouped else "stratified"
    note = f"No split is named validation: {len(chosen)} of the training pictures were kept for it ({how})."
    return replace(
        parts,
        training=parts.training.select(row for row in range(len(parts.training)) if row not in chosen),
        validation=parts.training.select(sorted(chosen)),
        notes=(*parts.notes, note),
    )


def check_what_is_left(before: Dataset, parts: Parts, check: Check) -> None:
    """Refuse training pictures that are too few once some of those before are kept for validation. Raises
    DatasetError."""
    try:
        check(parts.training)
    except (DatasetError, UnitSpaceError) as error:
        kept = len(before) - len(parts.training)
        refuse_one_group(before, sorted(set(before.column("label")) - set(parts.training.column("label"))))
        raise DatasetError(
            f"no split is named validation, and keeping {kept} of {counted(len(before), 'training picture')} for it "
            f"leaves too little: {error}"
        ) from error


def _check_divisible(candidates: Dataset, share: float, group: str | None) -> None:
    """Refuse pictures of which none can be kept for validation. group: of the first, where all name theirs. Raises
    DatasetError."""
    where, count = candidates.root or "the data set", len(candidates)
    if count < 2:
        raise DatasetError(
            f"{where}: there is {counted(count, 'picture')} to learn from, and one more must be kept for validation; "
            "add pictures, or name a validation split."
        )
    if group is not None and set(candidates.column("group")) == {group}:
        raise DatasetError(
            f"{where}: {counted(count, 'training picture')}, all that there are, {is_are(count)} of group {group}, so "
            "that none can be kept for validation; add parts of another group, name a validation split, or leave out "
            "the groups."
        )
    if round(least := 0.5 / count, 9) >= min(share, 1 - share):
        raise DatasetError(
            f"{where}: {share:g} of {counted(count, 'picture')} to learn from is less than one for validation or for "
            f"training; add pictures, or set --validation-share {max(0.5, least):g}."
        )


def outside(parts: Parts, lineage: Lineage, seen_by: str) -> Parts:
    """The parts without validation and test pictures that are in a lineage, and a note on each split that lost some.

    seen_by: who has seen them, for the note. A split of which nothing is left is none.
    """
    found: dict[str, Dataset | None] = {}
    notes = list(parts.notes)
    for name, pictures in (("validation", parts.validation), ("test", parts.test)):
        left = None if pictures is None else lineage.unseen_of(pictures)
        if pictures is not None and left is not None and len(left) < len(pictures):
            gone = len(pictures) - len(left)
            notes.append(
                f"{gone} of the {counted(len(pictures), f'{name} picture')} {was_were(gone)} left out: {seen_by}, so "
                "they cannot show how good it is on parts that it has not seen."
            )
        found[name] = left if left is not None and len(left) else None
    return replace(parts, validation=found["validation"], test=found["test"], notes=tuple(notes))


_FEWEST_UNSEEN = 5  # parts of each kind to decide by, where others were learned from


def refuse_seen_alone(
    parts: Parts, below: Lineage, judging: Lineage, task: Task, target: Target, root: str, *, fitted: bool
) -> None:
    """Refuse a training whose runs below have seen so many of the pictures that too few are left to decide by.

    judging: the part of the lineage `below` that may not decide; fitted: decided by folds of the training pictures
    where there is no validation split. Raises DatasetError with the numbers that are missing, and what to do.
    """
    judged = parts.training if parts.validation is None else parts.validation

    def missing(lineage: Lineage) -> tuple[list[str], int]:
        """What is missing to decide by, and how many pictures are left."""
        left = judged.select(lineage.untouched(judged)) if parts.validation is None else lineage.unseen_of(judged)
        if len(left) == len(judged):
            return [], len(left)
        bad = sum(defective(left, task, target)) if target.judges else 0
        knows_defects = target.judges and bool(task.ok_labels) and len(task.labels) > len(task.ok_labels)
        needed = {"good ones": len(left) - bad, "defective ones": bad} if knows_defects else {"ones": len(left)}
        lacking = [f"{_FEWEST_UNSEEN - there} more {kind}" for kind, there in needed.items() if there < _FEWEST_UNSEEN]
        return lacking, len(left)

    lacking, left = missing(judging)
    if not lacking:
        return
    where = "training" if parts.validation is None else "validation"
    whole = ", give --folds whole, which trains all of it again for each fold," if fitted else ""
    chosen = "" if missing(below.learning)[0] else "; or decide by pictures that it was chosen by, --decide-by chosen"
    raise DatasetError(
        f"{root}: {judging.having()} learned from or been chosen by {len(judged) - left} of the "
        f"{counted(len(judged), f'{where} picture')}, so that {left} are left to decide by and to measure on; "
        f"{' and '.join(lacking)} are missing. Add pictures that it has not seen{whole} or train it again without a "
        f"split, with --leave-out{chosen}."
    )


def task_of(training: Dataset, target: Target, ok_labels: Sequence[str] | None) -> tuple[Task, tuple[str, ...]]:
    """Classes that occur among the training pictures, declared order first, and those that mean a good part.

    Raises DatasetError where there is no class, OptionError where a named good class does not occur.
    """
    if not target.judges:
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
    if target.locates:
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
