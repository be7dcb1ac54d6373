"""One examination: every picture is opened once, every check runs, and what they found is put in order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from kenpin.data._streaming import stream
from kenpin.data.doctor.boxes import BoxProblem, box_findings, box_problems
from kenpin.data.doctor.classes import class_findings
from kenpin.data.doctor.copies import copy_findings
from kenpin.data.doctor.pictures import collection_findings, look_at
from kenpin.data.doctor.splits import split_findings
from kenpin.data.doctor.subject import Subject
from kenpin.data.loading import load_dataset
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from kenpin.data.dataset import Dataset

_READERS_WORD = "unreadable-image"  # a reader's code for what the doctor tells more closely
_SPLITS = ("train", "validation", "test")  # in this order, others by name


@dataclass(frozen=True, slots=True)
class Sizes:
    """Width and height in pixels of the pictures of smallest, median and largest area."""

    smallest_wh: tuple[int, int]
    median_wh: tuple[int, int]
    largest_wh: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Examination:
    """What the doctor found."""

    source: str
    """Where the data set was read from."""
    format: str
    pictures: int
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Pictures that show each class, by split; "" stands for no split and for no class."""
    sizes: Sizes | None
    """None where no picture could be opened."""
    findings: tuple[Finding, ...]
    """Errors first, then warnings, then what is good to know; each by place."""

    @property
    def has_errors(self) -> bool:
        """Whether anything must be mended."""
        return self.count(Severity.ERROR) > 0

    def count(self, severity: Severity) -> int:
        """Number of findings of this severity."""
        return sum(finding.severity is severity for finding in self.findings)


def examine(path: str | Path, *, format: str | None = None) -> Examination:
    """Read and examine a data set. Raises DatasetError where it cannot be read at all, OptionError for the format."""
    findings: list[Finding] = []
    dataset = load_dataset(path, format=format, note=findings.append)
    return examine_dataset(dataset, findings)


def examine_dataset(
    dataset: Dataset, findings: Iterable[Finding] = (), *, subject: Subject | None = None
) -> Examination:
    """Examine a data set that was read. `findings`: what its reader found; `subject`: filled with what is seen."""
    subject = Subject(dataset) if subject is None else subject
    found: list[Finding] = []
    boxes: list[BoxProblem] = []
    for example, look in stream(look_at, dataset):
        found += look.findings
        boxes += box_problems(example, look.size_wh or example.size_wh)
        subject.looks.append(look.without_findings())
    unopened = {finding.where for finding in found}
    found += (f for f in findings if not (f.code == _READERS_WORD and f.where in unopened))
    found += box_findings(boxes, subject.name)
    for check in (collection_findings, class_findings, split_findings, copy_findings):
        found += check(subject)
    return Examination(
        source=dataset.root,
        format=dataset.format,
        pictures=len(dataset),
        classes=subject.classes,
        counts=_counts(subject),
        sizes=_sizes(look.size_wh for look in subject.looks),
        findings=tuple(sorted(found, key=by_severity)),
    )


def as_json(examination: Examination) -> dict[str, Any]:
    """Everything that was found, as JSON values; no list is shortened."""
    values = asdict(examination)
    values["has_errors"] = examination.has_errors
    values["totals"] = {severity.value: examination.count(severity) for severity in Severity}
    return values


def _counts(subject: Subject) -> dict[str, dict[str, int]]:
    counts: dict[str, Counter[str]] = {}
    for split, classes in zip(subject.splits, subject.classes_of_each, strict=True):
        counts.setdefault(split or "", Counter()).update(classes or ("",))
    splits = sorted(counts, key=lambda split: (_SPLITS.index(split) if split in _SPLITS else len(_SPLITS), split))
    names = (*subject.classes, "")
    return {split: {name: counts[split][name] for name in names if counts[split][name]} for split in splits}


def _sizes(sizes_wh: Iterable[tuple[int, int] | None]) -> Sizes | None:
    by_area = sorted((size for size in sizes_wh if size is not None), key=lambda size: (size[0] * size[1], size))
    return Sizes(by_area[0], by_area[len(by_area) // 2], by_area[-1]) if by_area else None


def by_severity(finding: Finding) -> tuple[int, list[tuple[int, str]], str]:
    """Sorts findings: errors first, and within a severity by where they are."""
    # line 2 stands before line 10
    parts = re.split(r"(\d+)", finding.where)
    place = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return [*Severity].index(finding.severity), place, finding.code
