"""What is measured on whole pictures: names, rank of the defect score, calibration, and the threshold's decisions."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenpin.metrics import calibration, confusion, intervals, ranking
from kenpin.plural import counted, was_were
from kenpin.quality import bounds
from kenpin.records import JudgedExample, Measure, Threshold, Verdict

OK, NOT_OK = "OK", "not OK"
"""The labels of the confusion matrix of an inspector that scores parts but does not name what it sees."""

UNKNOWN = Measure(None)
FEW = 10  # parts of one kind, below which an interval by resampling is itself a guess

_VERDICTS = (Verdict.PASS, Verdict.REVIEW, Verdict.FAIL)
_CLAIM = 0.01  # an escape rate that is commonly asked for


def score_of(part: JudgedExample) -> float | None:
    """The part's defect score; NaN is none."""
    score = part.prediction.defect_score
    return None if score is None or math.isnan(score) else score


def named(
    judged: Sequence[JudgedExample], labels: Sequence[str], threshold: Threshold | None, notes: list[str]
) -> tuple[tuple[str, ...], list[str], list[str]]:
    """Labels, true names and given names: the inspector's own, or OK and not OK at the threshold."""
    if any(part.prediction.label is not None for part in judged):
        pairs = [(part.label, part.prediction.label) for part in judged]
        known = [(true, said) for true, said in pairs if true is not None and said is not None]
        if len(known) < len(judged):
            notes.append(
                f"{counted(len(judged) - len(known), 'picture')} got no class and {was_were(len(judged) - len(known))} "
                "left out of accuracy and confusion."
            )
        return tuple(labels), [true for true, _ in known], [said for _, said in known]
    if threshold is None:
        notes.append("The inspector gives only scores and there is no threshold, so how often it is right is unknown.")
    elif threshold.review_from is not None:
        notes.append("Accuracy and confusion count a part in the review band as OK; the verdicts say where it goes.")
    return (OK, NOT_OK), *sides(judged, threshold)


def sides(judged: Sequence[JudgedExample], threshold: Threshold | None) -> tuple[list[str], list[str]]:
    """True and stated side of each scored part, OK or not OK, a part in the review band being OK."""
    if threshold is None:
        return [], []
    scored = [part for part in judged if score_of(part) is not None]
    known = [(part.defective, part.verdict is Verdict.FAIL) for part in scored if part.defective is not None]
    words = (OK, NOT_OK)
    return [words[true] for true, _ in known], [words[said] for _, said in known]


def measured(value: float | None, interval: tuple[float, float] | None) -> Measure:
    """A value with its interval, where there is one."""
    return Measure(value, *(interval or (None, None))) if value is not None else UNKNOWN


def naming_measures(counts: NDArray[np.int64], names: Sequence[str], seed: int, notes: list[str]) -> dict[str, Measure]:
    """Accuracy, balanced accuracy and mean F1 of a confusion matrix."""
    total, right = int(counts.sum()), int(np.trace(counts))
    measures = {"accuracy": measured(right / total, intervals.wilson(right, total)) if total else UNKNOWN}
    for name, measure in (("balanced_accuracy", confusion.balanced_accuracy), ("macro_f1", confusion.macro_f1)):
        value = float(measure(counts))
        interval = intervals.confusion_interval(measure, counts, seed=seed)
        measures[name] = UNKNOWN if math.isnan(value) else measured(value, interval)
    absent = [name for name, count in zip(names, counts.sum(1), strict=True) if count == 0]
    if total and absent:
        notes.append(f"No picture is labelled {' or '.join(absent)}: how well such parts are found is unknown.")
    return measures


def ranking_measures(
    judged: Sequence[JudgedExample],
    has_ok: bool,
    seed: int,
    curves: dict[str, ranking.Curve],
    notes: list[str],
) -> dict[str, Measure]:
    """AUROC and average precision of the defect score, with their curves."""
    pairs = [(part.defective, score_of(part)) for part in judged]
    known = [(defective, score) for defective, score in pairs if defective is not None and score is not None]
    defective, scores = np.array([d for d, _ in known], bool), np.array([s for _, s in known], np.float64)
    of_each = int((~defective).sum()), int(defective.sum())
    if not has_ok:
        notes.append(
            "No class is marked as OK, so no part counts as defective: there is no AUROC and no verdict is scored."
        )
    elif not all(of_each):
        notes.append(
            f"AUROC and average precision need scored OK and defective parts; there are {of_each[0]} and {of_each[1]}."
        )
    elif min(of_each) < FEW:
        notes.append(
            f"There are only {of_each[0]} OK and {counted(of_each[1], 'defective part')}: the intervals by resampling "
            "are rough."
        )
    measures = {}
    for name, measure, of_counts in (
        ("auroc", ranking.auroc, ranking.auroc_of_counts),
        ("average_precision", ranking.average_precision, ranking.average_precision_of_counts),
    ):
        interval = intervals.ranking_interval(of_counts, defective, scores, seed=seed)
        measures[name] = measured(measure(defective, scores), interval)
    if measures["auroc"].value == 1.0:
        notes.append(
            "The score separates these parts perfectly, so resampling cannot show how far chance could change it."
        )
    if all(of_each):
        curves["roc"] = ranking.roc_curve(defective, scores)
        curves["precision_recall"] = ranking.precision_recall_curve(defective, scores)
    return measures


