"""The threshold that scored pictures and the costs give; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from kenpin.decision_options import DecisionOptions
from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.quality.made_defects import threshold_from_made_defects
from kenpin.quality.threshold import passes_something, threshold_from_costs, threshold_from_good_parts
from kenpin.records import Prediction, Threshold


def decide(
    predictions: Iterable[Prediction],
    defective: Sequence[bool],
    options: DecisionOptions,
    pictures: str,
    limit: Callable[[Sequence[float]], Threshold | None] | None = None,
    folder: str = "",
    made: Sequence[float] = (),
) -> tuple[Threshold | None, str]:
    """A threshold, or None, and why. `pictures` says which ones were scored: "validation pictures", for example.

    limit: the inspector's own way to a threshold, from good parts' scores, which comes before the costs; folder: where
    good parts lie, and more of them would; made: scores of copies with made defects, where no real one is known.
    """
    scores = []
    for prediction in predictions:
        if prediction.defect_score is None:
            return None, "No threshold: no class is known to be good and another defective, so nothing has a score."
        scores.append(prediction.defect_score)
    good = [score for score, bad in zip(scores, defective, strict=True) if not bad]
    if limit is not None and (own := limit(good)) is not None:
        return _told(own)
    count, bad_count = len(good), len(scores) - len(good)
    if count and bad_count:
        basis = (
            f"Least expected cost on {count} good and {bad_count} defective {pictures}, an escape costing "
            f"{options.cost_escape:g} and an overkill {options.cost_overkill:g}"
            + ("." if options.cost_review is None else f", a review {options.cost_review:g}.")
        )
        threshold = threshold_from_costs(
            scores,
            defective,
            cost_escape=options.cost_escape,
            cost_overkill=options.cost_overkill,
            cost_review=options.cost_review,
            defect_rate=options.defect_rate,
            basis=basis,
        )
        return _told(threshold)
    if count and made:
        if options.defect_rate is None:
            raise OptionError("made defects say nothing of how many parts are defective; give option `defect_rate`.")
        return _told(
            threshold_from_made_defects(
                good,
                made,
                cost_escape=options.cost_escape,
                cost_overkill=options.cost_overkill,
                cost_review=options.cost_review,
                defect_rate=options.defect_rate,
                parts=pictures,
            ),
            "made defects",
        )
    if count:
        return _told(threshold_from_good_parts(good, pictures))
    where, scored = f"{folder}: " if folder else "", pictures.partition(",")[0].removesuffix("s")
    if bad_count:
        return None, (
            f"No threshold: {where}{counted(bad_count, f'defective {scored}')} and no good one; add good parts, or "
            "name further good classes with --ok-labels."
        )
    return None, f"No threshold: {where}there is no {scored}; add good parts."


def _told(threshold: Threshold, bad: str = "defective ones") -> tuple[Threshold, str]:
    """The threshold with a sentence on it; one that nothing can pass says so in its basis too."""
    if not passes_something(threshold):
        everything = "fails" if threshold.review_from is None else "fails or is reviewed"
        why = (
            f"Every part {everything}, for the scores do not separate good parts from {bad} well enough for these "
            "costs; train on more or better pictures, or name other costs."
        )
        return replace(threshold, basis=f"{why} {threshold.basis}"), f"{why} {threshold.basis}"
    return threshold, f"Threshold {threshold.fail_from:.4g}: {threshold.basis}"
