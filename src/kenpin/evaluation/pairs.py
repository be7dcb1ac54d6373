"""Parts that two runs judged, and how each kind of measure changed between the runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from kenpin.evaluation.mistakes import Mistake, mistake_of
from kenpin.evaluation.sample import Sample, score_of
from kenpin.metrics.intervals import mean_measure
from kenpin.quality.paired import paired_auroc, paired_share
from kenpin.records import Evaluation, JudgedExample, Measure, Verdict


@dataclass(frozen=True, slots=True)
class Difference:
    """A measure before and now, and the change from before to now."""

    name: str
    before: float | None
    now: float | None
    change: Measure


@dataclass(frozen=True, slots=True)
class Pair:
    """A part with the judgements of both runs."""

    before: JudgedExample
    now: JudgedExample

    @property
    def named(self) -> bool:
        """Whether both runs predict its class; else they are compared by their verdicts."""
        return self.before.prediction.label is not None and self.now.prediction.label is not None

    @property
    def decided(self) -> bool:
        """Whether both runs gave it a verdict."""
        return self.before.verdict is not None and self.now.verdict is not None

    @property
    def mistakes(self) -> tuple[Mistake | None, Mistake | None]:
        """The mistakes before and now, judged alike: by class where both predict one, else by verdict."""
        before, now = (mistake_of(part, names_count=self.named) for part in (self.before, self.now))
        return before, now

    @property
    def right(self) -> tuple[bool, bool]:
        """Whether the class was right before and now; where one run predicts none, whether the verdict was."""
        before, now = (
            part.prediction.label == part.label if self.named else (part.verdict is Verdict.FAIL) == part.defective
            for part in (self.before, self.now)
        )
        return before, now


@dataclass(frozen=True, slots=True)
class TwoRuns:
    """The evaluations of a run and of an earlier one."""

    before: Evaluation
    now: Evaluation
    pairs: tuple[Pair, ...]
    """The parts that both judged and whose truth agrees."""

    @property
    def samples(self) -> tuple[Sample, Sample]:
        """The parts as they were judged before, and now."""
        parts = tuple(pair.before for pair in self.pairs), tuple(pair.now for pair in self.pairs)
        before, now = (
            Sample(judged, run.labels, run.ok_labels, run.threshold, run.target)
            for judged, run in zip(parts, (self.before, self.now), strict=True)
        )
        return before, now

    @property
    def of_boxes(self) -> bool:
        """Whether both are about boxes."""
        return self.now.target.locates and self.before.target.locates


Change = Callable[[str, TwoRuns], Difference | None]
"""Function from a measure's name and two runs to its change, which is None where it cannot be compared."""


def change_of_accuracy(name: str, runs: TwoRuns) -> Difference | None:
    """Change of accuracy on the parts that both runs name or decide."""
    return _of_shares(name, [pair.right for pair in runs.pairs if pair.named or pair.decided])


def change_of_reviews(name: str, runs: TwoRuns) -> Difference | None:
    """Change of the review rate on the parts that both runs decide."""
    review = Verdict.REVIEW
    return _of_shares(name, [(p.before.verdict is review, p.now.verdict is review) for p in runs.pairs if p.decided])


def change_of_exact_matches(name: str, runs: TwoRuns) -> Difference | None:
    """Change of exact matches on the pictures that both runs answered."""
    texts = [(pair.before.text, pair.now.text) for pair in runs.pairs]
    return _of_shares(name, [(b.exact_match, n.exact_match) for b, n in texts if b is not None and n is not None])


def change_of_auroc(name: str, runs: TwoRuns) -> Difference | None:
    """Change of AUROC on the parts that both runs scored and whose side is known."""
    scored = [
        (pair.now.defective, before, now)
        for pair in runs.pairs
        if pair.now.defective is not None
        and (before := score_of(pair.before)) is not None
        and (now := score_of(pair.now)) is not None
    ]
    return Difference(name, *paired_auroc(*zip(*scored, strict=True))) if scored else None


def change_of_mean(each: Callable[[JudgedExample], float | None]) -> Change:
    """Comparison of the mean of one value a part, on the parts that have a value in both runs."""

    def change(name: str, runs: TwoRuns) -> Difference | None:
        values = [(each(pair.before), each(pair.now)) for pair in runs.pairs]
        known = [(before, now) for before, now in values if before is not None and now is not None]
        if not known:
            return None
        before, now = np.array(known, np.float64).T
        return Difference(name, float(before.mean()), float(now.mean()), mean_measure(now - before))

    return change


def change_of(compute: Callable[[Sample], Measure | None]) -> Change:
    """Comparison of a measure of all parts together, on the parts of both runs, without an interval."""

    def change(name: str, runs: TwoRuns) -> Difference | None:
        before, now = (compute(sample) for sample in runs.samples)
        return None if before is None or now is None else difference(name, before.value, now.value)

    return change


def change_of_boxes(name: str, runs: TwoRuns) -> Difference | None:
    """Change of a measure of boxes, each run on all the pictures that it judged, without an interval."""
    if not runs.of_boxes:
        return None
    before, now = (run.measures.get(name, Measure(None)).value for run in (runs.before, runs.now))
    return difference(name, before, now)


def difference(name: str, before: float | None, now: float | None) -> Difference:
    """A difference without an interval."""
    return Difference(name, before, now, Measure(None if before is None or now is None else now - before))


def _of_shares(name: str, outcomes: Sequence[tuple[bool, bool]]) -> Difference | None:
    if not outcomes:
        return None
    before, now = [b for b, _ in outcomes], [n for _, n in outcomes]
    return Difference(name, sum(before) / len(before), sum(now) / len(now), paired_share(before, now))
