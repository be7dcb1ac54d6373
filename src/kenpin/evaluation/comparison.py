"""Two runs on the same pictures: what changed, how far chance explains it, and for which parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from kenpin.data.same_parts import same_parts
from kenpin.errors import OptionError
from kenpin.evaluation.measures import MEASURES
from kenpin.evaluation.mistakes import worst_first
from kenpin.evaluation.pairs import Difference, Pair, TwoRuns, difference
from kenpin.quality.paired import PairedDifference, mcnemar, verdict_differences
from kenpin.quality.planning import Wrong
from kenpin.records import Detections, Evaluation, JudgedExample, Verdict
from kenpin.words import ENGLISH, Texts


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run compared with an earlier one."""

    common: int
    differences: tuple[Difference, ...]
    regressions: tuple[Pair, ...]
    """Right before and wrong now, the worst first."""
    improvements: tuple[Pair, ...]
    """Wrong before and right now, the worst first."""
    p_value: float | None
    """P value of the exact McNemar test; None without common parts."""
    notes: tuple[str, ...]
    decisions: Mapping[Wrong, PairedDifference | None] = field(default_factory=dict)
    """Exact differences of the escape and overkill rates; empty without verdicts."""
    classes: tuple[Difference, ...] = ()
    """Average precision of each class of boxes, the greatest loss first, each run on all the pictures it judged."""


def compare(now: Evaluation, before: Evaluation, texts: Texts = ENGLISH) -> Comparison:
    """Compare two evaluations on the pictures that both judged, by id or content, and whose labels agree.

    texts: of the language that its notes are in.
    """
    shared = same_parts(*([(part.id, part.path) for part in run.judged] for run in (before, now)))
    matched = [Pair(before.judged[old], now.judged[new]) for old, new in shared]
    pairs = [pair for pair in matched if _truth(pair.before) == _truth(pair.now)]
    runs = TwoRuns(before, now, tuple(pairs))
    regressed = {p.now.id: p for p in pairs if p.mistakes[0] is None and p.mistakes[1] is not None}
    improved = {p.now.id: p for p in pairs if p.mistakes[0] is not None and p.mistakes[1] is None}
    notes = []
    if any((p.before.prediction.label is None) is not (p.now.prediction.label is None) for p in pairs):
        notes.append(
            texts("Where one of the two runs predicts no class, parts are compared by the verdicts of both runs.")
        )
    alone_now, alone_before = len(now.judged) - len(matched), len(before.judged) - len(matched)
    if alone_now or alone_before:
        notes.append(
            texts.count(
                "Left out: %(count)s picture judged only by this run and %(other)s only by the other.",
                "Left out: %(count)s pictures judged only by this run and %(other)s only by the other.",
                alone_now,
                other=alone_before,
            )
        )
    if len(pairs) < len(matched):
        notes.append(
            texts.count(
                "Left out: %(count)s picture with another label in the other run.",
                "Left out: %(count)s pictures with another label in the other run.",
                len(matched) - len(pairs),
            )
        )
    decided = [p for p in pairs if p.now.defective is not None and p.decided]
    if runs.of_boxes and (notes or not pairs):
        notes.append(texts("mAP, precision and recall of boxes are of all the pictures that each run judged."))
    return Comparison(
        common=len(pairs),
        differences=tuple(run for kind in MEASURES.values() if (run := kind.difference(runs)) is not None),
        regressions=tuple(regressed[part.id] for _, part in worst_first(p.now for p in regressed.values())),
        improvements=tuple(improved[part.id] for _, part in worst_first(p.before for p in improved.values())),
        p_value=mcnemar(len(regressed), len(improved)) if pairs else None,
        notes=tuple(notes),
        decisions=_decisions(decided) if decided else {},
        classes=_class_differences(now, before) if runs.of_boxes else (),
    )


def compare_runs(
    now: Mapping[str, Evaluation], before: Mapping[str, Evaluation], texts: Texts = ENGLISH
) -> tuple[tuple[str, str, Comparison], ...]:
    """Compare two runs on every evaluation that they share: its name in each run, and the comparison.

    The first evaluation of one run is compared with the first of the other, further ones with those of equal name.
    Where none of these pairs has a common part, the pair of any names with the most common parts is compared. Raises
    OptionError where no pair has one. texts: of the language that their notes are in.
    """
    own, own_before = next(iter(now)), next(iter(before))
    paired = {(own, own_before): None} | {(name, name): None for name in now if name in before}
    comparisons = [(*names, compare(now[names[0]], before[names[1]], texts)) for names in paired]
    if not any(comparison.common for *_, comparison in comparisons):
        others = [(a, b) for a in now for b in before if (a, b) not in paired]
        comparisons = [(a, b, compare(now[a], before[b], texts)) for a, b in others]
        comparisons = sorted(comparisons, key=lambda comparison: -comparison[2].common)[:1]
    shared = tuple(comparison for comparison in comparisons if comparison[2].common)
    if not shared:
        raise OptionError(
            "the two runs have no judged part in common with the same truth; evaluate both on one data set with "
            "`kenpin evaluate RUN --data DATA --name NAME`, and compare them then."
        )
    return shared


def _truth(part: JudgedExample) -> tuple[str | None, bool | None, Detections | None, str | None]:
    boxes, text = part.boxes, part.text
    return part.label, part.defective, None if boxes is None else boxes.truth, None if text is None else text.truth


def _decisions(pairs: Sequence[Pair]) -> dict[Wrong, PairedDifference | None]:
    return verdict_differences(
        [bool(pair.now.defective) for pair in pairs],
        [pair.before.verdict or Verdict.REVIEW for pair in pairs],
        [pair.now.verdict or Verdict.REVIEW for pair in pairs],
    )


def _class_differences(now: Evaluation, before: Evaluation) -> tuple[Difference, ...]:
    labels = dict.fromkeys([*now.per_class, *before.per_class])
    differences = [
        difference(
            label,
            *(run.per_class[label].average_precision if label in run.per_class else None for run in (before, now)),
        )
        for label in labels
    ]
    return tuple(sorted(differences, key=lambda run: math.inf if run.change.value is None else run.change.value))
