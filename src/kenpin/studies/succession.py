"""The succession study: two inspectors on the same parts, of which neither nor anything below them has learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.targets import annotated
from kenpin.errors import DatasetError, OptionError
from kenpin.evaluation import Predicts, evaluate
from kenpin.evaluation.comparison import compare
from kenpin.evaluation.pairs import Difference
from kenpin.plural import counted, was_were
from kenpin.quality.costs import Prices
from kenpin.quality.paired import CostDifference, PairedDifference, paired_cost
from kenpin.quality.planning import Wrong
from kenpin.records import Evaluation, JudgedExample, Threshold, Verdict
from kenpin.report.changes import change_sentences, change_table
from kenpin.report.findings import Findings
from kenpin.report.plots import Table

_SHOWN = 50  # changed verdicts in a table; the record has all


@dataclass(frozen=True)
class Candidate:
    """An inspector that is compared."""

    name: str
    predictor: Predicts
    ok_labels: tuple[str, ...]
    threshold: Threshold | None


@dataclass(frozen=True, slots=True)
class VerdictChange:
    """A part that the two judge differently."""

    id: str
    path: str | None
    label: str | None
    defective: bool | None
    before: Verdict
    now: Verdict

    @property
    def effect(self) -> str:
        """What became of it: `escapes`, `is caught`, `is overkilled`, `passes`, or that a person looks."""
        if self.now is Verdict.REVIEW:
            return "is reviewed"
        if self.defective:
            return "escapes" if self.now is Verdict.PASS else "is caught"
        return "passes" if self.now is Verdict.PASS else "is overkilled"


@dataclass(frozen=True, slots=True)
class Succession:
    """Two inspectors on the same parts."""

    before: str
    now: str
    data: str
    parts: int
    defective: int
    left_out: Mapping[str, int]
    """How many pictures were left out since an inspector, or anything below it, has seen them; by its name."""
    decisions: Mapping[Wrong, PairedDifference | None]
    """Changes of the escape rate and the overkill rate, exact; empty where one of the two gives no verdicts."""
    cost: CostDifference | None
    """Change of the cost of a part, exact; None without verdicts, costs or parts of both kinds."""
    prices: Prices | None
    auroc: Difference | None
    """None where one of the two gives no scores."""
    measures: tuple[Difference, ...]
    """All that both are measured by, the AUROC among it."""
    changes: tuple[VerdictChange, ...]
    """The parts with another verdict, in the order of the data set."""
    notes: tuple[str, ...]

    def in_words(self) -> tuple[str, ...]:
        """A sentence each on the parts, escapes, overkills, cost, AUROC and changed verdicts, and the notes."""
        good = self.parts - self.defective
        sentences = [
            f"{self.now} against {self.before} on {counted(self.parts, 'part')} that neither has learned from: {good} "
            f"good, {self.defective} defective."
        ]
        sentences += change_sentences(self.decisions)
        if self.cost is not None:
            sentences.append(
                f"Cost of a part: {self.cost.before:.4g} before, {self.cost.now:.4g} now; it changed by "
                f"{_signed(self.cost.change)} (exact 95 % interval {_signed(self.cost.low)} to "
                f"{_signed(self.cost.high)})."
            )
        if self.auroc is not None and self.auroc.before is not None and self.auroc.now is not None:
            change = self.auroc.change
            known = change.low is not None and change.high is not None
            interval = f" (95 % interval {_signed(change.low)} to {_signed(change.high)})" if known else ""
            sentences.append(
                f"AUROC: {self.auroc.before:.3f} before, {self.auroc.now:.3f} now; it changed by "
                f"{_signed(change.value)}{interval}."
            )
        if self.decisions:
            effects = [change.effect for change in self.changes]
            told = ", ".join(_effect(effects.count(one), one) for one in dict.fromkeys(effects))
            sentences.append(
                f"{counted(len(self.changes), 'part')} of {self.parts} {'has' if len(self.changes) == 1 else 'have'} "
                f"another verdict{f': {told}' if told else ''}."
            )
        return (*sentences, *self.notes)

    def findings(self) -> Findings:
        """The same for a page, a terminal and a run's report."""
        rows = tuple(
            (change.id, change.label or "", change.before.value, change.now.value, change.effect)
            for change in self.changes[:_SHOWN]
        )
        more = f", the first {_SHOWN} of {len(self.changes)}" if len(self.changes) > _SHOWN else ""
        tables = [change_table(self.decisions)] if any(self.decisions.values()) else []
        if rows:
            tables.append(Table(f"Other verdicts{more}", ("part", "truth", "before", "now", "now it"), rows))
        return Findings("succession", f"{self.now} against {self.before}", self.in_words(), tables=tuple(tables))


