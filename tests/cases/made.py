"""Made cases: vectors whose numbers follow from the case's own, so that whatever comes back can be checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.cases.case import Case, Metric, VectorRun
from kenpin.cases.library import CaseLibrary

RUN = VectorRun("a" * 32, "first", "/runs/first")
OTHER_RUN = VectorRun("b" * 32, "second", "/runs/second")
DIMENSION = 8


def vector(number: int, dimension: int = DIMENSION) -> NDArray[np.float32]:
    """The vector of case `number`."""
    return np.random.default_rng(number).normal(size=dimension).astype(np.float32)


def vectors(numbers: range | list[int], dimension: int = DIMENSION) -> NDArray[np.float32]:
    """A row each."""
    return np.stack([vector(number, dimension) for number in numbers])


def case(number: int, **said: Any) -> Case:
    """Case `number`."""
    return Case(f"{number:032x}", f"/pictures/{number}.png", **said)


def number_of(case: Case) -> int:
    """The number that a case was made of."""
    return int(case.id, 16)


def made_library(folder: Path, numbers: range = range(0), metric: Metric = "cosine") -> CaseLibrary:
    """A library with these cases."""
    library = CaseLibrary.create(str(folder), RUN, DIMENSION, metric)
    if numbers:
        library.add([case(number) for number in numbers], vectors(numbers))
    return library
