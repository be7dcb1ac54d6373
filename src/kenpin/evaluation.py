"""Evaluation: what an inspector says of labelled pictures, measured against what they are."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset, content_hashes
from kenpin.errors import DatasetError, LabelError, OptionError, RunError
from kenpin.metrics import calibration, confusion, intervals, ranking
from kenpin.quality import bounds
from kenpin.quality.threshold import judge
from kenpin.records import (
    Evaluation,
    Example,
    JudgedExample,
    Measure,
    Prediction,
    Threshold,
    Verdict,
)

OK, NOT_OK = "OK", "not OK"
"""The labels of the confusion matrix of an inspector that scores parts but does not name what it sees."""

Curve = ranking.Curve
_VERDICTS = (Verdict.PASS, Verdict.REVIEW, Verdict.FAIL)
_UNKNOWN = Measure(None)
_FEW = 10  # parts of one kind, below which an interval by resampling is itself a guess
_CLAIM = 0.01  # an escape rate that is commonly asked for


class Predicts(Protocol):
    """An inspector: the labels it can name, in order (none for one that only scores), and what it says of pictures."""

    @property
    def labels(self) -> tuple[str, ...]: ...

    @property
    def trained_on(self) -> frozenset[str]:
        """Content hashes of the pictures it learned from; empty where they are not known."""
        ...

    def predict(self, dataset: Dataset) -> Iterator[Prediction]:
        """One prediction for each example, in their order."""
        ...


def evaluate(
    predictor: Predicts,
    dataset: Dataset,
    *,
    ok_labels: Sequence[str],
    threshold: Threshold | None,
    split: str | None,
    seed: int = 0,
) -> Evaluation:
    """Let the inspector judge the labelled examples of a split (None: of all) and measure the outcome.

    Examples without a label are left out and counted in the notes. Raises DatasetError when nothing is left,
    LabelError for labels that the inspector does not know, OptionError when no OK label occurs anywhere.
    """
    chosen = dataset if split is None else dataset.of_split(split)
    labels = chosen.column("label")
    labelled = chosen.select(i for i, label in enumerate(labels) if label is not None)
    if not len(labelled):
        place = dataset.root or "the data set"
        raise DatasetError(
            f"{place}: no labelled picture is in {'it' if split is None else f'split {split}'}; "
            f"its splits are {list(dataset.splits)}. Choose another split or add labels."
        )
    occurring = set(labels) - {None}
    unknown = sorted(occurring - set(predictor.labels)) if predictor.labels else []
    if unknown:
        raise LabelError(
            f"{dataset.root or 'the data set'}: the labels {unknown} are unknown to the inspector, which knows "
            f"{list(predictor.labels)}. Rename them, leave their pictures out, or train again."
        )
    if ok_labels and not set(ok_labels) & (occurring | set(predictor.labels)):
        raise OptionError(
            f"none of the OK labels {list(ok_labels)} occurs; name one of {sorted(occurring | set(predictor.labels))}."
        )
    notes = []
    if left_out := len(chosen) - len(labelled):
        notes.append(f"{_count(left_out, 'picture')} without a label {_was(left_out)} left out.")
    if predictor.trained_on and (seen := len(predictor.trained_on & content_hashes(labelled))):
        notes.append(
            f"{_count(seen, 'picture')} of these {_was(seen)} trained on: the figures flatter. Evaluate on others."
        )
    return summarise(
        labelled,
        predictor.predict(labelled),
        labels=predictor.labels,
        ok_labels=ok_labels,
        threshold=threshold,
        split=split or "all",
        seed=seed,
        notes=notes,
    )


def summarise(
    examples: Iterable[Example],
    predictions: Iterable[Prediction],
    *,
    labels: Sequence[str],
    ok_labels: Sequence[str],
    threshold: Threshold | None,
    split: str,
    seed: int = 0,
    notes: Sequence[str] = (),
) -> Evaluation:
    """Everything measured on labelled examples and their predictions, in the same order.

    An inspector that names labels is scored on the names; one that only scores, on OK against not OK at the
    threshold's `fail_from`. AUROC and average precision always come from the defect score. What cannot be computed is
    None, and a note says why; `notes` come before these. Raises RunError when predictions and examples do not match.
    """
    notes = list(notes)
    judged = _judged(examples, predictions, frozenset(ok_labels), threshold)
    unscored = sum(_score(part) is None for part in judged)
    if unscored:
        notes.append(
            f"{_count(unscored, 'picture')} got no score; where there is a threshold a person must look at them."
        )

    names, truth, said = _named(judged, labels, threshold, notes)
    counts = confusion.confusion_matrix(truth, said, names)
    curves: dict[str, Curve] = {}
    measures = _naming_measures(counts, names, seed, notes)
    measures |= _ranking_measures(judged, bool(ok_labels), seed, curves, notes)
    measures |= _calibration_measures(judged, ok_labels, curves)
    measures |= _decision_measures(judged, threshold, seed, notes)
    return Evaluation(
        split=split,
        labels=names,
        ok_labels=tuple(ok_labels),
        measures=measures,
        per_class=dict(zip(names, confusion.class_scores(counts), strict=True)),
        confusion=tuple(tuple(int(count) for count in row) for row in counts),
        curves=curves,
        threshold=threshold,
        judged=judged,
        notes=tuple(notes),
    )


def _judged(
    examples: Iterable[Example],
    predictions: Iterable[Prediction],
    ok_labels: frozenset[str],
    threshold: Threshold | None,
) -> tuple[JudgedExample, ...]:
    parts = []
    said = iter(predictions)
    for example in examples:
        prediction = next(said, None)
        if prediction is None or prediction.id != example.id:
            found = "nothing" if prediction is None else prediction.id
            raise RunError(
                f"the inspector answered {found} for picture {example.id}; it must answer each in its order."
            )
        parts.append(
            JudgedExample(
                id=example.id,
                path=example.image.path,
                label=example.label,
                defective=example.label not in ok_labels if ok_labels and example.label is not None else None,
                prediction=prediction,
                verdict=None if threshold is None else judge(prediction, threshold).verdict,
            )
        )
    extra = next(said, None)
    if extra is not None:
        raise RunError(f"the inspector answered {extra.id} after the last picture; it must answer each once.")
    return tuple(parts)


def _score(part: JudgedExample) -> float | None:
    score = part.prediction.defect_score
    return None if score is None or math.isnan(score) else score


def _named(
    judged: Sequence[JudgedExample], labels: Sequence[str], threshold: Threshold | None, notes: list[str]
) -> tuple[tuple[str, ...], list[str], list[str]]:
    """Labels, true names and given names: the inspector's own, or OK and not OK at the threshold."""
    if any(part.prediction.label is not None for part in judged):
        pairs = [(part.label, part.prediction.label) for part in judged]
        known = [(true, said) for true, said in pairs if true is not None and said is not None]
        if len(known) < len(judged):
            notes.append(
                f"{_count(len(judged) - len(known), 'picture')} got no name and {_was(len(judged) - len(known))} "
                "left out of accuracy and confusion."
            )
        return tuple(labels), [true for true, _ in known], [said for _, said in known]
    if threshold is None:
        notes.append(
            "The inspector gives scores only and there is no threshold, so nothing says how often it is right."
        )
        return (OK, NOT_OK), [], []
    if threshold.review_from is not None:
        notes.append("Accuracy and confusion count a part in the review band as OK; the verdicts say where it goes.")
    scored = [(part.defective, score) for part in judged if (score := _score(part)) is not None]
    known_sides = [(defective, score >= threshold.fail_from) for defective, score in scored if defective is not None]
    words = (OK, NOT_OK)
    return words, [words[true] for true, _ in known_sides], [words[said] for _, said in known_sides]


