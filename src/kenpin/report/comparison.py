"""Two runs on the same pictures: what changed, by how much chance could have done it, and for which parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.data.same_parts import same_parts
from kenpin.errors import OptionError
from kenpin.metrics.retrieval import mean_measure
from kenpin.plural import counted
from kenpin.quality.mistakes import Mistake, mistake_of, worst_first
from kenpin.quality.paired import PairedDifference, mcnemar, verdict_differences
from kenpin.quality.planning import Wrong
from kenpin.records import Detections, Evaluation, JudgedExample, JudgedText, Measure, Verdict

_Z = NormalDist().inv_cdf(0.975)


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure on the parts that both runs judged, and now minus before."""

    name: str
    before: float | None
    now: float | None
    change: Measure


@dataclass(frozen=True, slots=True)
class Pair:
    """One part as both runs judged it."""

    before: JudgedExample
    now: JudgedExample

    @property
    def named(self) -> bool:
        """Whether both runs name it; where one does not, both are compared by their verdicts."""
        return self.before.prediction.label is not None and self.now.prediction.label is not None

    @property
    def mistakes(self) -> tuple[Mistake | None, Mistake | None]:
        """What went wrong before and now, by one measure."""
        before, now = (mistake_of(part, names_count=self.named) for part in (self.before, self.now))
        return before, now


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run beside an earlier one."""

    common: int
    differences: tuple[Difference, ...]
    regressions: tuple[Pair, ...]
    """Right before and wrong now, the worst first."""
    improvements: tuple[Pair, ...]
    """Wrong before and right now, the worst first."""
    p_value: float | None
    """Chance of so uneven a change if neither run were better: exact McNemar test; None without common parts."""
    notes: tuple[str, ...]
    decisions: Mapping[Wrong, PairedDifference | None] = field(default_factory=dict)
    """How the rates of escapes and of overkills changed, exactly; empty where nothing was decided."""
    classes: tuple[Difference, ...] = ()
    """Of boxes: each class's average precision, the greatest loss first, each run on all the pictures it judged."""


def compare(now: Evaluation, before: Evaluation) -> Comparison:
    """Compare two evaluations on the pictures that both judged, by id or content, and whose labels agree."""
    found = same_parts(*([(part.id, part.path) for part in one.judged] for one in (before, now)))
    matched = [Pair(before.judged[old], now.judged[new]) for old, new in found]
    pairs = [pair for pair in matched if _truth(pair.before) == _truth(pair.now)]
    regressed = {p.now.id: p for p in pairs if p.mistakes[0] is None and p.mistakes[1] is not None}
    improved = {p.now.id: p for p in pairs if p.mistakes[0] is not None and p.mistakes[1] is None}
    notes = []
    if any((p.before.prediction.label is None) is not (p.now.prediction.label is None) for p in pairs):
        notes.append("Where one of the two runs predicts no class, parts are compared by the verdicts of both runs.")
    alone_now, alone_before = len(now.judged) - len(matched), len(before.judged) - len(matched)
    if alone_now or alone_before:
        notes.append(
            f"Left out: {counted(alone_now, 'picture')} judged only by this run and {alone_before} only by the other."
        )
    if len(pairs) < len(matched):
        notes.append(f"Left out: {counted(len(matched) - len(pairs), 'picture')} with another label in the other run.")
    decided = [p for p in pairs if None not in (p.now.defective, p.before.verdict, p.now.verdict)]
    of_boxes = now.target == before.target == "boxes"
    if of_boxes and (notes or not pairs):
        notes.append("mAP, precision and recall of boxes are of all the pictures that each run judged.")
    return Comparison(
        common=len(pairs),
        differences=(*(_box_differences(now, before) if of_boxes else ()), *_differences(pairs)),
        regressions=tuple(regressed[part.id] for _, part in worst_first(p.now for p in regressed.values())),
        improvements=tuple(improved[part.id] for _, part in worst_first(p.before for p in improved.values())),
        p_value=mcnemar(len(regressed), len(improved)) if pairs else None,
        notes=tuple(notes),
        decisions=_decisions(decided) if decided else {},
        classes=_class_differences(now, before) if of_boxes else (),
    )


