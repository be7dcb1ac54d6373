"""Figures of boxes equal pycocotools' and what one counts by hand; empty pictures, crowds and first places count."""

from __future__ import annotations

import contextlib
import io
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from kenpin.errors import LabelError, MissingExtraError
from kenpin.metrics import average_precision as average_precision_module
from kenpin.metrics.average_precision import OVERLAPS, average_precision, average_precision_intervals
from kenpin.metrics.confusion import class_scores
from kenpin.metrics.detection import (
    CROWD,
    NOTHING,
    best_cut,
    confusion_with_background,
    match,
    match_at,
    precision_recall_curve,
    scores_of,
)
from kenpin.records import Box, Detections
from tests.detections import LABELS, a_split

Ints = NDArray[np.int64]


def boxes(*rows: tuple[Any, ...], crowd: tuple[bool, ...] | None = None) -> Detections:
    """Rows of label, box and, for detections, score."""
    scores = tuple(row[2] for row in rows if len(row) > 2)
    return Detections(tuple(row[1] for row in rows), tuple(row[0] for row in rows), scores or None, crowd=crowd)


def at(x: float, y: float = 0, side: float = 10) -> Box:
    return (x, y, x + side, y + side)


def coco_reference(truth: list[Detections], found: list[Detections], labels: tuple[str, ...]) -> NDArray[np.float64]:
    """Precision by pycocotools: (overlaps, recalls, classes, areas). Pictures are numbered from 0, annotations from 1,
    because it takes an annotation 0 for one that was not found."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    def rows(pictures: list[Detections]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        for image, one in enumerate(pictures):
            for i, (x1, y1, x2, y2) in enumerate(one.boxes_xyxy_px):
                made.append({"id": len(made) + 1, "image_id": image, "category_id": labels.index(one.labels[i]),
                             "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1),
                             "iscrowd": int(one.crowd is not None and one.crowd[i])})  # fmt: skip
                if one.scores is not None:
                    made[-1]["score"] = one.scores[i]
        return made

    with contextlib.redirect_stdout(io.StringIO()):
        both = []
        for pictures in (truth, found):
            one = COCO()
            one.dataset = {
                "images": [{"id": i} for i in range(len(pictures))],
                "categories": [{"id": i, "name": label} for i, label in enumerate(labels)],
                "annotations": rows(pictures),
            }
            one.createIndex()
            both.append(one)
        evaluation = COCOeval(*both, "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    return np.asarray(evaluation.eval["precision"][..., -1])


def mean(values: NDArray[np.float64]) -> float | None:
    return float(values[values > -1].mean()) if (values > -1).any() else None


@pytest.mark.parametrize("seed", range(40))
def test_average_precision_is_that_of_pycocotools(seed: int) -> None:
    labels = (*LABELS, "never there")
    truth, found = a_split(seed, pictures=1 + seed % 12, crowds=seed % 2 == 1, labels=LABELS)
    reference = coco_reference(truth, found, labels)
    ours = average_precision(truth, found, labels)
    everywhere = reference[..., 0]
    pairs = [
        (ours.mean, everywhere),
        (ours.at_50, everywhere[0]),
        (ours.at_75, everywhere[5]),
        (ours.small, reference[..., 1]),
        (ours.medium, reference[..., 2]),
        (ours.large, reference[..., 3]),
        *((ours.per_class[label], everywhere[:, :, i]) for i, label in enumerate(labels)),
        *((ours.per_class_at_50[label], everywhere[0, :, i]) for i, label in enumerate(labels)),
    ]
    for value, expected in pairs:
        assert (value is None) == (mean(expected) is None)
        assert value is None or value == pytest.approx(mean(expected), abs=1e-6)
    assert ours.per_class["never there"] is None


def test_the_resampled_figure_is_the_same_where_each_picture_is_drawn_once() -> None:
    for seed in range(20):
        truth, found = a_split(seed, pictures=9, crowds=True)
        expected = average_precision(truth, found, LABELS)
        tallies = [one for one in average_precision_module._tallies(truth, found, LABELS) if one.boxes.any()]
        once = np.ones((1, len(truth)), np.int64)
        values = np.stack([average_precision_module._weighted(one, once)[0] for one in tallies])
        assert values.mean() == pytest.approx(expected.mean, abs=1e-9)
        assert values.mean(0)[[0, 5]] == pytest.approx([expected.at_50, expected.at_75], abs=1e-9)


def test_a_picture_drawn_twice_counts_twice() -> None:
    # without equal scores, for of these the order of pictures decides
    truth, found = a_split(3, pictures=6)
    found = [replace(one, scores=tuple(i / 100 + j / 10_000 for j in range(len(one)))) for i, one in enumerate(found)]
    draws = np.array([[2, 0, 1, 3, 0, 1]])
    chosen = [i for i, times in enumerate(draws[0]) for _ in range(times)]
    expected = average_precision([truth[i] for i in chosen], [found[i] for i in chosen], LABELS)
    tallies = average_precision_module._tallies(truth, found, LABELS)
    values = [average_precision_module._weighted(one, draws)[0].mean() for one in tallies]
    for value, label in zip(values, LABELS, strict=True):
        assert (
            np.isnan(value) if expected.per_class[label] is None else value == pytest.approx(expected.per_class[label])
        )


def test_intervals_hold_their_values_and_narrow_with_more_pictures() -> None:
    widths: list[list[float]] = []
    for pictures in (20, 320):
        truth, found = a_split(1, pictures)
        value = average_precision(truth, found, LABELS)
        spans = average_precision_intervals(truth, found, LABELS, resamples=200)
        widths.append([])
        for figure, span in zip((value.mean, value.at_50, value.at_75), spans, strict=True):
            assert figure is not None
            assert span is not None
            assert span[0] < figure < span[1]
            widths[-1].append(span[1] - span[0])
    assert np.all(np.array(widths[1]) < 0.5 * np.array(widths[0]))


def test_false_alarms_on_empty_pictures_lower_precision() -> None:
    truth = [boxes(("a", at(0))), Detections()]
    clean = [boxes(("a", at(0), 0.5)), Detections()]
    alarmed = [clean[0], boxes(("a", at(0), 0.9))]
    assert average_precision(truth, clean, ("a",)).mean == pytest.approx(1.0)
    assert average_precision(truth, alarmed, ("a",)).mean == pytest.approx(0.5)


def test_the_first_box_of_the_first_picture_is_not_lost() -> None:
    truth, found = [boxes(("a", at(0)))], [boxes(("a", at(0), 0.5))]
    assert average_precision(truth, found, ("a",)).mean == pytest.approx(1.0)
    assert match(truth[0], found[0]).tolist() == [0]
    assert confusion_with_background(truth, found, ("a",)).tolist() == [[1, 0], [0, 0]]


def test_areas_begin_and_end_where_coco_says() -> None:
    for side, name in ((31.9, "small"), (32.1, "medium"), (95.9, "medium"), (96.1, "large")):
        truth, found = [boxes(("a", at(0, side=side)))], [boxes(("a", at(0, side=side), 0.5))]
        sizes = average_precision(truth, found, ("a",))
        measured = {size for size in ("small", "medium", "large") if getattr(sizes, size) is not None}
        assert measured == {name}


def test_without_anything_there_is_no_figure() -> None:
    nothing = average_precision([Detections()], [boxes(("a", at(0), 0.5))], ("a",))
    assert (nothing.mean, nothing.at_50, nothing.small, nothing.per_class["a"]) == (None, None, None, None)
    assert average_precision([], [], ("a",)).mean is None
    assert average_precision_intervals([Detections()], [Detections()], ("a",), resamples=10) == (None, None, None)
    assert average_precision([boxes(("a", at(0)))], [Detections()], ("a",)).mean == 0.0


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    with pytest.raises(MissingExtraError, match=r"kenpin\[detection\]"):
        average_precision([Detections()], [Detections()], ("a",))


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=40)
def test_matching_agrees_with_coco_on_who_is_right(seed: int, crowds: bool) -> None:
    """One picture, one class: what is right at each overlap, in order of score, gives COCO's precision."""
    truth, found = a_split(seed, 1, crowds=crowds, labels=("a",), most=6)
    reference = coco_reference(truth, found, ("a",))[:, :, 0, 0]
    crowd = np.array(truth[0].crowd or (False,) * len(truth[0]), bool)
    true_boxes = int((~crowd).sum())
    if not true_boxes:
        return
    order = np.argsort(-np.array(found[0].scores or ()), kind="stable")
    for overlap, row, expected in zip(
        OVERLAPS, match_at(truth[0], found[0], OVERLAPS.tolist()), reference, strict=True
    ):
        right = row[order][row[order] != CROWD] >= 0
        caught = np.cumsum(right)
        recall, precision = caught / true_boxes, caught / np.arange(1, len(right) + 1)
        for at_recall, value in zip(np.linspace(0, 1, 101), expected, strict=True):
            beyond = precision[recall >= at_recall - 1e-12]
            assert value == pytest.approx(beyond.max() if len(beyond) else 0.0, abs=1e-9), overlap


