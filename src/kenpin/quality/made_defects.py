"""Where to cut the score by made defects in place of real ones, of which none is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kenpin.plural import counted
from kenpin.quality.conformal import FEW, least_passing
from kenpin.quality.planning import percent_down
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Threshold, Verdict

_CONFIDENCE = 0.95


def threshold_from_made_defects(
    good_scores: Sequence[float],
    made_scores: Sequence[float],
    *,
    cost_escape: float,
    cost_overkill: float,
    cost_review: float | None,
    defect_rate: float,
    parts: str,
) -> Threshold:
    """The cut of least expected cost where made defects are taken for real ones, and in its basis that they are made.

    good_scores: (n,), of parts that the inspector did not learn from; made_scores: (m,), of copies of such; parts: what
    they are called; defect_rate: of the line, for how many were made says nothing of it. No expected cost is named: it
    would be one of made defects. Raises ShapeError, OptionError.
    """
    found = threshold_from_costs(
        [*good_scores, *made_scores],
        [False] * len(good_scores) + [True] * len(made_scores),
        cost_escape=cost_escape,
        cost_overkill=cost_overkill,
        cost_review=cost_review,
        defect_rate=defect_rate,
        basis="",
    )
    passes = found.fail_from if found.review_from is None else found.review_from
    kept = sum(verdict_of(score, found) is Verdict.PASS for score in good_scores)
    least = least_passing(good_scores, passes, _CONFIDENCE)
    costs = f"an escape costing {cost_escape:g} and an overkill {cost_overkill:g}"
    costs += "" if cost_review is None else f", a review {cost_review:g}"
    basis = (
        f"Defects made by the program decided in place of real ones, of which none is known: least expected cost on "
        f"{len(good_scores)} good {parts}, and {counted(len(made_scores), 'made defect')} in copies of them, {costs}, "
        f"where {defect_rate:.3g} of the parts are defective. How many real defects escape is unknown. Of "
        f"these good parts {kept} pass, and with {_CONFIDENCE * 100:g} % confidence at least {percent_down(least)} of "
        "such, whichever cut is chosen."
    )
    few = tuple(float(score) for score in good_scores) if len(good_scores) <= FEW else None
    return replace(found, basis=basis, expected_cost=None, good_scores=few)
