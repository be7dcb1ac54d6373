"""Adding pictures: each is looked up by its content, embedded if it is new, and reported once it is on disk."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.cases.case import Case, CaseFilter, CaseVerdict, Metric, VectorRun
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset
from kenpin.data.images import jpeg_thumbnail, read_image
from kenpin.data.picture_files import read_bytes_once
from kenpin.data.targets import refuse_table
from kenpin.errors import DatasetError, ImageError
from kenpin.records import Example

_Batch = tuple[list[Example], NDArray[np.float32]]
Embed = Callable[[Dataset], Iterator[_Batch]]
"""Batches of examples with an embedding each, as of `Predictor.embed`; unreadable pictures are left out."""
_AT_ONCE = 1_000
"""Most pictures that are looked up, and cases that are written, at a time."""
_BYTES_AT_ONCE = 256 * 1024**2
"""Bytes of picture files that are held until their cases are written; one that has more is alone."""
_WAIT_S = 2.0
"""Seconds that a case waits for others before it is written with them."""


class Outcome(StrEnum):
    """The outcome for a picture."""

    ADDED = "added"
    CHANGED = "changed"
    KNOWN = "known"
    """It was known, and is unchanged."""


@dataclass(frozen=True, slots=True)
class CaseDefaults:
    """Defaults of verdict, label, note and lot for pictures whose data set has none."""

    verdict: CaseVerdict | None = None
    label: str | None = None
    note: str | None = None
    lot: str | None = None


def add_pictures(
    uri: str,
    run: VectorRun,
    pictures: Dataset,
    embed: Embed,
    *,
    defaults: CaseDefaults = CaseDefaults(),
    metric: Metric | None = None,
    thumbnails: bool = False,
    change: bool = False,
) -> Iterator[tuple[Case, Outcome]]:
    """Each picture's case with its outcome, as soon as it is on disk. The library is created with its first case.

    change: update verdict, label, note and lot of known cases, which else stay unchanged. The same content twice is one
    case. metric: of a new library, by default cosine. Raises CaseLibraryError, DatasetError for an unknown verdict or a
    table of numbers, MissingExtraError.
    """
    refuse_table(pictures)
    library = CaseLibrary.find(uri)
    if library is not None:
        library.check(run, metric)
    for block in _blocks(pictures, defaults):
        known = frozenset() if library is None else library.known([case.id for _, case in block])
        new, others = _divided(block, known)
        cases = {case.id: case for _, case in new}
        for examples, vectors in _gathered(embed(Dataset.from_examples(_by_content(new)))):
            if library is None:
                library = CaseLibrary.create(uri, run, vectors.shape[1], metric or "cosine")
            batch = [_with_thumbnail(cases[one.id], one) if thumbnails else cases[one.id] for one in examples]
            added = library.add(batch, vectors)
            yield from ((case, Outcome.ADDED if case.id in added else Outcome.KNOWN) for case in batch)
        if library is not None and others:
            ids = tuple(case.id for case in others)
            stored = library.change(others) if change else library.cases(CaseFilter(ids=ids))
            yield from ((case, Outcome.CHANGED if change else Outcome.KNOWN) for case in stored)
    if library is not None:
        library.tend()


_Named = tuple[Example, Case]


def _blocks(pictures: Dataset, defaults: CaseDefaults) -> Iterator[list[_Named]]:
    """Pictures with their cases, some at a time. Each file is read once, and its bytes are held: the case's id, its
    embedding and its thumbnail must be of one picture, whatever its file has become since."""
    block: list[_Named] = []
    held_bytes = 0
    for example in pictures:
        held, content = _held(example)
        size = len(held.image.data or b"")
        if block and (len(block) == _AT_ONCE or held_bytes + size > _BYTES_AT_ONCE):
            yield block
            block, held_bytes = [], 0
        block.append((held, case_of(example, content, defaults)))
        held_bytes += size
    if block:
        yield block


def _held(example: Example) -> tuple[Example, str]:
    """The example with its picture's bytes, and their hash; as it is, and nothing, where they cannot be read."""
    try:
        once = read_bytes_once(example.image)
    except ImageError:
        return example, ""
    return replace(example, image=once.source), once.content


def case_of(example: Example, content: str, defaults: CaseDefaults = CaseDefaults()) -> Case:
    """An example as a case; its verdict, note and lot are attributes of these names, or its group is its lot.

    content: hash of its picture's bytes, the case's id. Raises DatasetError for an unknown verdict.
    """
    verdict = example.attributes.get("verdict", "").strip().upper()
    if verdict and verdict not in CaseVerdict.__members__:
        known = ", ".join(CaseVerdict)
        raise DatasetError(f"{example.origin or example.id}: verdict {verdict!r} is not among {known}; correct it.")
    return Case(
        id=content,
        picture=str(Path(example.image.path or "").absolute()) if example.image.data is None else str(example.image),
        verdict=CaseVerdict(verdict) if verdict else defaults.verdict,
        label=example.label or defaults.label,
        note=example.attributes.get("note") or defaults.note,
        lot=example.attributes.get("lot") or example.group or defaults.lot,
    )


def _divided(block: Sequence[_Named], known: frozenset[str]) -> tuple[list[_Named], list[Case]]:
    """Pictures whose content is new or cannot be read, and the cases of all others."""
    met = set(known)
    new, others = [], []
    for example, case in block:
        if case.id in met:
            others.append(case)
        else:
            new.append((example, case))
            met |= {case.id} - {""}
    return new, others


def _by_content(named: Sequence[_Named]) -> Iterator[Example]:
    """The examples with the ids of their cases; an unreadable picture keeps its own id."""
    for example, case in named:
        yield replace(example, id=case.id or example.id)


def _gathered(batches: Iterator[_Batch]) -> Iterator[_Batch]:
    """Fewer and larger batches: each written batch is a file."""
    waiting: list[_Batch] = []
    since = time.monotonic()
    for batch in batches:
        waiting.append(batch)
        if sum(len(examples) for examples, _ in waiting) >= _AT_ONCE or time.monotonic() - since > _WAIT_S:
            yield _joined(waiting)
            waiting, since = [], time.monotonic()
    if waiting:
        yield _joined(waiting)


def _joined(batches: Sequence[_Batch]) -> _Batch:
    return [example for examples, _ in batches for example in examples], np.concatenate(
        [vectors for _, vectors in batches]
    )


def _with_thumbnail(case: Case, example: Example) -> Case:
    return replace(case, thumbnail=jpeg_thumbnail(read_image(example.image)))