def test_a_true_box_is_found_once_by_the_best_score_of_its_class() -> None:
    truth = boxes(("a", at(0)), ("b", at(100)))
    found = boxes(("a", at(0), 0.4), ("a", at(1), 0.9), ("b", at(0), 0.95), ("b", at(104), 0.1))
    assert match(truth, found).tolist() == [NOTHING, 0, NOTHING, NOTHING]
    assert match(truth, replace(found, scores=None)).tolist() == [0, NOTHING, NOTHING, NOTHING]
    assert match(truth, found, 0.4).tolist() == [NOTHING, 0, NOTHING, 1]


def test_nothing_is_right_or_wrong_in_a_crowd() -> None:
    truth = boxes(("a", (0, 0, 100, 100)), ("a", at(0)), crowd=(True, False))
    found = boxes(("a", at(0), 0.9), ("a", at(40), 0.8), ("a", at(60), 0.7), ("a", at(500), 0.6), ("b", at(40), 0.5))
    assert match(truth, found).tolist() == [1, CROWD, CROWD, NOTHING, NOTHING]
    counts = confusion_with_background([truth], [found], ("a", "b"))
    assert counts.tolist() == [[1, 0, 0], [0, 0, 0], [1, 1, 0]]


def test_confusion_with_background_by_hand() -> None:
    truth = [boxes(("a", at(0)), ("a", at(100)), ("b", at(200))), Detections()]
    found = [boxes(("a", at(0), 0.9), ("b", at(101), 0.8), ("b", at(0), 0.7)), boxes(("b", at(0), 0.6))]
    counts = confusion_with_background(truth, found, ("a", "b"))
    assert counts.tolist() == [
        [1, 1, 0],  # one a is found, one is called b
        [0, 0, 1],  # b is missed
        [0, 2, 0],  # the second name of a found box, and a box on the empty picture
    ]
    with pytest.raises(LabelError, match="'b'"):
        confusion_with_background(truth, found, ("a",))