def calibration_measures(
    judged: Sequence[JudgedExample], ok_labels: Sequence[str], seed: int, curves: dict[str, ranking.Curve]
) -> dict[str, Measure]:
    """Calibration of the probability of a defect, also as it was before it was calibrated, and of the name given; a
    distance has none."""
    known = [(part, part.prediction.probabilities) for part in judged if part.prediction.probabilities]
    sides = [
        (1.0 - sum(chances[label] for label in ok_labels if label in chances), part.defective)
        for part, chances in known
        if part.defective is not None and not chances.keys().isdisjoint(ok_labels)
    ]
    moved = [
        (part.prediction, part.defective)
        for part in judged
        if part.prediction.uncalibrated_score is not None and part.defective is not None
    ]
    if moved and not sides:
        sides = [(said.defect_score or 0.0, defective) for said, defective in moved]
    before = [(said.uncalibrated_score or 0.0, defective) for said, defective in moved if said.distance is None]
    tops = [(max(chances.values()), max(chances, key=chances.__getitem__) == part.label) for part, chances in known]
    measures = {}
    for name, curve, pairs in (
        ("calibration_error", "reliability", sides),
        ("calibration_error_before", "reliability_before", before),
        ("top_label_calibration_error", None, tops),
    ):
        if not pairs and name == "calibration_error_before":
            continue
        stated, happened = np.array([p for p, _ in pairs], np.float64), np.array([h for _, h in pairs], bool)
        error = calibration.calibration_error(stated, happened)
        measures[name] = measured(error, calibration.calibration_interval(stated, happened, seed=seed))
        if curve is not None and pairs:
            curves[curve] = calibration.reliability_curve(stated, happened)
    return measures


def decision_measures(
    judged: Sequence[JudgedExample], threshold: Threshold | None, seed: int, notes: list[str]
) -> dict[str, Measure]:
    """Escapes, overkills and reviews with exact intervals, and what they cost."""
    if threshold is None:
        notes.append("No threshold was given, so no part was passed or failed.")
    # rows OK and defective; columns PASS, REVIEW, FAIL
    counts = np.zeros((2, 3), np.int64)
    for part in judged:
        if part.verdict is not None and part.defective is not None:
            counts[int(part.defective), _VERDICTS.index(part.verdict)] += 1
    ok, defective = (int(total) for total in counts.sum(1))
    escapes, overkills, reviews = int(counts[1, 0]), int(counts[0, 2]), int(counts[:, 1].sum())
    measures = {
        name: measured(events / parts, bounds.clopper_pearson(events, parts)) if parts else UNKNOWN
        for name, events, parts in (
            ("escape_rate", escapes, defective),
            ("overkill_rate", overkills, ok),
            ("review_rate", reviews, ok + defective),
        )
    }
    measures["escape_rate_at_most"] = Measure(bounds.at_most(escapes, defective))
    measures["overkill_rate_at_most"] = Measure(bounds.at_most(overkills, ok))
    measures["cost_per_part"] = _cost_per_part(counts, threshold, seed)
    if defective and not escapes:
        needed = bounds.parts_needed(_CLAIM)
        if defective < needed:
            notes.append(
                f"To prove an escape rate of at most {_CLAIM * 100:.0f} % (one-sided 95 %), "
                f"{counted(needed, 'defective part')} must be judged without an escape; there {was_were(defective)} "
                f"{defective}."
            )
    return measures


def _cost_per_part(counts: NDArray[np.int64], threshold: Threshold | None, seed: int) -> Measure:
    """Mean cost of a part with these verdicts, at the threshold's defect rate (None: the sample's)."""
    ok, defective = (int(total) for total in counts.sum(1))
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None or not (ok and defective):
        return UNKNOWN
    if counts[:, 1].any() and threshold.cost_review is None:
        return UNKNOWN  # a part without a score is reviewed, and nobody said what that costs
    rate = threshold.defect_rate if threshold.defect_rate is not None else defective / (ok + defective)
    review = threshold.cost_review or 0.0
    costs = np.array([[0.0, review, threshold.cost_overkill], [threshold.cost_escape, review, 0.0]])
    weights = costs * np.array([[(1 - rate) / ok], [rate / defective]])

    def mean_cost(tables: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray((tables * weights).sum((-2, -1)), np.float64)

    return measured(float(mean_cost(counts)), intervals.confusion_interval(mean_cost, counts, seed=seed))
