"""Checks for copies: the same file twice, contradicting annotations, and look-alikes on two sides of a split."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from kenpin.data.doctor.subject import listed
from kenpin.data.duplicates import HASH_WORDS
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kenpin.data.doctor.subject import Subject


def copy_findings(subject: Subject) -> Iterator[Finding]:
    """Equal files and near-duplicates, one finding for each set of them."""
    by_content: dict[str, list[int]] = {}
    for index, look in enumerate(subject.looks):
        if look.content:
            by_content.setdefault(look.content, []).append(index)
    for same in by_content.values():
        # a picture may be asked about in several ways, on one side of a split
        asked: dict[str | None, list[int]] = {}
        for index in same if len(_splits_of(subject, same)) < 2 else ():
            asked.setdefault(subject.prefixes[index], []).append(index)
        for copies in asked.values() or [same]:
            if len(copies) > 1:
                yield _equal_files(subject, copies)
    contents = [*by_content.values()]
    hashes = np.frombuffer(b"".join(subject.looks[same[0]].perceptual for same in contents), np.uint64)
    for cluster in subject.clusters_of(hashes.reshape(-1, HASH_WORDS)):
        yield _look_alikes(subject, [contents[member] for member in cluster])


def _equal_files(subject: Subject, indices: Sequence[int]) -> Finding:
    others = listed([subject.ids[index] for index in indices[1:]])
    where, what = subject.ids[indices[0]], f"the same picture is also {others}"
    about = tuple(subject.ids[index] for index in indices)
    annotations = {(subject.labels[p], tuple(sorted(subject.box_labels[p] or ()))) for p in indices}
    if len(annotations) > 1:
        contradiction = " against ".join(sorted({label or listed(boxes) or "nothing" for label, boxes in annotations}))
        what += f", annotated differently: {contradiction}"
        remedy = "Decide which is right, and remove the others"
        return Finding(Severity.ERROR, "copies-contradict", where, what, remedy, about)
    if len(splits := _splits_of(subject, indices)) > 1:
        what += f", in the splits {', '.join(splits)}"
        remedy = "Keep one of them, or split again: kenpin split DATA OUT --by duplicates"
        return Finding(Severity.ERROR, "copies-across-splits", where, what, remedy, about)
    return Finding(Severity.WARNING, "copies", where, what, "Keep one of them; else it counts several times", about)


def _look_alikes(subject: Subject, contents: Sequence[Sequence[int]]) -> Finding:
    about = tuple(subject.ids[same[0]] for same in contents)
    where, *others = about
    what = f"the picture looks like {listed(others)}"
    if len(splits := _splits_of(subject, [index for same in contents for index in same])) > 1:
        what += f"; they are in the splits {', '.join(splits)}"
        remedy = "Check whether they show the same part; if so, split again: kenpin split DATA OUT --by duplicates"
        return Finding(Severity.WARNING, "near-copies-across-splits", where, what, remedy, about)
    remedy = "Nothing to do now; if they show the same part, split with --by duplicates"
    return Finding(Severity.INFO, "near-copies", where, what, remedy, about)


def _splits_of(subject: Subject, indices: Sequence[int]) -> list[str]:
    return sorted({split for index in indices if (split := subject.splits[index]) is not None})
