"""The verdict of a part by several pictures: its worst view decides, and without one of its views nothing passes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from kenpin.plural import is_are
from kenpin.quality.threshold import judge
from kenpin.records import Judgement, Prediction, Threshold, Verdict
from kenpin.views import PartViews


@dataclass(frozen=True, slots=True)
class SeenView:
    """A picture of a part as an inspector sees it."""

    name: str | None
    """Of the view; None where views have no names."""
    prediction: Prediction

    @property
    def shown(self) -> str:
        """The view's name, or else the picture's id."""
        return self.name or self.prediction.id

    @property
    def is_scored(self) -> bool:
        """Whether it has a score."""
        score = self.prediction.defect_score
        return score is not None and not math.isnan(score)


def worst_view(views: Sequence[SeenView]) -> SeenView:
    """The view with the highest score, whatever their order: of several the first by name. One without a score comes
    after all others."""

    def badness(view: SeenView) -> tuple[float, float]:
        score, before = view.prediction.defect_score, view.prediction.uncalibrated_score
        return (score or 0.0, before or 0.0) if view.is_scored else (-math.inf, -math.inf)

    in_order = sorted(views, key=lambda view: (view.shown, view.prediction.id))
    return max(in_order, key=badness)  # the first of equal ones


def part_prediction(part: str, views: Sequence[SeenView], expected: PartViews) -> Prediction:
    """The prediction of a part: that of its worst view. It has no score where views are missing or others came, nor
    where one of them has none: such a part is not judged.

    # The maximum of n scores is above a cut more often than one of them, so cuts for parts are chosen by such maxima.
    """
    worst = replace(worst_view(views).prediction, id=part)
    if _hindrance(views, expected) is None:
        return worst
    return replace(worst, defect_score=None, uncalibrated_score=None)


def judge_part(part: str, views: Sequence[SeenView], expected: PartViews, threshold: Threshold) -> Judgement:
    """PASS, FAIL or REVIEW of a part, and why. REVIEW where its score is none by `part_prediction`."""
    hindrance = _hindrance(views, expected)
    if hindrance is not None:
        return Judgement(part, Verdict.REVIEW, None, (hindrance,))
    worst = worst_view(views)
    judgement = judge(replace(worst.prediction, id=part), threshold)
    if len(views) == 1:
        return judgement
    first, *others = judgement.reasons
    which = f"It is that of {'view ' if worst.name else ''}{worst.shown}, the worst of {len(views)}."
    return replace(judgement, reasons=(first, which, *others))


def _hindrance(views: Sequence[SeenView], expected: PartViews) -> str | None:
    """Why a part is not judged; None where it is."""
    if (sentence := expected.hindrance([view.name for view in views])) is not None:
        return sentence
    unscored = sorted(view.shown for view in views if not view.is_scored)
    if not unscored:
        return None
    if len(views) == 1:
        return "The inspector gave no score, so a person must look."
    return f"{', '.join(unscored)} {is_are(len(unscored))} without a score, so a person must look."