def study_succession(
    before: Candidate,
    now: Candidate,
    dataset: Dataset,
    *,
    ok_labels: Sequence[str] | None = None,
    prices: Prices | None = None,
) -> Succession:
    """Let both judge the labelled pictures that neither has seen, each by its own threshold, and compare.

    ok_labels: classes of good parts, by default those of the two, which must agree; prices: by default the costs that
    the threshold of `now` was chosen by, or else that of `before`. Raises DatasetError where no picture is left,
    OptionError, LabelError.
    """
    good = _good_labels(before, now, ok_labels)
    unseen, left_out, notes = _of_neither(before, now, dataset)
    old, new = (
        evaluate(one.predictor, unseen, ok_labels=good, threshold=one.threshold, split=None) for one in (before, now)
    )
    found = compare(new, old)
    prices = prices or _prices_of(now.threshold) or _prices_of(before.threshold)
    pairs = _decided(old, new)
    truths = [bool(of_new.defective) for _, of_new in pairs]
    verdicts = [[part.verdict or Verdict.REVIEW for part in parts] for parts in zip(*pairs, strict=True)]
    for one in (before, now):
        if one.threshold is None:
            notes.append(f"{one.name} has no threshold, so verdicts are not compared.")
    if pairs and prices is None:
        notes.append("No costs are known, so the cost of a part is not; give --cost-escape and --cost-overkill.")
    return Succession(
        before=before.name,
        now=now.name,
        data=dataset.root,
        parts=found.common,
        defective=sum(bool(part.defective) for part in new.judged),
        left_out=left_out,
        decisions=found.decisions,
        cost=paired_cost(truths, verdicts[0], verdicts[1], prices) if pairs and prices is not None else None,
        prices=prices,
        auroc=next((one for one in found.differences if one.name == "auroc"), None),
        measures=found.differences,
        changes=tuple(_changes(pairs)),
        notes=(*notes, *found.notes),
    )


def _good_labels(before: Candidate, now: Candidate, ok_labels: Sequence[str] | None) -> tuple[str, ...]:
    if ok_labels is not None:
        return tuple(ok_labels)
    if set(before.ok_labels) != set(now.ok_labels):
        ours, theirs = (", ".join(one.ok_labels) or "no class" for one in (now, before))
        raise OptionError(
            f"{now.name} takes {ours} for good parts and {before.name} {theirs}; name the good classes of this data "
            "set with --ok-labels."
        )
    return now.ok_labels


def _of_neither(before: Candidate, now: Candidate, dataset: Dataset) -> tuple[Dataset, dict[str, int], list[str]]:
    """The annotated pictures that neither has seen, how many each has, and notes. Raises DatasetError, OptionError."""
    if before.predictor.target is not now.predictor.target:
        kinds = " and ".join(one.predictor.target.several for one in (before, now))
        raise OptionError(f"{before.name} and {now.name} predict different things, {kinds}; compare two of a kind.")
    known = annotated(dataset, now.predictor.target)
    if not len(known):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: no {now.predictor.target.picture} is in it, and nothing can be "
            f"compared; add {now.predictor.target.several}."
        )
    notes = [f"{counted(len(dataset) - len(known), 'picture')} without a label left out."] * (len(dataset) > len(known))
    left_out, joint = {}, NOTHING_SEEN
    for one in (before, now):
        lineage = one.predictor.lineage
        if lineage is None or not lineage.complete:
            notes.append(f"It is not known what all {one.name} has learned from: its figures may be too good.")
        lineage = lineage or Lineage()
        joint = joint | lineage
        if seen := sum(lineage.seen(known)):
            left_out[one.name] = seen
            notes.append(
                f"{counted(seen, 'picture')} {was_were(seen)} left out: {one.name}, or a run below it, has learned "
                "from them or was chosen by them."
            )
    unseen = joint.unseen_of(known)
    if not len(unseen):
        raise DatasetError(
            f"{dataset.root or 'the data set'}: {' and '.join(left_out)} have seen all of these "
            f"{counted(len(known), 'picture')}, so they show nothing of how good the two are on others; give some that "
            "neither has learned from."
        )
    return unseen, left_out, notes


def _decided(old: Evaluation, new: Evaluation) -> list[tuple[JudgedExample, JudgedExample]]:
    """The parts whose truth is known and that both gave a verdict."""
    return [
        (before, now)
        for before, now in zip(old.judged, new.judged, strict=True)
        if now.defective is not None and before.verdict is not None and now.verdict is not None
    ]


def _changes(pairs: Sequence[tuple[JudgedExample, JudgedExample]]) -> list[VerdictChange]:
    return [
        VerdictChange(now.id, now.path, now.label, now.defective, before.verdict, now.verdict)
        for before, now in pairs
        if before.verdict is not None and now.verdict is not None and before.verdict is not now.verdict
    ]


def _prices_of(threshold: Threshold | None) -> Prices | None:
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None:
        return None
    return Prices(threshold.cost_escape, threshold.cost_overkill, threshold.cost_review, threshold.defect_rate)


def _effect(number: int, one: str) -> str:
    """How many parts an effect befell."""
    several = {"escapes": "escape", "passes": "pass"}.get(one, one.replace("is ", "are "))
    return f"{number} {one if number == 1 else several}"


def _signed(number: Any) -> str:
    return f"{number:+.3g}".replace("-", "−")
