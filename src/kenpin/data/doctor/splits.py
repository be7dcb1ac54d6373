"""Checks of the splits: groups on two sides, classes that a split lacks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.data.doctor.subject import listed
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kenpin.data.doctor.subject import Subject


def split_findings(subject: Subject) -> Iterator[Finding]:
    """Findings on the splits; none where the pictures are not divided."""
    yield from _leaking_groups(subject)
    yield from _missing_classes(subject)


def _leaking_groups(subject: Subject) -> Iterator[Finding]:
    sides: dict[str, dict[str, str]] = {}  # group -> split -> its first picture in that split
    for name, group, split in zip(subject.ids, subject.groups, subject.splits, strict=True):
        if group and split is not None:
            sides.setdefault(group, {}).setdefault(split, name)
    for group, first in sides.items():
        if len(first) > 1:
            what = "its pictures are in several splits: " + ", ".join(f"{name} in {s}" for s, name in first.items())
            remedy = "Split by group: kenpin split DATA OUT --by group"
            where, about = f"{subject.name}: group {group}", tuple(first.values())
            yield Finding(Severity.ERROR, "group-leak", where, what, remedy, about)


def _missing_classes(subject: Subject) -> Iterator[Finding]:
    shown: dict[str, set[str]] = {split: set() for split in subject.splits if split is not None}
    for split, classes in zip(subject.splits, subject.classes_of_each, strict=True):
        if split is not None:
            shown[split] |= classes
    everywhere = set().union(*shown.values())
    for split, classes in sorted(shown.items()):
        if not (missing := sorted(everywhere - classes)):
            continue
        what = f"split {split} shows no picture of {listed(missing)}"
        # as MVTec has it: training pictures show what good parts look like
        if split == "train" and len(guess_ok_labels([*classes])) == len(classes) > 0:
            severity, remedy = (
                Severity.INFO,
                "Nothing to do for a unit space of good parts; a classifier needs all classes",
            )
        else:
            severity, remedy = Severity.WARNING, "Split again, stratified: kenpin split DATA OUT"
        yield Finding(severity, "class-missing-from-split", subject.name, what, remedy)
