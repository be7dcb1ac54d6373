"""Boxes go to supervision and come back as they were; what boxes cannot carry, or what has no label, is refused."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import supervision
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import LabelError, MissingExtraError, ShapeError
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline
from kenpin.records import Detections

LABELS = ("傷", "solder-bridge", "C1.2 (void), \x00")
OUTLINES = (Outline(((1.5, 2.0, 7.0, 2.0, 7.0, 6.0),)), Outline(runs=(9, 3, 36), size_wh=(8, 6)))
PIXELS = st.floats(-10, 5000)


def several(values: st.SearchStrategy[Any], count: int) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=count, max_size=count).map(tuple)


@st.composite
def made_detections(draw: st.DrawFn) -> Detections:
    count = draw(st.integers(0, 5))
    return Detections(
        draw(several(st.tuples(PIXELS, PIXELS, PIXELS, PIXELS), count)),
        draw(several(st.sampled_from(LABELS), count)),
        scores=draw(st.none() | several(st.floats(0, 1), count)),
        segments=draw(st.none() | several(st.sampled_from(["", "<seg001>" * 16]), count)),
        crowd=draw(st.none() | several(st.booleans(), count)),
        outlines=draw(st.none() | several(st.sampled_from([None, *OUTLINES]), count)),
    )


@given(made_detections())
def test_there_and_back_is_the_same(made: Detections) -> None:
    there = made.to_supervision(LABELS)
    assert Detections.from_supervision(there) == made
    del there.data["class_name"]
    assert Detections.from_supervision(there, LABELS) == made


@given(made_detections(), st.data())
def test_what_supervision_selects_keeps_its_own_label_and_score(made: Detections, data: st.DataObject) -> None:
    chosen = data.draw(several(st.booleans(), len(made)))
    there = made.to_supervision(LABELS)[np.array(chosen, dtype=bool)]
    assert isinstance(there, supervision.Detections)
    back = Detections.from_supervision(there, LABELS)
    assert back.labels == tuple(label for label, kept in zip(made.labels, chosen, strict=True) if kept)
    assert back.boxes_xyxy_px == tuple(box for box, kept in zip(made.boxes_xyxy_px, chosen, strict=True) if kept)
    if made.scores is not None:
        assert back.scores == tuple(score for score, kept in zip(made.scores, chosen, strict=True) if kept)


def found(**fields: Any) -> supervision.Detections:
    return supervision.Detections(xyxy=np.array([[1, 2, 3, 4]], dtype=np.float32), **fields)


def test_names_go_before_numbers_and_foreign_data_is_left() -> None:
    theirs = found(class_id=np.array([7]), data={"class_name": np.array(["dent"]), "area_mm2": np.array([3.0])})
    assert Detections.from_supervision(theirs, LABELS) == Detections(((1, 2, 3, 4),), ("dent",))
    assert Detections.from_supervision(supervision.Detections.empty(), LABELS) == Detections(scores=())


@pytest.mark.parametrize(
    ("theirs", "message"),
    [
        (found(), "class_id None has no label among 3 labels"),
        (found(class_id=np.array([3])), "class_id 3 has no label among 3 labels"),
        (found(class_id=np.array([-1])), "class_id -1 has no label among 3 labels"),
    ],
)
def test_a_box_without_a_label_is_refused(theirs: supervision.Detections, message: str) -> None:
    with pytest.raises(LabelError, match=message):
        Detections.from_supervision(theirs, LABELS)


def test_tracker_ids_which_boxes_cannot_carry_are_refused() -> None:
    theirs = found(class_id=np.array([0]), tracker_id=np.array([5]))
    with pytest.raises(ShapeError, match="boxes cannot carry its tracker_id; set tracker_id = None"):
        Detections.from_supervision(theirs, LABELS)
    theirs.tracker_id = None
    assert Detections.from_supervision(theirs, LABELS).labels == ("傷",)


def test_a_label_that_is_not_given_names_the_nearest() -> None:
    with pytest.raises(LabelError, match="label 'scrach' is not among those given; did you mean `scratch`"):
        Detections(((1, 2, 3, 4),), ("scrach",)).to_supervision(["ok", "scratch"])


def test_without_supervision_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[detection\]"'):
        Detections().to_supervision(LABELS)


def test_records_load_no_supervision_and_it_needs_no_opencv() -> None:
    code = """
import sys
sys.modules["cv2"] = None
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline
from kenpin.records import Detections
assert "supervision" not in sys.modules
made = Detections(((1, 2, 3, 4),), ("dent",), (0.5,))
assert Detections.from_supervision(made.to_supervision(["dent"])) == made
"""
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)


def test_outlines_are_masks_of_a_picture_and_masks_are_outlines() -> None:
    boxes = ((1.0, 2.0, 7.0, 6.0),) * 3
    made = Detections(boxes, ("傷",) * 3, outlines=(*OUTLINES, None))
    there = made.to_supervision(LABELS, (8, 6))
    assert there.mask is not None
    assert there.mask.shape == (3, 6, 8)
    assert there.mask.sum(axis=(1, 2)).tolist() == [mask_of(OUTLINES[0], (8, 6)).sum(), 3, 0]
    assert Detections.from_supervision(there) == made
    del there.data["outlines"]
    taken = Detections.from_supervision(there).outlines
    assert taken is not None
    assert taken[1] == OUTLINES[1]
    assert taken[0] == outline_of(there.mask[0])