def compare_runs(
    now: Mapping[str, Evaluation], before: Mapping[str, Evaluation]
) -> tuple[tuple[str, str, Comparison], ...]:
    """Two runs on every evaluation that they have in common: its name in each run, and the comparison.

    Each run's own evaluation, the first, is held against the other's, and further ones against those of their name;
    where none of these have a part in common, the two of any name that have most. Raises OptionError where none have.
    """
    own, own_before = next(iter(now)), next(iter(before))
    paired = {(own, own_before): None} | {(name, name): None for name in now if name in before}
    found = [(*names, compare(now[names[0]], before[names[1]])) for names in paired]
    if not any(one.common for *_, one in found):
        others = [(a, b) for a in now for b in before if (a, b) not in paired]
        found = [(a, b, compare(now[a], before[b])) for a, b in others]
        found = sorted(found, key=lambda one: -one[2].common)[:1]
    shared = tuple(one for one in found if one[2].common)
    if not shared:
        raise OptionError(
            "the two runs have no judged part in common with the same truth; evaluate both on one data set with "
            "`kenpin evaluate RUN --data DATA --name NAME`, and compare them then."
        )
    return shared


def paired_share(before: Sequence[bool], now: Sequence[bool]) -> Measure:
    """Share now minus share before on the same parts, with its 95 % interval; None without parts."""
    # Agresti & Min 2005: Wald's interval after adding one half to each cell of the 2 x 2 table, which keeps its
    # coverage when few parts or none changed.
    parts = len(now)
    if not parts:
        return Measure(None)
    gained = sum(n and not b for b, n in zip(before, now, strict=True))
    lost = sum(b and not n for b, n in zip(before, now, strict=True))
    centre = (gained - lost) / (parts + 2)
    half = _Z * max(0.0, (gained + lost + 1) - (gained - lost) ** 2 / (parts + 2)) ** 0.5 / (parts + 2)
    return Measure((gained - lost) / parts, max(-1.0, centre - half), min(1.0, centre + half))


def paired_auroc(defective: ArrayLike, before: ArrayLike, now: ArrayLike) -> tuple[float | None, float | None, Measure]:
    """AUROC before and now on the same parts, and its change with a 95 % interval; None without both kinds."""
    # DeLong, DeLong & Clarke-Pearson 1988: an AUROC is a mean of placements, so the change is a mean of differences.
    is_defective = np.asarray(defective, bool)
    if is_defective.all() or not is_defective.any():
        return None, None, Measure(None)
    below, above = _placements(is_defective, np.asarray(before, np.float64))
    below_now, above_now = _placements(is_defective, np.asarray(now, np.float64))
    change = float((below_now - below).mean())
    measure = Measure(change)
    if min(len(below), len(above)) > 1:
        half = _Z * (_variance_of_mean(below_now - below) + _variance_of_mean(above_now - above)) ** 0.5
        if half > 0:  # where nothing varies, nothing is known of chance
            measure = Measure(change, max(-1.0, change - half), min(1.0, change + half))
    return float(below.mean()), float(below_now.mean()), measure


def _variance_of_mean(values: NDArray[np.float64]) -> float:
    return float(values.var(ddof=1) / len(values))


def _placements(defective: NDArray[np.bool_], scores: NDArray[np.float64]) -> tuple[NDArray[np.float64], ...]:
    """Of each defective part the share of OK parts below it, of each OK part the share of defective ones above it."""
    from scipy.stats import rankdata

    ranks = rankdata(scores)  # ties share their mean rank, which counts them one half
    worse, fine = scores[defective], scores[~defective]
    below = (ranks[defective] - rankdata(worse)) / len(fine)
    above = 1 - (ranks[~defective] - rankdata(fine)) / len(worse)
    return below, above


