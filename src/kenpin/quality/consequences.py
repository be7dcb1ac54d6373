"""What a threshold leads to on scored parts, and what other costs or the line's own defect rate would, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.config import DecisionOptions
from kenpin.quality.costs import realised_cost
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Threshold, Verdict

_LINE_RATE = 0.01  # share of defective parts that is common on a line; pictures for training often hold a half
_AS_ON_A_LINE = 2 * _LINE_RATE  # up to this share the pictures are no other world
_OTHER_RATIOS = ((1.0, 0.1), (100.0, 1000.0))  # overkills that an escape costs, below and above the usual ten


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
        defective, good = f" of {_parts(self.defective, 'defective')}", f" of {_parts(self.good, 'good')}"
        said = f"let {self.escapes}{defective * of_how_many} escape and fail {self.overkills}{good * of_how_many}"
        return f"{said}, with {self.reviews} for a person" if self.reviews else said


def consequences(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> Consequences:
    """What a threshold does to parts of both kinds; a wrong decision that it names no cost for costs nothing.

    scores, defective: (n,). Raises ShapeError, and OptionError when one kind of part is missing.
    """
    verdicts = [verdict_of(score, threshold) for score in scores]
    counted = list(zip(verdicts, defective, strict=True))
    return Consequences(
        escapes=counted.count((Verdict.PASS, True)),
        defective=sum(defective),
        overkills=counted.count((Verdict.FAIL, False)),
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
    the parts: what a line with fewer defects changes. Empty for a threshold without costs, and without parts of both kinds. scores: (n,), finite; defective: (n,).
    Raises ShapeError.
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
    sentence = (
        f"these are the default costs, {threshold.cost_escape:g} for an escape and {threshold.cost_overkill:g} for an "
        f"overkill: they {here.in_words()}."
    )
    others = []
    for ratios in _OTHER_RATIOS:
        for ratio in ratios:
            found = consequences(scores, defective, _suiting(scores, defective, threshold, cost_escape=ratio))
            if found.counts != here.counts:
                others.append(f"{ratio:g} : 1 would {found.in_words(of_how_many=False)}")
                break
    if not others:
        (_, least), (_, most) = _OTHER_RATIOS
        return f"{sentence} No ratio from {least:g} : 1 to {most:g} : 1 would change that on these parts."
    return f"{sentence} On these parts {'; '.join(others)}. Name yours with --cost-escape and --cost-overkill."


def _on_the_line(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold) -> str:
    same = consequences(scores, defective, replace(threshold, defect_rate=_LINE_RATE))
    suiting = consequences(scores, defective, _suiting(scores, defective, threshold, defect_rate=_LINE_RATE))
    here, line = (f"{100 * share:.0f} %" for share in (sum(defective) / len(defective), _LINE_RATE))
    sentence = f"{here} of these parts are defective. On a line with {line} this cut would cost {same.cost:.3g} a part"
    other = f"the cut that suits {line} would {suiting.in_words()}, and cost {suiting.cost:.3g}"
    told = f"{sentence}, and no other less" if same.counts == suiting.counts else f"{sentence}; {other}"
    return f"{told}. Name the line's share with --defect-rate."


def _suiting(
    scores: Sequence[float],
    defective: Sequence[bool],
    threshold: Threshold,
    *,
    cost_escape: float | None = None,
    defect_rate: float | None = None,
) -> Threshold:
    """The threshold of least expected cost on these parts, with another cost of an escape or another defect rate."""
    return threshold_from_costs(
        scores,
        defective,
        cost_escape=(threshold.cost_escape or 0.0) if cost_escape is None else cost_escape,
        cost_overkill=threshold.cost_overkill or 0.0,
        cost_review=threshold.cost_review,
        defect_rate=threshold.defect_rate if defect_rate is None else defect_rate,
        basis=threshold.basis,
    )


def _parts(number: int, kind: str) -> str:
    return f"{number} {kind} {'part' if number == 1 else 'parts'}"