def _measure(value: float | None, interval: tuple[float, float] | None) -> Measure:
    return Measure(value, *(interval or (None, None))) if value is not None else _UNKNOWN


def _naming_measures(
    counts: NDArray[np.int64], names: Sequence[str], seed: int, notes: list[str]
) -> dict[str, Measure]:
    total, right = int(counts.sum()), int(np.trace(counts))
    measures = {"accuracy": _measure(right / total, intervals.wilson(right, total)) if total else _UNKNOWN}
    for name, measure in (("balanced_accuracy", confusion.balanced_accuracy), ("macro_f1", confusion.macro_f1)):
        value = float(measure(counts))
        interval = intervals.confusion_interval(measure, counts, seed=seed)
        measures[name] = _UNKNOWN if math.isnan(value) else _measure(value, interval)
    absent = [name for name, count in zip(names, counts.sum(1), strict=True) if count == 0]
    if total and absent:
        notes.append(f"No picture is {' or '.join(absent)}: nothing is known of how well such parts are found.")
    return measures


def _ranking_measures(
    judged: Sequence[JudgedExample],
    has_ok: bool,
    seed: int,
    curves: dict[str, Curve],
    notes: list[str],
) -> dict[str, Measure]:
    """AUROC and average precision of the defect score, with their curves."""
    pairs = [(part.defective, _score(part)) for part in judged]
    known = [(defective, score) for defective, score in pairs if defective is not None and score is not None]
    defective, scores = np.array([d for d, _ in known], bool), np.array([s for _, s in known], np.float64)
    of_each = int((~defective).sum()), int(defective.sum())
    if not has_ok:
        notes.append(
            "No label was named as OK, so there is no question of defective or not: no AUROC, no verdicts scored."
        )
    elif not all(of_each):
        notes.append(
            f"AUROC and average precision need scored OK and defective parts; there are {of_each[0]} and {of_each[1]}."
        )
    elif min(of_each) < _FEW:
        notes.append(f"Only {of_each[0]} OK and {of_each[1]} defective parts: the intervals by resampling are rough.")
    measures = {}
    for name, measure, of_counts in (
        ("auroc", ranking.auroc, ranking.auroc_of_counts),
        ("average_precision", ranking.average_precision, ranking.average_precision_of_counts),
    ):
        interval = intervals.ranking_interval(of_counts, defective, scores, seed=seed)
        measures[name] = _measure(measure(defective, scores), interval)
    if measures["auroc"].value == 1.0:
        notes.append(
            "The score separates these parts perfectly, so resampling cannot tell how far chance could move it."
        )
    if all(of_each):
        curves["roc"] = ranking.roc_curve(defective, scores)
        curves["precision_recall"] = ranking.precision_recall_curve(defective, scores)
    return measures