def _truth(part: JudgedExample) -> tuple[str | None, bool | None, Detections | None, str | None]:
    boxes, text = part.boxes, part.text
    return part.label, part.defective, None if boxes is None else boxes.truth, None if text is None else text.truth


def _rightly(pair: Pair) -> tuple[bool, bool]:
    before, now = (
        part.prediction.label == part.label if pair.named else (part.verdict is Verdict.FAIL) == part.defective
        for part in (pair.before, pair.now)
    )
    return before, now


def _score(part: JudgedExample) -> float | None:
    score = part.prediction.defect_score
    return score if score == score else None  # NaN is no score


def _decisions(pairs: Sequence[Pair]) -> dict[Wrong, PairedDifference | None]:
    return verdict_differences(
        [bool(pair.now.defective) for pair in pairs],
        [pair.before.verdict or Verdict.REVIEW for pair in pairs],
        [pair.now.verdict or Verdict.REVIEW for pair in pairs],
    )


def _box_differences(now: Evaluation, before: Evaluation) -> tuple[Difference, ...]:
    """What was measured on boxes; how far chance moves the change is not known, so it has no interval."""
    unknown = Measure(None)
    return tuple(
        _difference(name, before.measures.get(name, unknown).value, now.measures.get(name, unknown).value)
        for name in ("map", "map_50", "map_75", "box_precision", "box_recall")
    )


def _class_differences(now: Evaluation, before: Evaluation) -> tuple[Difference, ...]:
    labels = dict.fromkeys([*now.per_class, *before.per_class])
    found = [
        _difference(
            label,
            *(one.per_class[label].average_precision if label in one.per_class else None for one in (before, now)),
        )
        for label in labels
    ]
    return tuple(sorted(found, key=lambda one: math.inf if one.change.value is None else one.change.value))


def _difference(name: str, before: float | None, now: float | None) -> Difference:
    return Difference(name, before, now, Measure(None if before is None or now is None else now - before))


def _differences(pairs: Sequence[Pair]) -> tuple[Difference, ...]:
    decided = [p for p in pairs if p.before.verdict is not None and p.now.verdict is not None]
    shares = [
        ("accuracy", [_rightly(p) for p in pairs if p.named or p in decided]),
        ("review_rate", [_verdicts(p, Verdict.REVIEW) for p in decided]),
        ("exact_match", [(b.exact_match, n.exact_match) for b, n in _texts(pairs)]),
    ]
    differences = []
    for name, outcomes in shares:
        if outcomes:
            earlier, later = [b for b, _ in outcomes], [n for _, n in outcomes]
            shares_of = sum(earlier) / len(earlier), sum(later) / len(later)
            differences.append(Difference(name, *shares_of, paired_share(earlier, later)))
    scored = [
        (p.now.defective, before, after)
        for p in pairs
        if p.now.defective is not None
        and (before := _score(p.before)) is not None
        and (after := _score(p.now)) is not None
    ]
    if scored:
        before_area, now_area, change = paired_auroc(*zip(*scored, strict=True))
        differences.insert(1, Difference("auroc", before_area, now_area, change))
    for name in ("token_f1", "edit_distance") if _texts(pairs) else ():
        earlier_each, later_each = np.array([[getattr(one, name) for one in two] for two in _texts(pairs)]).T
        means = float(earlier_each.mean()), float(later_each.mean())
        differences.append(Difference(name, *means, mean_measure(later_each - earlier_each)))
    return tuple(differences)


def _texts(pairs: Sequence[Pair]) -> list[tuple[JudgedText, JudgedText]]:
    """Both runs' answers, of the pictures that have some."""
    return [(p.before.text, p.now.text) for p in pairs if p.before.text is not None and p.now.text is not None]


def _verdicts(pair: Pair, verdict: Verdict) -> tuple[bool, bool]:
    return pair.before.verdict is verdict, pair.now.verdict is verdict
