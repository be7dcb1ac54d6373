"""One examination: pictures are opened once, all or a sample, every check runs, and findings are put in order."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from kenpin.data.doctor.boxes import BoxesSeen
from kenpin.data.doctor.classes import class_findings
from kenpin.data.doctor.copies import copy_findings
from kenpin.data.doctor.outlines import outline_findings
from kenpin.data.doctor.pictures import NOT_OPENED, Look, collection_findings, look_at
from kenpin.data.doctor.quality import quality_findings
from kenpin.data.doctor.splits import split_findings
from kenpin.data.doctor.subject import Subject
from kenpin.data.loading import HowToRead, load_dataset
from kenpin.data.streaming import stream
from kenpin.display import Shown
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from kenpin.data.dataset import Dataset
    from kenpin.data.images import Picture
    from kenpin.data.taking import DataSource
    from kenpin.records import Example

_READERS_WORD = "unreadable-image"  # a reader's code; the doctor's own findings are more specific
_SPLITS = ("train", "validation", "test")  # in this order, others by name


@dataclass(frozen=True, slots=True)
class Sizes:
    """Width and height in pixels of the pictures of smallest, median and largest area."""

    smallest_wh: tuple[int, int]
    median_wh: tuple[int, int]
    largest_wh: tuple[int, int]


@dataclass(frozen=True, slots=True, repr=False)
class Examination(Shown):
    """The doctor's findings, with counts and sizes of the data set."""

    source: str
    """Where the data set was read from."""
    format: str
    pictures: int
    opened: int
    """How many pictures were opened; findings on files, sizes and copies are about these alone."""
    classes: tuple[str, ...]
    counts: Mapping[str, Mapping[str, int]]
    """Pictures that show each class, by split; "" stands for no split and for no class."""
    sizes: Sizes | None
    """Sizes of the opened pictures; None where none could be opened."""
    findings: tuple[Finding, ...]
    """Errors first, then warnings, then information; each in the order of files and lines."""

    @property
    def has_errors(self) -> bool:
        """Whether anything must be corrected."""
        return self.count(Severity.ERROR) > 0

    def count(self, severity: Severity) -> int:
        """Number of findings of this severity."""
        return sum(finding.severity is severity for finding in self.findings)


def examine(data: DataSource, **how: Unpack[HowToRead]) -> Examination:
    """Examine whatever `load_dataset` takes, with its keywords. Raises DatasetError where it cannot be read at all,
    OptionError."""
    findings: list[Finding] = []
    dataset = load_dataset(data, note=findings.append, **how)
    return examine_dataset(dataset, findings)


def examine_dataset(
    dataset: Dataset,
    findings: Iterable[Finding] = (),
    *,
    opened: Collection[int] | None = None,
    seen: Callable[[Example, Picture], None] | None = None,
    subject: Subject | None = None,
    looks: Iterable[tuple[Example, Look]] | None = None,
) -> Examination:
    """Examine a data set that was read. `findings`: those of its reader.

    `opened`: indices of the pictures to open, None for all. Annotations, classes and splits are checked in all
    pictures; files, stated sizes and copies in the opened ones. `seen`: is shown each picture that could be opened,
    several at the same time in threads of their own. `subject`: is filled with what is seen. `looks`: each example with
    the look at its picture, where they were opened elsewhere.
    """
    subject = Subject(dataset) if subject is None else subject
    all_findings: list[Finding] = []
    boxes = BoxesSeen()
    looked = _looks(dataset, opened, partial(look_at, seen=seen)) if looks is None else looks
    for example, look in looked:
        all_findings += look.findings
        boxes.see(example, look.size_wh or example.size_wh)
        all_findings += outline_findings(example, look.size_wh or example.size_wh)
        subject.looks.append(look.without_findings())
    unopened = {finding.where for finding in all_findings}
    all_findings += (f for f in findings if not (f.code == _READERS_WORD and f.where in unopened))
    all_findings += boxes.findings(subject.name, dataset.box_form)
    for check in (collection_findings, quality_findings, class_findings, split_findings, copy_findings):
        all_findings += check(subject)
    return Examination(
        source=dataset.root,
        format=dataset.format,
        pictures=len(dataset),
        opened=0 if dataset.item_names else len(dataset) if opened is None else len(opened),
        classes=subject.classes,
        counts=_counts(subject),
        sizes=_sizes(look.size_wh for look in subject.looks),
        findings=tuple(sorted(all_findings, key=by_severity)),
    )


def _looks(
    dataset: Dataset, opened: Collection[int] | None, look: Callable[[Example], tuple[Example, Look]]
) -> Iterator[tuple[Example, Look]]:
    """Every example with the look at its picture, where it is opened."""
    if opened is None:
        yield from stream(look, dataset)
        return
    indices = sorted(opened)
    looks = dict(zip(indices, (one for _, one in stream(look, dataset.select(indices))), strict=True))
    for index, example in enumerate(dataset):
        yield example, looks.get(index, NOT_OPENED)


def as_json(examination: Examination) -> dict[str, Any]:
    """The whole examination as JSON values; no list is shortened."""
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
    """Sort key of findings: errors first, and within a severity by file and line."""
    # line 2 stands before line 10
    parts = re.split(r"(\d+)", finding.where)
    position = [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]
    return [*Severity].index(finding.severity), position, finding.code
