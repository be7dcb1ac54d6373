"""What a measure is: its names, its meaning, its unit, which way it is better, and what computes and compares it."""

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
    """How a measure's number is read."""

    SHARE = "share, in percent"
    BOUND = "upper bound of a share, in percent"
    NUMBER = "number"
    COUNT = "count"
    COST = "cost"


class Better(StrEnum):
    """Which way a measure is better."""

    HIGHER = "higher"
    LOWER = "lower"


class Section(Enum):
    """What a measure is about, and the targets of the inspectors that it is computed for."""

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
    """What a measure is. It is computed as the mean of `each`, or by `compute`; one without either needs more than
    judged parts, and is computed where these are: `_masks` has maps, `training.retrieval` a library of cases."""

    name: str
    """Key in `Evaluation.measures` and in evaluation.json."""
    title: str
    """Its name on a page."""
    meaning: str
    """One sentence."""
    section: Section = Section.PICTURES
    unit: Unit = Unit.SHARE
    better: Better | None = Better.HIGHER
    """None where it does not say how good an inspector is."""
    short: str = ""
    """In a line or a sentence that holds several measures; empty for one that no such line holds."""
    watched: bool = False
    """Whether a training follows it."""
    each: Callable[[JudgedExample], float | None] | None = None
    """Its value on one part; None where it has none."""
    compute: Callable[[Sample], Measure | None] | None = None
    """Its value on all parts; None where it does not apply."""
    change: Change | None = None
    """How it changed between two runs; None for the mean of `each` on the parts of both, and else for not compared."""

    def measure(self, sample: Sample) -> Measure | None:
        """What it is on these parts; None where it does not apply."""
        if sample.target not in self.section.targets:
            return None
        if self.compute is not None or self.each is None:
            return None if self.compute is None else self.compute(sample)
        values = [value for part in sample.judged if (value := self.each(part)) is not None]
        return mean_measure(values, seed=sample.seed) if values else None

    def difference(self, runs: TwoRuns) -> Difference | None:
        """How it changed between two runs; None where it is not compared."""
        change = change_of_mean(self.each) if self.change is None and self.each is not None else self.change
        return None if change is None else change(self.name, runs)