def _calibration_measures(
    judged: Sequence[JudgedExample], ok_labels: Sequence[str], curves: dict[str, Curve]
) -> dict[str, Measure]:
    """Calibration of the probability of not being OK and of the name given; a distance has none."""
    known = [(part, part.prediction.probabilities) for part in judged if part.prediction.probabilities]
    sides = [
        (1.0 - sum(chances[label] for label in ok_labels if label in chances), part.defective)
        for part, chances in known
        if part.defective is not None and not chances.keys().isdisjoint(ok_labels)
    ]
    tops = [(max(chances.values()), max(chances, key=chances.__getitem__) == part.label) for part, chances in known]
    measures = {}
    for name, pairs in (("calibration_error", sides), ("top_label_calibration_error", tops)):
        stated, happened = np.array([p for p, _ in pairs], np.float64), np.array([h for _, h in pairs], bool)
        measures[name] = Measure(calibration.calibration_error(stated, happened))
        if name == "calibration_error" and pairs:
            curves["reliability"] = calibration.reliability_curve(stated, happened)
    return measures


def _decision_measures(
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
        name: _measure(events / parts, bounds.clopper_pearson(events, parts)) if parts else _UNKNOWN
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
                f"To claim an escape rate of at most {_CLAIM * 100:.0f} % with 95 % confidence, {needed} defective "
                f"parts must be judged without an escape; here were {defective}."
            )
    return measures


def _cost_per_part(counts: NDArray[np.int64], threshold: Threshold | None, seed: int) -> Measure:
    """Mean cost of a part with these verdicts, at the threshold's defect rate (None: the sample's)."""
    ok, defective = (int(total) for total in counts.sum(1))
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None or not (ok and defective):
        return _UNKNOWN
    if counts[:, 1].any() and threshold.cost_review is None:
        return _UNKNOWN  # a part without a score is reviewed, and nobody said what that costs
    rate = threshold.defect_rate if threshold.defect_rate is not None else defective / (ok + defective)
    review = threshold.cost_review or 0.0
    costs = np.array([[0.0, review, threshold.cost_overkill], [threshold.cost_escape, review, 0.0]])
    weights = costs * np.array([[(1 - rate) / ok], [rate / defective]])

    def mean_cost(tables: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray((tables * weights).sum((-2, -1)), np.float64)

    return _measure(float(mean_cost(counts)), intervals.confusion_interval(mean_cost, counts, seed=seed))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _was(number: int) -> str:
    return "was" if number == 1 else "were"
