"""Checks of the classes: names that collide or cannot be written, classes without or with too few pictures, flips."""

from __future__ import annotations

import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

from kenpin.codecs import florence2, paligemma
from kenpin.data.doctor.subject import listed
from kenpin.data.flip_classes import flip_swapped_pairs
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.plural import counted
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kenpin.data.doctor.subject import Subject

_CODECS = {"Florence-2": florence2, "PaliGemma": paligemma}
_FEW = 10  # pictures of a class; with fewer no score of it means anything
_IMBALANCE = 10  # times as many pictures of one class as of another


def class_findings(subject: Subject) -> Iterator[Finding]:
    """Findings on the classes and their numbers of pictures."""
    pictures = Counter(name for classes in subject.classes_of_each for name in classes)
    yield from _unannotated(subject)
    yield from _unused(subject, pictures)
    yield from _uncarriable(subject)
    yield from _alike(subject, pictures)
    yield from _single(subject, pictures)
    yield from _numbers(subject, pictures)
    for first, second, axis in flip_swapped_pairs(subject.classes):
        flip = "left to right" if axis == "x" else "top to bottom"
        what = f"a picture mirrored {flip} turns {first!r} into {second!r}"
        remedy = "Leave such flips off in training, which is the default, or give a class map"
        yield Finding(Severity.INFO, "class-flip", subject.name, what, remedy)


def _unannotated(subject: Subject) -> Iterator[Finding]:
    annotations = zip(subject.ids, subject.labels, subject.box_labels, subject.suffixes, strict=True)
    for name, label, boxes, suffix in annotations:
        if label is not None or suffix is not None or boxes:
            continue
        if boxes is None:
            what = "the picture has no annotation"
            remedy = "Nothing to do if it is only to be judged, or all are good parts to learn from; else annotate it"
            yield Finding(Severity.INFO, "image-unannotated", name, what, remedy, (name,))
        else:
            what, remedy = "the picture has no boxes", "Nothing to do if nothing is to be found in it"
            yield Finding(Severity.INFO, "image-without-boxes", name, what, remedy, (name,))


def _unused(subject: Subject, pictures: Counter[str]) -> Iterator[Finding]:
    for name in subject.declared_classes:
        if not pictures[name]:
            what, remedy = f"class {name!r} is declared, but no picture shows it", "Add pictures, or remove the class"
            yield Finding(Severity.WARNING, "class-unused", subject.name, what, remedy)


def _uncarriable(subject: Subject) -> Iterator[Finding]:
    for name in subject.classes:
        problems: dict[str, list[str]] = {}
        for codec_name, codec in _CODECS.items():
            if (problem := codec.problem_with(name)) is not None:
                problems.setdefault(problem, []).append(codec_name)
        for problem, codecs in problems.items():
            what = f"class {name!r} {problem}; the answers of {' and '.join(codecs)} cannot carry it"
            yield Finding(Severity.WARNING, "class-uncarriable", subject.name, what, "Rename the class")


def _alike(subject: Subject, pictures: Counter[str]) -> Iterator[Finding]:
    spellings: dict[str, list[str]] = {}
    for name in subject.classes:
        bare = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        spellings.setdefault(bare, []).append(name)
    for names in spellings.values():
        if len(names) > 1:
            counts = " and ".join(f"{name!r} ({counted(pictures[name], 'picture')})" for name in names)
            what = f"classes {counts} differ only in case, white space or Unicode form"
            yield Finding(Severity.WARNING, "class-names-alike", subject.name, what, "Give them one name")


def _single(subject: Subject, pictures: Counter[str]) -> Iterator[Finding]:
    # boxes of a single class are usual; whole pictures of a single class cannot be told apart
    if len(pictures) == 1 and any(label is not None for label in subject.labels):
        severity = Severity.INFO if guess_ok_labels([*pictures]) else Severity.WARNING
        what = f"all labelled pictures are of class {next(iter(pictures))!r}"
        remedy = "Good parts alone are enough for a unit space; for a classifier, add pictures of another class"
        yield Finding(severity, "class-single", subject.name, what, remedy)


def _numbers(subject: Subject, pictures: Counter[str]) -> Iterator[Finding]:
    few = [f"{name} {number}" for name, number in sorted(pictures.items()) if number < _FEW]
    if few:
        what = f"fewer than {_FEW} pictures of a class: {listed(few, 10)}"
        remedy = "Collect more, or merge the class with another; scores of so few pictures mean little"
        yield Finding(Severity.WARNING, "class-too-small", subject.name, what, remedy)
    if not pictures:
        return
    (most, many), (least, rare) = pictures.most_common()[0], pictures.most_common()[-1]
    if many > _IMBALANCE * rare:
        what = f"{counted(many, 'picture')} of class {most!r}, but only {rare} of class {least!r}"
        remedy = "Judge by balanced accuracy and per-class scores, and collect more of the rare class"
        yield Finding(Severity.WARNING, "class-imbalance", subject.name, what, remedy)