@given(st.integers(0, 10_000))
@settings(max_examples=60)
def test_the_confusion_counts_every_box_once_and_its_diagonal_is_what_is_right(seed: int) -> None:
    truth, found = a_split(seed, 5)
    counts = confusion_with_background(truth, found, LABELS)
    taken = [match(*pair) for pair in zip(truth, found, strict=True)]
    assert counts[-1, -1] == 0
    assert counts[:-1].sum() == sum(map(len, truth))
    assert counts[:, :-1].sum() == sum(map(len, found))
    assert np.trace(counts) == sum(int((one >= 0).sum()) for one in taken)
    assert [one.support for one in class_scores(counts)[:-1]] == [
        sum(one.labels.count(label) for one in truth) for label in LABELS
    ]


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30), st.integers(0, 5))
def test_the_best_cut_is_that_of_all_cuts(outcomes: list[tuple[bool, int]], missed: int) -> None:
    right, scores = np.array([hit for hit, _ in outcomes]), np.array([score / 5 for _, score in outcomes])
    true_boxes = int(right.sum()) + missed

    def f1(cut: float) -> float:
        kept = scores >= cut
        return float(2 * right[kept].sum() / (kept.sum() + true_boxes))

    cut = best_cut(right, scores, true_boxes)
    if not right.any():
        assert cut is None
        return
    assert cut is not None
    best = max(f1(score) for score in set(scores))
    assert f1(cut) == pytest.approx(best)
    assert cut == min(score for score in set(scores) if f1(score) >= best - 1e-12)


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5)), min_size=1, max_size=30), st.integers(0, 5))
def test_the_curve_holds_every_cut(outcomes: list[tuple[bool, int]], missed: int) -> None:
    right, scores = np.array([hit for hit, _ in outcomes]), np.array([score / 5 for _, score in outcomes])
    true_boxes = int(right.sum()) + missed
    curve = precision_recall_curve(right, scores, true_boxes)
    if not true_boxes:
        assert curve == ()
        return
    cuts = sorted(set(scores), reverse=True)
    points = [(right[scores >= cut].sum() / true_boxes, right[scores >= cut].mean()) for cut in cuts]
    assert curve[0] == pytest.approx(points[0])
    assert curve[-1] == pytest.approx(points[-1])
    assert all(any(point == pytest.approx(one) for one in points) for point in curve)


def test_detections_without_scores_rank_nothing() -> None:
    scored, unscored = boxes(("a", at(0), 0.5)), replace(boxes(("a", at(0), 0.5)), scores=None)
    assert scores_of([scored, unscored]) is None
    assert scores_of([scored, Detections()]) == pytest.approx([0.5])
    assert scores_of([]) is not None
