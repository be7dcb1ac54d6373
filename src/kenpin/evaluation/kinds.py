"""The kind of a measure: its names, meaning, unit and direction, and the functions that compute and compare it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, StrEnum

from kenpin.evaluation.pairs import Change, Difference, TwoRuns, change_of_mean
from kenpin.evaluation.sample import Sample
from kenpin.metrics.intervals import mean_measure
from kenpin.records import JudgedExample, Measure
from kenpin.targets import Target


class Unit(StrEnum):
    """The unit of a measure."""

    SHARE = "share, in percent"
    BOUND = "upper bound of a share, in percent"
    NUMBER = "number"
    COUNT = "count"
    COST = "cost"


class Better(StrEnum):
    """The direction in which a measure is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Section(Enum):
    """The subject of a measure, and the targets that it is computed for."""

    BOXES = ("Boxes", frozenset({Target.BOXES}))
    PICTURES = ("Whole pictures", frozenset({Target.LABEL, Target.BOXES}))
    ANSWERS = ("Answers", frozenset({Target.TEXT}))
    EMBEDDINGS = ("Embeddings", frozenset({Target.LABEL, Target.BOXES}))
    MAPS = ("Maps", frozenset({Target.LABEL}))
    CASES = ("Known cases", frozenset({Target.LABEL}))

    def __init__(self, title: str, targets: frozenset[Target]) -> None:
        self.title, self.targets = title, targets


@dataclass(frozen=True, slots=True)
class MeasureKind:
    """The kind of a measure. It is computed as the mean of `each`, or by `compute`. A measure without either needs more
    than judged parts, and is computed elsewhere: `_masks` has maps, `training.retrieval` a library of cases."""

    name: str
    """Key in `Evaluation.measures` and in evaluation.json."""
    title: str
    """Its title on a page."""
    meaning: str
    """Its meaning in one sentence."""
    section: Section = Section.PICTURES
    unit: Unit = Unit.SHARE
    better: Better | None = Better.HIGHER
    """None where it does not measure how good an inspector is."""
    short: str = ""
    """Its short name in a line of several measures; empty where no such line has it."""
    watched: bool = False
    """Whether it is recorded at each evaluation of a training."""
    each: Callable[[JudgedExample], float | None] | None = None
    """Function from one part to its value; None: `compute` is used."""
    compute: Callable[[Sample], Measure | None] | None = None
    """Function from all parts to the measure, which is None where it does not apply."""
    change: Change | None = None
    """Function that compares two runs. None: the mean of `each` on common parts is compared, other measures are not."""

    def measure(self, sample: Sample) -> Measure | None:
        """The measure of these parts; None where it does not apply."""
        if sample.target not in self.section.targets:
            return None
        if self.compute is not None or self.each is None:
            return None if self.compute is None else self.compute(sample)
        values = [value for part in sample.judged if (value := self.each(part)) is not None]
        return mean_measure(values, seed=sample.seed) if values else None

    def difference(self, runs: TwoRuns) -> Difference | None:
        """The change between two runs; None where it is not compared."""
        change = change_of_mean(self.each) if self.change is None and self.each is not None else self.change
        return None if change is None else change(self.name, runs)
