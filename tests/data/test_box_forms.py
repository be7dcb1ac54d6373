"""Boxes written in another form than the format says: seen by the doctor in the whole set, and settled by `--boxes`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from kenpin.data import BoxForm, load_dataset
from kenpin.data.doctor import examine
from kenpin.errors import OptionError
from kenpin.records import Box
from tests.builders import write_picture

SIZE_WH = (200, 160)


def _boxes(count: int) -> list[Box]:
    """Boxes anywhere in the picture, none of them tiny."""
    rng = np.random.default_rng(0)
    corners = np.sort(rng.uniform(0, 1, (count, 2, 2)), axis=1) * SIZE_WH
    corners[:, 1] = np.minimum(corners[:, 1] + 10, SIZE_WH)
    corners[:, 0] = np.minimum(corners[:, 0], corners[:, 1] - 5)
    return [(x1, y1, x2, y2) for (x1, y1), (x2, y2) in corners.tolist()]


def _coco(folder: Path, form: BoxForm, boxes: list[Box]) -> Path:
    """A COCO file whose `bbox` is in another form."""
    write_picture(folder / "a.png", 1, size_wh=SIZE_WH)
    content = {
        "images": [{"id": 0, "file_name": "a.png"}],
        "annotations": [
            {"id": number, "image_id": 0, "category_id": 0, "bbox": form.from_xyxy_px(box, SIZE_WH)}
            for number, box in enumerate(boxes)
        ],
        "categories": [{"id": 0, "name": "void"}],
    }
    (folder / "coco.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("form", [form for form in BoxForm if form is not BoxForm.XYWH])
def test_a_form_is_named_that_reads_the_boxes_right(tmp_path: Path, form: BoxForm) -> None:
    boxes = _boxes(40)
    data = _coco(tmp_path, form, boxes)
    (found,) = [finding for finding in examine(data).findings if finding.code == "box-form"]
    named = re.search(r"but 40 as (.+?);", found.what)
    assert named is not None
    # x and y may be exchanged within the unit square; any order of the corners is named where no order fits
    ordered = form.replace("corners", "xyxy")
    assert ordered in named[1].split(" or ")
    read = load_dataset(data, boxes=ordered)[0].boxes
    assert read is not None
    np.testing.assert_allclose(read.boxes_xyxy_px, boxes, atol=1e-6)
    remedy = found.remedy.split("--boxes ")[1].split(",")[0]
    assert not [finding for finding in examine(data, boxes=remedy).findings if finding.code.startswith("box-")]


def test_corners_in_any_order_are_seen(tmp_path: Path) -> None:
    boxes = _boxes(40)
    data = _coco(
        tmp_path, BoxForm.XYXY, [(x2, y1, x1, y2) if x1 < 100 else (x1, y2, x2, y1) for x1, y1, x2, y2 in boxes]
    )
    (found,) = [finding for finding in examine(data).findings if finding.code == "box-form"]
    assert "--boxes corners," in found.remedy
    read = load_dataset(data, boxes="corners")[0].boxes
    assert read is not None
    np.testing.assert_allclose(read.boxes_xyxy_px, boxes, atol=1e-6)


@pytest.mark.parametrize("count", [1, 2, 40])
def test_boxes_of_the_right_form_are_left_alone(tmp_path: Path, count: int) -> None:
    data = _coco(tmp_path, BoxForm.XYWH, _boxes(count))
    assert not [finding for finding in examine(data).findings if finding.code.startswith("box-")]


def test_a_few_bad_boxes_are_told_one_by_one(tmp_path: Path) -> None:
    data = _coco(tmp_path, BoxForm.XYWH, [*_boxes(40), (150, 100, 260, 150), (10, 10, 10, 20)])
    codes = [finding.code for finding in examine(data).findings if finding.code.startswith("box-")]
    assert sorted(codes) == ["box-empty", "box-out-of-frame"]


def test_an_unknown_form_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="did you mean `xywh`"):
        load_dataset(_coco(tmp_path, BoxForm.XYWH, _boxes(1)), boxes="xyhw")
