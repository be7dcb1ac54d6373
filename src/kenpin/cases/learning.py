"""What is learned from cases: which ones train, what draws them together or drives them away, or what is said of them.

A POSITIVE case is of its label's class, and is drawn to the others of that class. A NEGATIVE case, whatever its label,
is drawn to nothing; POSITIVE ones are driven from it, as they are from those of other labels. UNKNOWN cases teach
nothing. So of a triplet the anchor and the wanted one are POSITIVE cases of one label, the unwanted one is any other.
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
    """The cases that teach, by class, divided into train and test by lots where all have one; sentences worth telling.

    Raises CaseLibraryError, DatasetError.
    """
    judged = dataset_of(library, CaseFilter(verdicts=(CaseVerdict.POSITIVE, CaseVerdict.NEGATIVE)))
    there = [replace(one, label=_class_of(one)) for one in judged if _is_there(one)]
    counts = Counter(one.label for one in there)
    kept = [one for one in there if counts[one.label] >= _LEAST]
    classes = {one.label for one in kept}
    if UNWANTED not in classes or classes == {UNWANTED}:
        raise DatasetError(
            f"{library.uri}: too few judged cases to learn from; add cases until a label has {_LEAST} POSITIVE ones "
            f"and there are {_LEAST} NEGATIVE ones, all with pictures that can still be found."
        )
    notes = _missing(len(judged) - len(there))
    if few := len(there) - len(kept):
        notes.append(
            f"{counted(few, 'case')} {was_were(few)} left out: fewer than {_LEAST} POSITIVE cases have such a label."
        )
    return _divided(kept, library, test_share, seed), tuple(notes)


def answers_of(library: CaseLibrary, *, test_share: float, seed: int) -> tuple[Dataset, tuple[str, ...]]:
    """The cases of which something is said, its note or else its label being the answer, divided as by `training_set`;
    sentences worth telling. Raises CaseLibraryError, DatasetError.
    """
    cases = dataset_of(library)
    there = [one for one in cases if _is_there(one)]
    kept = [replace(one, suffix=said) for one in there if (said := one.attributes.get("note") or one.label)]
    if len(kept) < _LEAST:
        raise DatasetError(
            f"{library.uri}: only {counted(len(kept), 'case')} with a note or label and a picture that can still be "
            f"found; add notes or labels until there are {_LEAST}."
        )
    notes = _missing(len(cases) - len(there))
    if silent := len(there) - len(kept):
        notes.append(f"{counted(silent, 'case')} {was_were(silent)} left out, without a note or a label.")
    return _divided(kept, library, test_share, seed), tuple(notes)


def _divided(kept: Sequence[Example], library: CaseLibrary, test_share: float, seed: int) -> Dataset:
    dataset = Dataset.from_examples(kept, root=library.uri, format="cases")
    ratios = {"train": 1 - test_share, "test": test_share}
    if all(one.group is not None for one in kept):
        return split_by_group(dataset, ratios, column="group", seed=seed)
    return split_by_ratio(dataset, ratios, seed=seed)


def _missing(count: int) -> list[str]:
    return [f"{counted(count, 'case')} {was_were(count)} left out: the picture was moved or changed."] if count else []


def _class_of(example: Example) -> str:
    """Raises DatasetError for a label that would be taken for the class of unwanted cases."""
    if example.attributes["verdict"] == CaseVerdict.NEGATIVE:
        return UNWANTED
    if example.label == UNWANTED:
        raise DatasetError(
            f"{example.origin}: label {UNWANTED} is for NEGATIVE cases; give this POSITIVE case another."
        )
    return example.label or WANTED


def _is_there(example: Example) -> bool:
    """Whether its picture is still the one of which the library has the vector."""
    return content_hash(example.image) == example.id
