"""An inspector that gives boxes is measured on its boxes and on whole pictures, and the outcome is printed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.cli import _show
from kenpin.data.dataset import Dataset
from kenpin.errors import DatasetError, LabelError, OptionError, RunError
from kenpin.evaluation import evaluate, summarise
from kenpin.metrics.average_precision import average_precision
from kenpin.quality import bounds
from kenpin.records import Box, Detections, Evaluation, Example, ImageSource, Measure, Prediction, Threshold, Verdict
from kenpin.records_json import evaluation_from_json, evaluation_to_json
from kenpin.targets import Target
from tests.builders import write_picture
from tests.detections import a_split
from tests.test_evaluation import Script

LABELS = ("傷", "solder-bridge", "scale mark")
CUT = Threshold(0.5, None, "By hand")


def at(x: float, side: float = 10) -> Box:
    return (x, 0.0, x + side, side)


def picture(number: int, boxes: Detections | None, **fields: Any) -> Example:
    image = ImageSource(path=f"/parts/{number}.png")
    return Example(f"{number}.png", image, split="test", boxes=boxes, **{"size_wh": (400, 300), **fields})


def answer(number: int, *rows: tuple[str, Box, float], rejected: tuple[str, ...] = ()) -> Prediction:
    boxes = Detections(
        tuple(box for _, box, _ in rows), tuple(label for label, _, _ in rows), tuple(s for *_, s in rows)
    )
    best = max((score for *_, score in rows), default=0.0)
    return Prediction(f"{number}.png", defect_score=best, detections=boxes, rejected=rejected)


def true(*rows: tuple[str, Box], crowd: tuple[bool, ...] | None = None) -> Detections:
    return Detections(tuple(box for _, box in rows), tuple(label for label, _ in rows), crowd=crowd)


EXAMPLES = [
    picture(0, true(("傷", at(0)), ("solder-bridge", at(100)))),
    picture(1, Detections()),
    picture(2, true(("scale mark", at(50)))),  # no defect
    picture(3, true(("傷", at(0)))),
    picture(4, None),
    picture(5, Detections()),
]
ANNOTATED = [example for example in EXAMPLES if example.boxes is not None]
ANSWERS = [
    answer(0, ("傷", at(1), 0.9), ("傷", at(101), 0.8), ("solder-bridge", at(300), 0.1)),
    answer(1, ("傷", at(0), 0.7)),
    answer(2, ("scale mark", at(50), 0.3)),
    answer(3, rejected=("<loc_1><loc_2>", "傷<loc_7>")),
    answer(5),
]


def evaluated(**change: Any) -> Evaluation:
    options: dict[str, Any] = {"ok_labels": ["scale mark"], "threshold": CUT, "split": "test", **change}
    inspector = Script(options.pop("answers", ANSWERS), LABELS, target=Target.BOXES)
    return evaluate(inspector, Dataset.from_examples(options.pop("examples", EXAMPLES), classes=LABELS), **options)


def test_boxes_by_hand() -> None:
    result = evaluated()
    value = {name: measure.value for name, measure in result.measures.items()}
    # from 0.3 on: 2 right, 2 wrong, 2 missed, which no other cut beats
    assert value["score_cut"] == 0.3
    assert value["box_precision"] == pytest.approx(2 / 4)
    assert value["box_recall"] == pytest.approx(2 / 4)
    assert value["box_f1"] == pytest.approx(2 * 2 / (4 + 4))
    assert value["missed_boxes_per_picture"] == pytest.approx(2 / 5)
    assert value["false_alarms_per_picture"] == pytest.approx(2 / 5)
    assert value["rejected_pieces"] == 2
    assert result.labels == (*LABELS, "background")
    assert result.confusion == (
        (1, 0, 0, 1),
        (1, 0, 0, 0),
        (0, 0, 1, 0),
        (1, 0, 0, 0),
    )
    assert result.target == "boxes"
    assert list(result.per_class) == list(LABELS)
    scratch = result.per_class["傷"]
    assert scratch.support == 2
    assert (scratch.precision, scratch.recall) == pytest.approx((1 / 3, 1 / 2))
    assert result.per_class["solder-bridge"].precision is None
    # boxes of 10 by 10 that are off by 1 share 90 of 110: enough for 7 of the 10 overlaps
    assert scratch.average_precision == pytest.approx(0.7 * 51 / 101)
    assert scratch.average_precision_50 == pytest.approx(51 / 101)  # found at recalls 0, 0.01, …, 0.50
    assert scratch.curve[0] == (0.5, 1.0)
    assert result.judged[0].boxes is not None
    assert result.judged[0].boxes.found == (True, False)
    assert result.judged[0].boxes.right == (True, False, None)
    assert result.judged[0].boxes.size_wh == (400, 300)


def test_whole_pictures_are_judged_by_their_boxes() -> None:
    result = evaluated()
    assert [part.id for part in result.judged] == [example.id for example in ANNOTATED]
    assert [part.defective for part in result.judged] == [True, False, False, True, False]
    assert [part.verdict for part in result.judged] == [
        Verdict.FAIL, Verdict.FAIL, Verdict.PASS, Verdict.PASS, Verdict.PASS,
    ]  # fmt: skip
    assert result.measures["escape_rate"] == Measure(0.5, *(bounds.clopper_pearson(1, 2) or ()))
    assert result.measures["overkill_rate"].value == pytest.approx(1 / 3)
    assert result.measures["accuracy"].value == pytest.approx(3 / 5)
    # 0.9 above 0.7, 0.3 and 0; 0 above none, and level with one
    assert result.measures["auroc"].value == pytest.approx(3.5 / 6)
    assert all(part.label is None for part in result.judged)


def test_without_ok_labels_every_box_is_a_defect_and_without_a_threshold_nothing_is_decided() -> None:
    result = evaluated(ok_labels=[], threshold=None)
    assert [part.defective for part in result.judged] == [True, False, True, True, False]
    assert result.measures["auroc"].value is not None
    assert not any("No class is marked as OK" in note for note in result.notes)
    assert result.measures["accuracy"] == result.measures["escape_rate"] == Measure(None)
    assert result.measures["map_50"] == evaluated().measures["map_50"]


def test_figures_and_intervals_of_a_split() -> None:
    truth, found = a_split(0, 60, labels=LABELS)
    examples = [picture(i, boxes) for i, boxes in enumerate(truth)]
    answers = [
        Prediction(f"{i}.png", defect_score=max(one.scores or (0.0,)), detections=one) for i, one in enumerate(found)
    ]
    result = evaluated(examples=examples, answers=answers, ok_labels=[])
    expected = average_precision(truth, found, LABELS)
    assert result.measures["map"].value == expected.mean
    assert result.measures["map_small"].value == expected.small
    assert {label: one.average_precision for label, one in result.per_class.items()} == expected.per_class
    names = ("map", "map_50", "map_75", "box_precision", "box_recall", "box_f1", "missed_boxes_per_picture",
             "false_alarms_per_picture")  # fmt: skip
    for name in names:
        measure = result.measures[name]
        assert measure.low is not None, name
        assert measure.value is not None, name
        assert measure.high is not None, name
        assert measure.low < measure.value < measure.high, name
    # what is told of each picture adds up to what is told of all
    outcomes = [outcome for part in result.judged if part.boxes is not None for outcome in part.boxes.right]
    right, wrong = outcomes.count(True), outcomes.count(False)
    assert result.measures["box_precision"].value == pytest.approx(right / (right + wrong))
    table = np.array(result.confusion)
    assert (np.trace(table), table[:, :-1].sum()) == (right, right + wrong)
    assert len(result.curves["box_reliability"]) > 1
    assert evaluated(examples=examples, answers=answers, ok_labels=[]) == result


def test_scores_that_nobody_computed_rank_nothing() -> None:
    plain = [
        replace(
            one,
            detections=replace(one.detections, scores=None) if one.detections else one.detections,
            defect_score=None,
        )
        for one in ANSWERS
    ]
    result = evaluated(answers=plain)
    for name in ("map", "map_50", "map_75", "map_small", "map_medium", "map_large", "score_cut", "auroc"):
        assert result.measures[name] == Measure(None), name
    assert result.measures["box_recall"].value == pytest.approx(2 / 4)
    assert result.measures["box_precision"].value == pytest.approx(2 / 5)
    assert all(one.average_precision is None and one.curve == () for one in result.per_class.values())
    assert any("no scores" in note and "no mAP" in note for note in result.notes)


def test_a_crowd_is_neither_missed_nor_falsely_found_but_is_a_defect() -> None:
    examples = [picture(0, true(("傷", (0, 0, 100, 100)), crowd=(True,))), picture(1, true(("傷", at(0))))]
    answers = [answer(0, ("傷", at(0), 0.9), ("傷", at(40), 0.8)), answer(1, ("傷", at(0), 0.7))]
    result = evaluated(examples=examples, answers=answers, ok_labels=[])
    assert result.measures["map"].value == pytest.approx(1.0)
    assert result.measures["box_precision"].value == result.measures["box_recall"].value == 1.0
    assert result.judged[0].defective is True
    assert result.judged[0].boxes is not None
    assert (result.judged[0].boxes.found, result.judged[0].boxes.right) == ((True,), (None, None))
    assert result.per_class["傷"].support == 1


def test_names_that_were_not_taught_are_false_alarms_of_their_own() -> None:
    answers = [answer(0, ("dent", at(0), 0.9)), *ANSWERS[1:]]
    result = evaluated(answers=answers)
    assert result.labels == (*LABELS, "another name", "background")
    assert result.confusion[0][3] == 1  # the 傷 that was called a dent
    assert "another name" not in result.per_class
    assert any(note.startswith("1 box got a class") for note in result.notes)


def test_what_must_be_known_is_noted() -> None:
    notes = evaluated().notes
    assert notes[0] == "1 picture without annotated boxes was left out."
    assert any("2 pieces of the answers were" in note and "“<loc_1><loc_2>” of 3.png" in note for note in notes)
    assert any("score of 0.3 or more" in note and "too good" in note for note in notes)
    assert any("There are only 3 pictures with boxes" in note for note in notes)
    empty = evaluated(examples=[EXAMPLES[1]], answers=[ANSWERS[1]], ok_labels=[])
    assert any("No true box is of class 傷 or solder-bridge" in note for note in empty.notes)
    assert empty.measures["map"] == empty.measures["box_recall"] == empty.measures["score_cut"] == Measure(None)
    assert empty.measures["false_alarms_per_picture"].value == 1.0


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(DatasetError, match="no picture with annotated boxes is in split test"):
        evaluated(examples=[EXAMPLES[4]])
    with pytest.raises(LabelError, match=r"\['dent'\] are unknown"):
        evaluated(examples=[picture(0, true(("dent", at(0))))])
    with pytest.raises(OptionError, match="goood"):
        evaluated(ok_labels=["goood"])
    with pytest.raises(RunError, match=r"0\.png: its answer has no boxes"):
        evaluated(answers=[replace(ANSWERS[0], detections=None), *ANSWERS[1:]])
    with pytest.raises(RunError, match=r"4\.png: its annotation has no boxes"):
        summarise(
            EXAMPLES[4:5], [answer(4)], labels=LABELS, ok_labels=[], threshold=None, split="test", target=Target.BOXES
        )


def test_the_size_is_read_where_the_annotation_does_not_state_it(tmp_path: Path) -> None:
    there = Example(
        "0.png", ImageSource(str(write_picture(tmp_path / "0.png", 0, size_wh=(48, 36)))), boxes=Detections()
    )
    gone = Example("5.png", ImageSource(str(tmp_path / "5.png")), boxes=Detections())
    result = evaluated(examples=[there, gone], answers=[answer(0), answer(5)], ok_labels=[], split=None)
    assert [part.boxes.size_wh for part in result.judged if part.boxes is not None] == [(48, 36), None]


def test_json_is_exact() -> None:
    result = evaluated()
    kept = json.loads(json.dumps(evaluation_to_json(result), allow_nan=False))
    assert evaluation_from_json(kept) == result


def test_the_print_out_has_a_line_for_each_class_and_no_false_decimals() -> None:
    lines = _show.measures(evaluated()).splitlines()
    assert any(line.split() == ["rejected", "pieces", "2"] for line in lines)
    row = next(line for line in lines if line.startswith("傷"))
    assert row.split() == ["傷", "2", "0.353", "0.505", "0.333", "0.500", "0.400"]
    assert next(line for line in lines if line.startswith("solder-bridge")).split()[4] == "–"
