"""Two data sets, such as one to train on and one to test on: pictures that both hold, and where they differ."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any, Unpack

import numpy as np

from kenpin.data.doctor.examination import Examination, as_json, by_severity, examine_dataset
from kenpin.data.doctor.subject import Subject, listed
from kenpin.data.duplicates import HASH_WORDS, near_duplicate_clusters
from kenpin.data.loading import HowToRead, load_dataset
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.errors import OptionError
from kenpin.nearest import nearest_name
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

_SAME_NAME = 0.75  # share of the letters from which two names of classes may mean one class
_Picture = tuple[int, int]  # index of the data set, index of its picture


@dataclass(frozen=True, slots=True)
class PairExamination:
    """The doctor's findings in two data sets, and between them."""

    data_sets: tuple[Examination, Examination]
    between: tuple[Finding, ...]
    """Errors first, then warnings, then what is good to know."""

    @property
    def has_errors(self) -> bool:
        """Whether anything must be corrected, in one of them or between them."""
        return self.count(Severity.ERROR) > 0

    def count(self, severity: Severity) -> int:
        """Number of findings of this severity."""
        return sum(examination.count(severity) for examination in self.data_sets) + sum(
            f.severity is severity for f in self.between
        )


def examine_pair(first: str | Path, second: str | Path, **how: Unpack[HowToRead]) -> PairExamination:
    """Read and examine two data sets; the first is the one to train on, where one is.

    how: keywords of `load_dataset`. Raises DatasetError where one cannot be read at all, OptionError, also where both
    are the same.
    """
    if Path(first).resolve() == Path(second).resolve():
        raise OptionError(f"{second}: the same data set twice; give two different ones, or only one.")
    subjects: list[Subject] = []
    examinations: list[Examination] = []
    for path in (first, second):
        findings: list[Finding] = []
        dataset = load_dataset(path, note=findings.append, **how)
        subjects.append(Subject(dataset))
        subjects[-1].name = str(path)
        examinations.append(examine_dataset(dataset, findings, subject=subjects[-1]))
    return PairExamination(
        (examinations[0], examinations[1]),
        tuple(sorted(between_findings(subjects[0], subjects[1]), key=by_severity)),
    )


def pair_as_json(pair: PairExamination) -> dict[str, Any]:
    """All findings as JSON values; no list is shortened."""
    return {
        "data_sets": [as_json(examination) for examination in pair.data_sets],
        "between": [asdict(finding) for finding in pair.between],
        "has_errors": pair.has_errors,
        "totals": {severity.value: pair.count(severity) for severity in Severity},
    }


def between_findings(first: Subject, second: Subject) -> Iterator[Finding]:
    """Findings between two data sets whose pictures were opened."""
    sides = (first, second)
    contents: dict[str, list[_Picture]] = {}
    for side, subject in enumerate(sides):
        for index, look in enumerate(subject.looks):
            if look.content:
                contents.setdefault(look.content, []).append((side, index))
    yield from _equal_files(sides, [*contents.values()])
    yield from _look_alikes(sides, [*contents.values()])
    yield from _shared_groups(sides)
    yield from _missing_classes(sides)


def _equal_files(sides: tuple[Subject, Subject], contents: list[list[_Picture]]) -> Iterator[Finding]:
    for same in contents:
        if not _on_both(same):
            continue
        where, others = _named(sides, same)
        what = f"the same picture is also {others}"
        annotations = {(sides[s].labels[i], tuple(sorted(sides[s].box_labels[i] or ()))) for s, i in same}
        if len(annotated := [one for one in annotations if any(one)]) > 1:
            contradiction = " against ".join(sorted(label or listed(boxes) for label, boxes in annotated))
            what += f", annotated differently: {contradiction}"
        remedy = "Remove it from one of the data sets; else figures measured on it are too good"
        yield Finding(Severity.ERROR, "copies-across-data-sets", where, what, remedy)


def _look_alikes(sides: tuple[Subject, Subject], contents: list[list[_Picture]]) -> Iterator[Finding]:
    firsts = [same[0] for same in contents]
    hashes = np.frombuffer(b"".join(sides[side].looks[index].perceptual for side, index in firsts), np.uint64)
    for cluster in near_duplicate_clusters(hashes.reshape(-1, HASH_WORDS)):
        # a file that is in both is reported as a copy; here only other files count
        alike = [firsts[member] for member in cluster if not _on_both(contents[member])]
        if _on_both(alike):
            where, others = _named(sides, alike)
            remedy = "Check whether they show the same part; if so, keep it in only one data set"
            yield Finding(
                Severity.WARNING, "near-copies-across-data-sets", where, f"the picture looks like {others}", remedy
            )


def _shared_groups(sides: tuple[Subject, Subject]) -> Iterator[Finding]:
    firsts: tuple[dict[str | None, int], dict[str | None, int]] = ({}, {})  # group -> its first picture
    for first, subject in zip(firsts, sides, strict=True):
        for index, group in enumerate(subject.groups):
            first.setdefault(group, index)
    for group in firsts[0]:
        if group and group in firsts[1]:
            where, other = (_path(sides[side], firsts[side][group]) for side in (0, 1))
            what = f"group {group} is in both data sets: {where} and {other}"
            remedy = "Keep all pictures of a part, lot or serial number in only one data set"
            yield Finding(Severity.ERROR, "group-in-both-data-sets", where, what, remedy)


def _missing_classes(sides: tuple[Subject, Subject]) -> Iterator[Finding]:
    shown = [set().union(*side_subject.classes_of_each) for side_subject in sides]
    for side, subject in enumerate(sides):
        missing = sorted(shown[1 - side] - shown[side])
        if not missing or not shown[side]:
            continue
        what = f"no picture shows {listed(missing)}, which {sides[1 - side].name} has"
        near = {name: nearest_name(name, shown[side] - shown[1 - side], like=_SAME_NAME) for name in missing}
        renamed = [f"{name} may be {other} here" for name, other in near.items() if other is not None]
        severity, remedy = Severity.WARNING, "Add pictures, or give the classes the same names"
        if renamed:
            remedy = f"Give the classes the same names: {listed(renamed)}"
        elif side == 0 and len(guess_ok_labels([*shown[side]])) == len(shown[side]):
            severity, remedy = (
                Severity.INFO,
                "Nothing to do for a unit space of good parts; a classifier needs all classes",
            )
        yield Finding(severity, "class-missing-from-data-set", subject.name, what, remedy)


def _on_both(pictures: list[_Picture]) -> bool:
    return len({side for side, _ in pictures}) > 1


def _named(sides: tuple[Subject, Subject], pictures: list[_Picture]) -> tuple[str, str]:
    """The first picture and the others, pictures of the other data set first, so that both data sets are named."""
    first, *others = sorted(pictures)
    others.sort(key=lambda picture: picture[0] == first[0])
    return _path(sides[first[0]], first[1]), listed([_path(sides[side], index) for side, index in others])


def _path(subject: Subject, index: int) -> str:
    """The picture's id, with the name of its data set."""
    return str(PurePath(subject.name, subject.ids[index]))
