"""What a threshold leads to on scored parts, and what other costs or the line's own defect rate would, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.config import DecisionOptions
from kenpin.plural import counted
from kenpin.quality.costs import realised_cost
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Threshold, Verdict

_LINE_RATE = 0.01  # share of defective parts that is common on a line; pictures for training often hold a half
_AS_ON_A_LINE = 2 * _LINE_RATE  # up to this share the pictures are no other world
_OTHER_RATIOS = ((1.0, 0.1), (100.0, 1000.0))  # of an escape's cost to an overkill's, beside the usual 10


@dataclass(frozen=True, slots=True)
class Consequences:
    """What becomes of parts at a threshold, and the mean cost of a part."""

    escapes: int
    defective: int
    overkills: int
    good: int
    reviews: int
    cost: float

    @property
    def counts(self) -> tuple[int, int, int]:
        """Escapes, overkills and reviews."""
        return self.escapes, self.overkills, self.reviews

    def in_words(self, *, of_how_many: bool = True) -> str:
        """What the threshold does, to follow `would` or `they`."""
        defective, good = f" of {counted(self.defective, 'defective part')}", f" of {counted(self.good, 'good part')}"
        said = f"let {self.escapes}{defective * of_how_many} escape and fail {self.overkills}{good * of_how_many}"
        return f"{said}, with {self.reviews} for a person" if self.reviews else said


def consequences(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> Consequences:
    """What a threshold does to parts of both kinds; a wrong decision that it names no cost for costs nothing.

    scores, defective: (n,). Raises ShapeError, and OptionError when one kind of part is missing.
    """
    verdicts = [verdict_of(score, threshold) for score in scores]
    decided = list(zip(verdicts, defective, strict=True))
    return Consequences(
        escapes=decided.count((Verdict.PASS, True)),
        defective=sum(defective),
        overkills=decided.count((Verdict.FAIL, False)),
        good=len(defective) - sum(defective),
        reviews=verdicts.count(Verdict.REVIEW),
        cost=realised_cost(
            verdicts,
            defective,
            cost_escape=threshold.cost_escape or 0.0,
            cost_overkill=threshold.cost_overkill or 0.0,
            cost_review=threshold.cost_review,
            defect_rate=threshold.defect_rate,
        ),
    )


def cost_notes(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold | None) -> tuple[str, ...]:
    """What a reader must know of settings that nobody chose.

    Where the costs are the default ones: what these and others lead to on the parts. Where the defect rate is that of
    the parts: what a line with fewer defects changes. Empty for a threshold without costs, and without parts of both
    kinds. scores: (n,), finite; defective: (n,). Raises ShapeError.
    """
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None:
        return ()
    if len(set(defective)) < 2:
        return ()
    notes = []
    if _has_default_costs(threshold):
        notes.append(_other_costs(scores, defective, threshold))
    if threshold.defect_rate is None and sum(defective) > _AS_ON_A_LINE * len(defective):
        notes.append(_on_the_line(scores, defective, threshold))
    return tuple(f"Note: {note}" for note in notes)


def _has_default_costs(threshold: Threshold) -> bool:
    fields = DecisionOptions.model_fields
    return all(getattr(threshold, name) == fields[name].default for name in ("cost_escape", "cost_overkill"))


def _other_costs(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> str:
    here = consequences(scores, defective, threshold)
    # a threshold from other parts is seldom the best on these, and that is no matter of costs
    best = consequences(scores, defective, _suiting(scores, defective, threshold))
    told = (
        f"these are the default costs, {threshold.cost_escape:g} for an escape and {threshold.cost_overkill:g} for an "
        f"overkill: they {here.in_words()}."
    )
    others = [
        f"{found.in_words(of_how_many=False)} at a cost ratio of {ratio:g} : 1"
        for ratios in _OTHER_RATIOS
        for ratio, found in _first_other(scores, defective, threshold, ratios, best)
    ]
    (_, least), (_, most) = _OTHER_RATIOS
    whatever = f"whatever the ratio of costs from {least:g} : 1 to {most:g} : 1"
    if best.counts == here.counts and not others:
        return f"{told} It is the best cut on these parts, {whatever}."
    if not others:
        return f"{told} The best cut on these parts would {best.in_words(of_how_many=False)}, {whatever}."
    if best.counts != here.counts:
        others.insert(0, f"{best.in_words(of_how_many=False)} at these costs")
    every = ", ".join(others)
    return f"{told} The best cut on these parts would {every}. Give yours with --cost-escape and --cost-overkill."


def _first_other(
    scores: Sequence[float],
    defective: Sequence[bool],
    threshold: Threshold,
    ratios: Sequence[float],
    best: Consequences,
) -> list[tuple[float, Consequences]]:
    """The first of these ratios of an escape's cost to an overkill's whose best cut does other than `best`."""
    for ratio in ratios:
        other = replace(threshold, cost_escape=ratio * (threshold.cost_overkill or 0.0))
        found = consequences(scores, defective, _suiting(scores, defective, other))
        if found.counts != best.counts:
            return [(ratio, found)]
    return []


def _on_the_line(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> str:
    on_the_line = replace(threshold, defect_rate=_LINE_RATE)
    same = consequences(scores, defective, on_the_line)
    best = consequences(scores, defective, _suiting(scores, defective, on_the_line))
    here, line = (f"{100 * share:.0f} %" for share in (sum(defective) / len(defective), _LINE_RATE))
    told = f"{here} of these parts are defective. On a line with {line} this cut would cost {same.cost:.3g} a part"
    if best.counts == same.counts:
        told += ", and no other cut costs less"
    else:
        told += f"; the best cut for {line} would {best.in_words()}, and cost {best.cost:.3g}"
    return f"{told}. Give the line's share with --defect-rate."


def _suiting(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> Threshold:
    """The threshold of least expected cost on these parts, at this one's costs and defect rate."""
    return threshold_from_costs(
        scores,
        defective,
        cost_escape=threshold.cost_escape or 0.0,
        cost_overkill=threshold.cost_overkill or 0.0,
        cost_review=threshold.cost_review,
        defect_rate=threshold.defect_rate,
        basis=threshold.basis,
    )
