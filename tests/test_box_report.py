"""The page of an inspector that gives boxes: drawn over the pictures, escaped, and fair beside an earlier run."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.evaluation import summarise
from kenpin.evaluation.comparison import compare
from kenpin.evaluation.mistakes import worst_first
from kenpin.evaluation.pairs import Pair
from kenpin.records import (
    Detections,
    Evaluation,
    Example,
    ImageSource,
    JudgedBoxes,
    JudgedExample,
    Prediction,
    Threshold,
    Verdict,
)
from kenpin.report import ReportContent, render_report
from kenpin.report.cards import pair_card, part_card
from kenpin.report.overlay import predicted_boxes, true_boxes
from kenpin.targets import Target
from tests.detections import a_split
from tests.test_report import CUT, NASTY, RUN, Page, content, evaluation, full_content, jpeg, part

BOX_LABELS = (NASTY, "solder-bridge", "a label so long that no picture has room for it")


@cache
def box_evaluation(seed: int = 0, *, scored: bool = True, threshold: Threshold | None = CUT) -> Evaluation:
    truth, found = a_split(0, 40, labels=BOX_LABELS)
    generator = np.random.default_rng(seed)
    examples, predictions = [], []
    for i, (true, said) in enumerate(zip(truth, found, strict=True)):
        kept = [place for place in range(len(said)) if generator.random() < 0.9]
        said = Detections(
            tuple(said.boxes_xyxy_px[place] for place in kept),
            tuple(said.labels[place] for place in kept),
            tuple((said.scores or ())[place] for place in kept) if scored else None,
        )
        image = ImageSource(path=f"{i}.png")
        examples.append(Example(f"{i}.png", image, boxes=true, size_wh=(256, 192) if i % 2 else None))
        best = max(said.scores or (0.0,)) if scored else None
        predictions.append(Prediction(f"{i}.png", defect_score=best, detections=said, rejected=(NASTY,) * (i == 0)))
    return summarise(
        examples,
        predictions,
        labels=BOX_LABELS,
        ok_labels=[],
        threshold=threshold,
        split="test",
        target=Target.BOXES,
    )


def box_content(**change: Any) -> ReportContent:
    run = {**RUN, "dataset": {}}
    return content(**{"run": run, "evaluations": {"test": box_evaluation()}, **change})


def test_a_page_of_boxes_is_whole_and_escaped() -> None:
    text = render_report(box_content(before=box_content(name="lot 6", evaluations={"test": box_evaluation(1)})))
    page = Page(text)
    assert all(link.startswith("data:image/jpeg;base64,") for link in page.links)
    assert NASTY not in text
    for heading in ("Against lot 6", "Worst mistakes first", "Boxes", "Whole pictures", "OK and not OK", "The data"):
        assert f"<h2>{heading}</h2>" in text
    assert "<h2>Class by class</h2>" not in text
    figure = f"{box_evaluation().measures['map'].value:.3f}"
    assert re.search(rf"mAP 50:95<small>Whether boxes are found.*?</small></th><td class=\"n\">{figure}</td>", text)
    assert text.count("Precision and recall of boxes</h3>") == 1
    assert ">background</th>" in text
    assert "true boxes are found" in text
    assert not re.search(r"\bnan\b", re.sub(r'base64,[^"]*', "", text), re.IGNORECASE)


def test_a_page_of_label_evaluations_says_nothing_of_boxes() -> None:
    text = render_report(full_content())
    assert not re.search(r"mAP|boxes</h|class=\"boxes|background</th>|AP 50", text)


@pytest.mark.parametrize(
    "change",
    [
        {"thumbnails": {}},
        {"evaluations": {"all": box_evaluation(scored=False)}},
        {"evaluations": {"all": box_evaluation(threshold=None)}},
        {"evaluations": {"test": box_evaluation(), "lot 8": box_evaluation(1)}},
        {"before": box_content(evaluations={"test": box_evaluation(scored=False)})},
    ],
)
def test_a_page_of_boxes_with_less_is_still_a_page(change: dict[str, Any]) -> None:
    Page(render_report(box_content(**change)))


def boxed(
    found: tuple[bool, ...], right: tuple[bool | None, ...], verdict: Verdict | None, id: str = "a"
) -> JudgedExample:
    """A part of 200 x 100 pixels whose true and predicted boxes stand side by side, their scores falling."""
    row = [(20.0 * i, 40.0, 20.0 * i + 10, 60.0) for i in range(max(len(found), len(right)))]
    truth = Detections(tuple(row[: len(found)]), (NASTY,) * len(found))
    scores = tuple(0.9 - 0.1 * i for i in range(len(right)))
    said = Detections(tuple(row[: len(right)]), ("不良",) * len(right), scores)
    prediction = Prediction(id, defect_score=max(scores, default=0.0), detections=said)
    return JudgedExample(id, None, None, bool(found), prediction, verdict, JudgedBoxes(truth, found, right, (200, 100)))


def drawn(svg: str | None) -> list[str]:
    return re.findall(r'<rect class="(\w+)"', svg or "")


def test_truth_and_prediction_are_drawn_on_two_pictures() -> None:
    part_of_four = boxed((True, False), (True, False, None), Verdict.PASS)
    truth, predicted = str(true_boxes(part_of_four)), str(predicted_boxes(part_of_four))
    assert drawn(truth) == ["true", "missed"]
    assert drawn(predicted) == ["right", "wrong"]
    for svg in (truth, predicted):
        assert 'viewBox="0 0 320.0 160.0"' in svg  # the longer side has 320 units, whatever the picture's size
        assert NASTY not in svg
    assert '<rect class="missed" x="32.0" y="64.0" width="16.0" height="32.0">' in truth
    assert truth.count("&lt;script&gt;") == 2
    assert predicted.count("不良") == 2
    assert "0.90" in predicted


def test_a_card_shows_the_truth_left_and_the_prediction_right() -> None:
    part = boxed((True, False), (True,), Verdict.FAIL)
    card = part_card(part, {"a": jpeg(9)}, "with a missed box", None)
    assert [one.caption for one in card.pictures] == ["truth", "prediction"]
    assert [drawn(one.overlay) for one in card.pictures] == [["true", "missed"], ["right"]]
    before = boxed((True, False), (False,), Verdict.FAIL)
    pair = pair_card(Pair(before, part), {"a": jpeg(9)})
    assert [one.caption for one in pair.pictures] == ["truth", "before", "now"]
    assert [drawn(one.overlay) for one in pair.pictures] == [["true", "missed"], ["wrong"], ["right"]]


def test_the_box_that_decided_is_drawn_even_below_the_cut() -> None:
    assert drawn(predicted_boxes(boxed((), (None, None), Verdict.FAIL))) == ["aside"]
    assert drawn(predicted_boxes(boxed((), (None, None), Verdict.PASS))) == []


def test_boxes_of_unknown_place_are_not_drawn() -> None:
    placed = boxed((True,), (True,), None)
    assert placed.boxes is not None
    for draw in (true_boxes, predicted_boxes):
        assert draw(replace(placed, boxes=replace(placed.boxes, size_wh=None))) is None
        assert draw(part("bad", "bad", None)) is None


@given(st.text(max_size=60), st.floats(0, 190), st.floats(0, 90))
def test_every_name_begins_in_the_picture(label: str, x: float, y: float) -> None:
    base = boxed((), (True,), None)
    said = Detections(((x, y, x + 10, y + 10),), (label,), (0.5,))
    svg = str(predicted_boxes(replace(base, prediction=replace(base.prediction, detections=said))))
    place = re.search(r'<text class="right" x="([\d.]+)" y="([\d.]+)">', svg)
    assert place is not None
    assert 2 <= float(place[1]) <= 320
    assert 10 <= float(place[2]) <= 160


def test_missed_and_false_boxes_are_mistakes_after_wrong_verdicts() -> None:
    judged = [
        boxed((True,), (True, False), Verdict.FAIL, "false box"),
        boxed((True, False), (True,), Verdict.FAIL, "missed one"),
        boxed((False, False), (), Verdict.REVIEW, "missed two"),
        boxed((False,), (), Verdict.PASS, "escaped"),
        boxed((), (False,), Verdict.FAIL, "overkill"),
        boxed((True,), (True, None), Verdict.FAIL, "right"),
    ]
    assert [p.id for _, p in worst_first(judged)] == ["escaped", "overkill", "missed two", "missed one", "false box"]


def test_the_average_precision_of_two_runs_is_compared_with_losses_first() -> None:
    now, before = box_evaluation(1), box_evaluation()
    found = compare(now, before)
    figures = {one.name: one for one in found.differences}
    for name in ("map", "map_50", "map_75", "box_precision", "box_recall"):
        assert figures[name].before == before.measures[name].value
        assert figures[name].now == now.measures[name].value
        assert figures[name].change.low is None
    changes = [one.change.value for one in found.classes]
    assert sorted(one.name for one in found.classes) == sorted(BOX_LABELS)
    assert changes == sorted(changes, key=lambda change: math.inf if change is None else change)
    assert min(change for change in changes if change is not None) < 0
    assert found.common == 40
    assert not found.notes
    fewer = replace(before, judged=before.judged[:30])
    assert any("that each run judged" in note for note in compare(now, fewer).notes)
    assert compare(evaluation(), evaluation(1)).classes == ()


def test_pictures_whose_boxes_were_changed_are_not_compared() -> None:
    before, now = boxed((True,), (True,), Verdict.FAIL), boxed((True, False), (True,), Verdict.FAIL)
    boxes = box_evaluation()
    found = compare(replace(boxes, judged=(now,)), replace(boxes, judged=(before,)))
    assert found.common == 0
    assert any("with another label in the other run" in note for note in found.notes)
