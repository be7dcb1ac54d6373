"""A library as a data set: its pictures with labels and notes, to be learned from or embedded by another run."""

from __future__ import annotations

from kenpin.cases.case import EVERY_CASE, Case, CaseFilter
from kenpin.cases.library import CaseLibrary
from kenpin.data.dataset import Dataset
from kenpin.records import Example, ImageSource


def dataset_of(library: CaseLibrary, among: CaseFilter = EVERY_CASE) -> Dataset:
    """An example for each selected case; its lot is the group, verdict and note are attributes."""
    return Dataset.from_examples(map(_example, library.cases(among)), root=library.uri, format="cases")


def _example(case: Case) -> Example:
    attributes = {"verdict": case.verdict, "note": case.note}
    return Example(
        id=case.id,
        image=ImageSource(case.picture),
        label=case.label,
        group=case.lot,
        attributes={name: str(value) for name, value in attributes.items() if value is not None},
        origin=case.picture,
    )
