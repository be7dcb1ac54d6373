"""The space on all parts together, and what scores the given ones: fits that have not learned from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.models.calibrated import write_calibration
from kenpin.models.contract import Calibrated, Progress
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.quality.bounds import at_most
from kenpin.quality.planning import percent_down, percent_up
from kenpin.quality.threshold import verdict_of
from kenpin.records import Prediction, Threshold, Verdict
from kenpin.run.layout import MODEL
from kenpin.taguchi import PairMoments
from kenpin.training.deciding import Decided, Scored
from kenpin.training.folding import FOLDS, learned_without
from kenpin.updating.given import Before, Further

_KEPT = " Kept through an update"
"""Where the first basis of a threshold ends, and what a later update says of it begins."""


_MUCH = 0.9
"""Distances that fell below this share move a cut so far that it has to be told: a space of few parts finds others far,
and with more parts less so."""


def refitted(before: Before, further: Further, progress: Progress) -> tuple[Scored, tuple[str, ...], PairMoments]:
    """Fit the run's inspector to all parts; the given ones as scored by what has not learned from them, its notes, and
    the moments of all. The scores are not calibrated."""
    inspector, known, training = before.inspector, before.known.moments, further.parts.training
    calibration = inspector.calibration if isinstance(inspector, Calibrated) else None
    good = [label in before.record.ok_labels for label in training.column("label")]
    judged = before.lineage.untouched(training)
    found: dict[int, Prediction] = {}
    if isinstance(inspector, Calibrated):
        inspector.calibration = None
    predictor = Predictor(inspector)

    def moments(rows: Sequence[int]) -> PairMoments:
        """Of all known parts and of these."""
        return known + inspector.moments_of(training.select(rows), _unheard) if rows else known

    def predicted(rows: Sequence[int]) -> dict[int, Prediction]:
        return dict(zip(rows, predictor.predict(training.select(rows)), strict=True)) if rows else {}

    validation = further.parts.validation
    folds: list[int | None] = [None] * len(training)
    if validation is None:
        folds = _folds(training, [row for row in judged if good[row]], before.options.seed)
    numbers = sorted({fold for fold in folds if fold is not None})
    for done, fold in enumerate(numbers):
        progress("cross-validating", done, len(numbers))
        others = [row for row in learned_without(training, folds, fold) if good[row]]
        inspector.fit_moments(moments(others))
        found |= predicted([row for row, of in enumerate(folds) if of == fold])
    progress("cross-validating", len(numbers), len(numbers))
    of_all = moments([row for row, is_good in enumerate(good) if is_good])
    notes = inspector.fit_moments(of_all)
    if validation is None:
        found |= predicted([row for row in judged if not good[row]])
        rows = sorted(found)
        name = f"new parts, good ones scored by a fit without them ({counted(len(numbers), 'fold')})"
        scored = training.select(rows)
        answers, split = tuple(found[row] for row in rows), "cross-validation"
    else:
        name, split, scored = "validation pictures", "validation", validation
        answers = tuple(predictor.predict(validation))
    if isinstance(inspector, Calibrated):
        inspector.calibration = calibration
    defective = tuple(label not in before.record.ok_labels for label in scored.column("label"))
    return Scored(name, split, scored, answers, defective), notes, of_all


def _folds(training: Dataset, rows: Sequence[int], seed: int) -> list[int | None]:
    """The fold of each good part that may be held out; a single one is held out alone."""
    folds: list[int | None] = [None] * len(training)
    judged = training.select(rows)
    groups = set(judged.column("group"))
    count = min(FOLDS, len(rows), FOLDS if None in groups else len(groups))
    for row, fold in zip(rows, random_folds(judged, count, seed=seed) if count > 1 else [0] * len(rows), strict=True):
        folds[row] = fold
    return folds


def kept_decision(before: Before, scored: Scored, earlier: Mapping[str, float], folder: Path) -> Decided:
    """The threshold and calibration of the run before, or what the law of the distance gives now. earlier: distances by
    id, as the run before had them."""
    inspector, predictions = before.inspector, scored.predictions
    if isinstance(inspector, Calibrated) and inspector.calibration is not None:
        write_calibration(folder / MODEL, inspector.calibration)
        predictions = tuple(map(inspector.calibrated, predictions))
    if (of_law := inspector.limit_of_law()) is not None:
        return Decided(predictions, of_law, (), f"Threshold {of_law.fail_from:.4g}: {of_law.basis}")
    threshold = before.predictor.threshold
    if threshold is None:
        return Decided(predictions, None, (), f"No threshold: {before.run} has none; --decide again chooses one.")
    worth = _worth(threshold, predictions, scored.defective)
    moved = _moved(scored.predictions, earlier)
    basis = f"{threshold.basis.partition(_KEPT)[0]}{_KEPT} of {before.run}, {moved} {worth}"
    kept = replace(threshold, basis=basis, expected_cost=None)
    return Decided(predictions, kept, (), f"Threshold {kept.fail_from:.4g}: {basis}")


def _moved(predictions: Sequence[Prediction], earlier: Mapping[str, float]) -> str:
    """How the distances of the same good parts moved, none of which the fit had learned from before or after."""
    ratios = [one.distance / was for one in predictions if one.distance and (was := earlier.get(one.id))]
    if not ratios:
        return "with which distances moved."
    share = median(ratios)
    moved = f"with which the distances of new good parts moved to {100 * share:.0f} % in the median"
    if share >= _MUCH:
        return f"{moved}."
    return (
        f"{moved}: such a cut passes more parts than before, defective ones too. Choose it again by good and defective "
        "parts, with --decide again."
    )


def _worth(threshold: Threshold, predictions: Sequence[Prediction], defective: Sequence[bool]) -> str:
    """What a kept threshold does to the new parts."""
    verdicts = [verdict_of(one.defect_score or 0.0, threshold) for one in predictions]
    passed = [verdict is Verdict.PASS for verdict, bad in zip(verdicts, defective, strict=True) if not bad]
    escaped = [verdict is Verdict.PASS for verdict, bad in zip(verdicts, defective, strict=True) if bad]
    least = 1 - (at_most(len(passed) - sum(passed), len(passed)) or 0.0)
    sentences = []
    if passed:
        pass_ = "passes" if sum(passed) == 1 else "pass"
        sentences.append(
            f"Of {counted(len(passed), 'new good part')}, each scored by a fit that has not learned from it, "
            f"{sum(passed)} {pass_}: at least {percent_down(least)} of such, with 95 % confidence."
        )
    if escaped:
        most = at_most(sum(escaped), len(escaped)) or 0.0
        escape = "escapes" if sum(escaped) == 1 else "escape"
        sentences.append(
            f"Of {counted(len(escaped), 'defective part')} {sum(escaped)} {escape}: at most {percent_up(most)} of "
            "such, with 95 % confidence."
        )
    else:
        sentences.append("How many defective parts escape now is unknown: no defective part was given.")
    return " ".join(sentences)


def _unheard(doing: str, done: int, total: int) -> None:
    pass
