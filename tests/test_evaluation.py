"""One evaluation for inspectors that name and for those that only score; undefined stays None; JSON is exact."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data.dataset import Dataset
from kenpin.data.lineage import Lineage
from kenpin.errors import DatasetError, LabelError, OptionError, RunError
from kenpin.evaluation import NOT_OK, OK, evaluate, summarise
from kenpin.quality import bounds
from kenpin.records import Detections, Evaluation, Example, ImageSource, Measure, Prediction, Threshold, Verdict
from kenpin.records_json import evaluation_from_json, evaluation_to_json, from_json, to_json
from kenpin.targets import Target

LABELS = ("good", "不良", "scratch, deep")
CUT = Threshold(0.5, 0.3, "chosen by hand", cost_escape=100.0, cost_overkill=2.0, cost_review=1.0)


def example(number: int, label: str | None, split: str | None = "test") -> Example:
    return Example(id=f"{number}.png", image=ImageSource(path=f"/parts/{number}.png"), label=label, split=split)


def named(number: int, label: str, defect_score: float | None) -> Prediction:
    chance = 0.0 if defect_score is None else defect_score
    chances = {"good": 1 - chance, "不良": chance * 0.75, "scratch, deep": chance * 0.25}
    return Prediction(f"{number}.png", label=label, probabilities=chances, defect_score=defect_score)


class Script:
    """An inspector that says what it was told to."""

    def __init__(
        self, predictions: Sequence[Prediction], labels: tuple[str, ...] = LABELS, target: Target = Target.LABEL
    ) -> None:
        self.labels = labels
        self.target = target
        self.lineage: Lineage | None = None
        self.predictions = {prediction.id: prediction for prediction in predictions}
        self.asked: list[str] = []

    def predict(self, dataset: Dataset) -> Iterator[Prediction]:
        for part in dataset:
            self.asked.append(part.id)
            yield self.predictions[part.id]


EXAMPLES = [
    example(0, "good"),
    example(1, "good"),
    example(2, "good"),
    example(3, "不良"),
    example(4, "不良"),
    example(5, "scratch, deep"),
]
PREDICTIONS = [
    named(0, "good", 0.1),
    named(1, "good", 0.35),
    named(2, "不良", 0.6),
    named(3, "不良", 0.9),
    named(4, "good", 0.2),
    named(5, "不良", 0.4),
]


def classified(**change: Any) -> Evaluation:
    options: dict[str, Any] = {"ok_labels": ["good"], "threshold": CUT, "split": "test", **change}
    return evaluate(Script(PREDICTIONS), Dataset.from_examples(EXAMPLES, classes=LABELS), **options)


def test_a_classifier_by_hand() -> None:
    result = classified()
    assert result.labels == LABELS
    assert result.confusion == ((2, 1, 0), (1, 1, 0), (0, 1, 0))
    assert result.measures["accuracy"].value == 0.5
    assert result.measures["balanced_accuracy"].value == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)
    assert result.per_class["scratch, deep"].precision is None
    assert result.per_class["scratch, deep"].recall == 0.0
    assert result.measures["auroc"].value == pytest.approx(6 / 9)
    verdicts = [part.verdict for part in result.judged]
    assert verdicts == [Verdict.PASS, Verdict.REVIEW, Verdict.FAIL, Verdict.FAIL, Verdict.PASS, Verdict.REVIEW]
    assert result.measures["escape_rate"] == Measure(1 / 3, *(bounds.clopper_pearson(1, 3) or ()))
    assert result.measures["escape_rate_at_most"].value == bounds.at_most(1, 3)
    assert result.measures["overkill_rate"].value == pytest.approx(1 / 3)
    assert result.measures["review_rate"].value == pytest.approx(2 / 6)
    assert result.measures["cost_per_part"].value == pytest.approx((100 + 2 + 1 + 1) / 6)
    assert result.measures["calibration_error"].value == pytest.approx((0.1 + 0.8 + 0.35 + 0.6 + 0.1 + 0.6) / 6)
    assert set(result.curves) == {"roc", "precision_recall", "reliability"}
    assert any("rough" in note for note in result.notes)


def test_every_interval_holds_its_value() -> None:
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 3, 90)
    scores = np.clip(generator.normal(0.3 + 0.3 * (truth > 0), 0.2), 0, 1)
    examples = [example(i, LABELS[label]) for i, label in enumerate(truth)]
    predictions = [
        named(i, LABELS[label] if generator.random() < 0.7 else "good", float(scores[i]))
        for i, label in enumerate(truth)
    ]
    result = summarise(examples, predictions, labels=LABELS, ok_labels=["good"], threshold=CUT, split="test")
    with_interval = {name: measure for name, measure in result.measures.items() if measure.low is not None}
    assert {"accuracy", "macro_f1", "auroc", "average_precision", "escape_rate", "cost_per_part"} <= set(with_interval)
    for name, measure in with_interval.items():
        assert measure.low is not None, name
        assert measure.value is not None, name
        assert measure.high is not None, name
        assert measure.low < measure.value < measure.high, name
    again = summarise(examples, predictions, labels=LABELS, ok_labels=["good"], threshold=CUT, split="test")
    assert again == result
    other = summarise(examples, predictions, labels=LABELS, ok_labels=["good"], threshold=CUT, split="test", seed=1)
    assert other.measures["auroc"].low != result.measures["auroc"].low


def test_costs_are_weighed_with_the_defect_rate_of_production() -> None:
    rare = classified(threshold=replace(CUT, defect_rate=0.01))
    expected = 0.01 * (100 + 1) / 3 + 0.99 * (2 + 1) / 3
    assert rare.measures["cost_per_part"].value == pytest.approx(expected)


def test_a_unit_space_is_scored_on_ok_and_not_ok() -> None:
    distances = [0.8, 1.1, 4.0, 9.0, 0.9, 3.5]
    predictions = [Prediction(f"{i}.png", defect_score=score, distance=score) for i, score in enumerate(distances)]
    dataset = Dataset.from_examples(EXAMPLES, classes=LABELS)
    inspector = Script(predictions, labels=())
    cut = Threshold(3.0, None, "0.99 quantile of good parts")
    result = evaluate(inspector, dataset, ok_labels=["good"], threshold=cut, split=None)
    assert result.split == "all"
    assert result.labels == (OK, NOT_OK)
    assert result.confusion == ((2, 1), (1, 2))
    assert result.measures["accuracy"].value == pytest.approx(4 / 6)
    assert result.measures["auroc"].value == pytest.approx(6 / 9)
    assert result.measures["calibration_error"] == Measure(None)
    assert result.measures["cost_per_part"] == Measure(None)
    assert "reliability" not in result.curves
    without = evaluate(inspector, dataset, ok_labels=["good"], threshold=None, split=None)
    assert without.measures["accuracy"] == Measure(None)
    assert without.measures["escape_rate"] == Measure(None)
    assert without.measures["auroc"].value == pytest.approx(6 / 9)
    assert any("no threshold" in note for note in without.notes)


def test_one_kind_of_part_leaves_ranking_undefined_and_says_so() -> None:
    result = summarise(EXAMPLES[:3], PREDICTIONS[:3], labels=LABELS, ok_labels=["good"], threshold=CUT, split="test")
    assert result.measures["auroc"] == result.measures["average_precision"] == Measure(None)
    assert result.measures["balanced_accuracy"] == result.measures["escape_rate"] == Measure(None)
    assert "roc" not in result.curves
    assert any("there are 3 and 0" in note for note in result.notes)
    assert any("不良" in note for note in result.notes)


def test_without_an_ok_label_there_is_no_question_of_defects() -> None:
    result = classified(ok_labels=[])
    assert result.measures["accuracy"].value == 0.5
    assert result.measures["auroc"] == result.measures["escape_rate"] == Measure(None)
    assert all(part.defective is None for part in result.judged)
    assert any("No class is marked as OK" in note for note in result.notes)


@pytest.mark.parametrize("score", [None, math.nan])
def test_a_part_without_a_score_is_reviewed_and_kept_out_of_the_ranking(score: float | None) -> None:
    predictions = [*PREDICTIONS[:5], named(5, "不良", None)]
    predictions[5] = replace(predictions[5], defect_score=score)
    result = summarise(EXAMPLES, predictions, labels=LABELS, ok_labels=["good"], threshold=CUT, split="test")
    assert result.judged[5].verdict is Verdict.REVIEW
    assert result.measures["auroc"].value == pytest.approx(4 / 6)
    assert any(note.startswith("1 picture got no score") for note in result.notes)


def test_zero_escapes_come_with_the_number_of_parts_it_would_take() -> None:
    predictions = [*PREDICTIONS[:4], named(4, "不良", 0.7), PREDICTIONS[5]]
    result = summarise(EXAMPLES, predictions, labels=LABELS, ok_labels=["good"], threshold=CUT, split="test")
    assert result.measures["escape_rate"].value == 0.0
    assert any("299 defective parts" in note for note in result.notes)


def test_unlabelled_pictures_are_left_out_before_predicting_and_counted() -> None:
    examples = [*EXAMPLES, example(6, None), example(7, None), example(8, "good", split="train")]
    inspector = Script(PREDICTIONS)
    dataset = Dataset.from_examples(examples, classes=LABELS)
    result = evaluate(inspector, dataset, ok_labels=["good"], threshold=CUT, split="test")
    assert inspector.asked == [part.id for part in EXAMPLES]
    assert result.notes[0] == "2 pictures without a label were left out."


def test_labels_unknown_to_the_inspector_are_named() -> None:
    dataset = Dataset.from_examples([*EXAMPLES, example(6, "dent")])
    with pytest.raises(LabelError, match=r"\['dent'\]"):
        evaluate(Script(PREDICTIONS), dataset, ok_labels=["good"], threshold=None, split=None)


def test_an_ok_label_that_occurs_nowhere_and_an_empty_split_are_refused() -> None:
    with pytest.raises(OptionError, match="goood"):
        classified(ok_labels=["goood"])
    with pytest.raises(DatasetError, match="no split 'val'; there are test"):
        classified(split="val")


@pytest.mark.parametrize("wrong", [PREDICTIONS[:5], [*PREDICTIONS, named(9, "good", 0.1)], PREDICTIONS[::-1]])
def test_predictions_that_do_not_match_are_refused(wrong: list[Prediction]) -> None:
    with pytest.raises(RunError, match="the inspector answered"):
        summarise(EXAMPLES, wrong, labels=LABELS, ok_labels=["good"], threshold=None, split="test")


def through_json(evaluation: Evaluation) -> Evaluation:
    return evaluation_from_json(json.loads(json.dumps(evaluation_to_json(evaluation), allow_nan=False)))


def test_json_is_exact() -> None:
    result = classified(threshold=Threshold(math.inf, -math.inf, "“quoted”, 不良"))
    assert through_json(result) == result
    boxes = Detections(((1.0, 2.0, 3.5, 4.25),), ("不良",), (0.1,), crowd=(True,))
    prediction = Prediction("a", detections=boxes, contributions={"x": 1e-300})
    assert from_json(Prediction, json.loads(json.dumps(to_json(prediction))), "a") == prediction


@given(st.floats(allow_nan=False), st.none() | st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_any_threshold_survives_json(fail_from: float, cost: float | None, basis: str) -> None:
    threshold = Threshold(fail_from, None, basis, cost_escape=cost)
    assert from_json(Threshold, json.loads(json.dumps(to_json(threshold), allow_nan=False)), "t") == threshold


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"schema": 99}, "schema is 99"),
        ({"split": 3}, r"evaluation.json.split: 3 is not"),
        ({"extra": 3}, r"\['extra'\]"),
        ({"confusion": [[1, "a"]]}, r"confusion\[0\]\[1\]: 'a'"),
        ({"measures": {"auroc": [1]}}, r"measures.auroc: \[1\] is not of type Measure"),
        ({"threshold": {**to_json(CUT), "fail_from": True}}, "threshold.fail_from: True is not"),
    ],
)
def test_damaged_json_is_refused_with_its_place(damage: dict[str, Any], message: str) -> None:
    with pytest.raises(RunError, match=message):
        evaluation_from_json({**evaluation_to_json(classified()), **damage})


def test_bytes_have_no_json_form() -> None:
    with pytest.raises(TypeError, match="bytes"):
        to_json(ImageSource(data=b"x"))
