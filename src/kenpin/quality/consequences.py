"""What a threshold leads to on scored parts, and what other costs or the line's own defect rate would, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.decision_options import DecisionOptions
from kenpin.quality.costs import realised_cost
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Threshold, Verdict
from kenpin.words import ENGLISH, Texts

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

    def in_words(self, texts: Texts = ENGLISH, *, of_how_many: bool = True) -> str:
        """What the threshold does, to follow `would` or `they`."""
        if of_how_many:
            said = texts(
                "let %(escaped)s escape and fail %(failed)s",
                escaped=texts.count(
                    "%(some)s of %(count)s defective part",
                    "%(some)s of %(count)s defective parts",
                    self.defective,
                    some=self.escapes,
                ),
                failed=texts.count(
                    "%(some)s of %(count)s good part",
                    "%(some)s of %(count)s good parts",
                    self.good,
                    some=self.overkills,
                ),
            )
        else:
            said = texts(
                "let %(escapes)s escape and fail %(overkills)s", escapes=self.escapes, overkills=self.overkills
            )
        return (
            texts("%(done)s, with %(reviews)s for a person", done=said, reviews=self.reviews) if self.reviews else said
        )


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


def cost_notes(
    scores: Sequence[float], defective: Sequence[bool], threshold: Threshold | None, texts: Texts = ENGLISH
) -> tuple[str, ...]:
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
        notes.append(_other_costs(scores, defective, threshold, texts))
    if threshold.defect_rate is None and sum(defective) > _AS_ON_A_LINE * len(defective):
        notes.append(_on_the_line(scores, defective, threshold, texts))
    return tuple(texts("Note: %(note)s", note=note) for note in notes)


def _has_default_costs(threshold: Threshold) -> bool:
    fields = DecisionOptions.model_fields
    return all(getattr(threshold, name) == fields[name].default for name in ("cost_escape", "cost_overkill"))


def _other_costs(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold, texts: Texts) -> str:
    here = consequences(scores, defective, threshold)
    # a threshold from other parts is seldom the best on these, and that is no matter of costs
    best = consequences(scores, defective, _suiting(scores, defective, threshold))
    told = texts(
        "these are the default costs, %(escape)s for an escape and %(overkill)s for an overkill: they %(do)s.",
        escape=f"{threshold.cost_escape:g}",
        overkill=f"{threshold.cost_overkill:g}",
        do=here.in_words(texts),
    )
    others = [
        texts(
            "%(do)s at a cost ratio of %(ratio)s : 1",
            do=found.in_words(texts, of_how_many=False),
            ratio=f"{ratio:g}",
        )
        for ratios in _OTHER_RATIOS
        for ratio, found in _first_other(scores, defective, threshold, ratios, best)
    ]
    (_, least), (_, most) = _OTHER_RATIOS
    ratios_seen = {"least": f"{least:g}", "most": f"{most:g}"}
    if best.counts == here.counts and not others:
        return texts(
            "%(told)s It is the best cut on these parts, whatever the ratio of costs from %(least)s : 1 to "
            "%(most)s : 1.",
            told=told,
            **ratios_seen,
        )
    if not others:
        return texts(
            "%(told)s The best cut on these parts would %(do)s, whatever the ratio of costs from %(least)s : 1 to "
            "%(most)s : 1.",
            told=told,
            do=best.in_words(texts, of_how_many=False),
            **ratios_seen,
        )
    if best.counts != here.counts:
        others.insert(0, texts("%(do)s at these costs", do=best.in_words(texts, of_how_many=False)))
    return texts(
        "%(told)s The best cut on these parts would %(do)s. Give yours with --cost-escape and --cost-overkill.",
        told=told,
        do=texts(", ").join(others),
    )


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


def _on_the_line(scores: Sequence[float], defective: Sequence[bool], threshold: Threshold, texts: Texts) -> str:
    on_the_line = replace(threshold, defect_rate=_LINE_RATE)
    same = consequences(scores, defective, on_the_line)
    best = consequences(scores, defective, _suiting(scores, defective, on_the_line))
    here, line = (f"{100 * share:.0f} %" for share in (sum(defective) / len(defective), _LINE_RATE))
    told = texts(
        "%(here)s of these parts are defective. On a line with %(line)s this cut would cost %(cost)s a part",
        here=here,
        line=line,
        cost=f"{same.cost:.3g}",
    )
    if best.counts == same.counts:
        return texts(
            "%(told)s, and no other cut costs less. Give the line's share with --defect-rate.",
            told=told,
        )
    return texts(
        "%(told)s; the best cut for %(line)s would %(do)s, and cost %(cost)s. Give the line's share with "
        "--defect-rate.",
        told=told,
        line=line,
        do=best.in_words(texts),
        cost=f"{best.cost:.3g}",
    )


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
