"""A library as a data set: its pictures with what was said of them, to be learned from or embedded by another run."""

from __future__ import annotations

from kenpin.cases.case import EVERY_CASE, Case, CaseFilter
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset
from kenpin.records import Example, ImageSource


def dataset_of(library: CaseLibrary, among: CaseFilter = EVERY_CASE) -> Dataset:
    """An example for each case that is meant; its lot is the group, verdict and note are attributes."""
    return Dataset.from_examples(map(_example, library.cases(among)), root=library.uri, format="cases")


def _example(case: Case) -> Example:
    said = {"verdict": case.verdict, "note": case.note}
    return Example(
        id=case.id,
        image=ImageSource(case.picture),
        label=case.label,
        group=case.lot,
        attributes={name: str(value) for name, value in said.items() if value is not None},
        origin=case.picture,
    )
