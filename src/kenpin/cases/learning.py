"""Data sets from cases: by class for embeddings, or with questions and answers for language models.

A POSITIVE case is of its label's class, and is pulled to the others of that class. A NEGATIVE case, whatever its label,
is pulled to no other; POSITIVE cases are pushed away from it, as from those of other labels. UNKNOWN cases are not
learned from. So anchor and positive of a triplet are POSITIVE cases of one label, the negative is any other case.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from kenpin.cases.case import CaseFilter, CaseVerdict
from kenpin.cases.dataset import dataset_of
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset, content_hash
from kenpin.data.splitting import split_by_group, split_by_ratio
from kenpin.errors import DatasetError
from kenpin.plural import counted, was_were
from kenpin.records import Example

WANTED, UNWANTED = "POSITIVE", "NEGATIVE"
"""Classes of wanted cases without a label, and of unwanted ones."""
_LEAST = 4
"""Cases of a class: two to learn from, one to validate on, one to search for."""


def training_set(library: CaseLibrary, *, test_share: float, seed: int) -> tuple[Dataset, tuple[str, ...]]:
    """The cases to learn from, by class, split into train and test by lots where all have one; notes to the user.

    Raises CaseLibraryError, DatasetError.
    """
    judged = dataset_of(library, CaseFilter(verdicts=(CaseVerdict.POSITIVE, CaseVerdict.NEGATIVE)))
    present = [replace(example, label=_class_of(example)) for example in judged if _is_there(example)]
    counts = Counter(example.label for example in present)
    kept = [example for example in present if counts[example.label] >= _LEAST]
    classes = {example.label for example in kept}
    if UNWANTED not in classes or classes == {UNWANTED}:
        raise DatasetError(
            f"{library.uri}: too few judged cases to learn from; add cases until a label has {_LEAST} POSITIVE ones "
            f"and there are {_LEAST} NEGATIVE ones, all with pictures that can still be found."
        )
    notes = _missing(len(judged) - len(present))
    if few := len(present) - len(kept):
        notes.append(
            f"{counted(few, 'case')} {was_were(few)} left out: fewer than {_LEAST} POSITIVE cases have such a label."
        )
    return _divided(kept, library, test_share, seed), tuple(notes)


def answers_of(library: CaseLibrary, *, test_share: float, seed: int) -> tuple[Dataset, tuple[str, ...]]:
    """The cases with a note, or else a label, as the answer, split as by `training_set`; notes to the user. Raises
    CaseLibraryError, DatasetError.
    """
    cases = dataset_of(library)
    present = [example for example in cases if _is_there(example)]
    kept = [
        replace(example, suffix=answer)
        for example in present
        if (answer := example.attributes.get("note") or example.label)
    ]
    if len(kept) < _LEAST:
        raise DatasetError(
            f"{library.uri}: only {counted(len(kept), 'case')} with a note or label and a picture that can still be "
            f"found; add notes or labels until there are {_LEAST}."
        )
    notes = _missing(len(cases) - len(present))
    if silent := len(present) - len(kept):
        notes.append(f"{counted(silent, 'case')} {was_were(silent)} left out, without a note or a label.")
    return _divided(kept, library, test_share, seed), tuple(notes)


def _divided(kept: Sequence[Example], library: CaseLibrary, test_share: float, seed: int) -> Dataset:
    dataset = Dataset.from_examples(kept, root=library.uri, format="cases")
    # a case is called by its picture's hash: what is learned from later is what was judged, or refused
    dataset = dataset.with_contents(dataset.column("id"))
    ratios = {"train": 1 - test_share, "test": test_share}
    if all(example.group is not None for example in kept):
        return split_by_group(dataset, ratios, column="group", seed=seed)
    return split_by_ratio(dataset, ratios, seed=seed)


def _missing(count: int) -> list[str]:
    return [f"{counted(count, 'case')} {was_were(count)} left out: the picture was moved or changed."] if count else []


def _class_of(example: Example) -> str:
    """The class of an example. Raises DatasetError for a label that equals the class of unwanted cases."""
    if example.attributes["verdict"] == CaseVerdict.NEGATIVE:
        return UNWANTED
    if example.label == UNWANTED:
        raise DatasetError(
            f"{example.origin}: label {UNWANTED} is for NEGATIVE cases; give this POSITIVE case another."
        )
    return example.label or WANTED


def _is_there(example: Example) -> bool:
    """Whether its picture is still that of the stored embedding."""
    return content_hash(example.image) == example.id
