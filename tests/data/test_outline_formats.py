"""Outlines are read from every form of the tools, give the box where none is written, and come back as they were."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline, to_coco
from kenpin.records import Finding
from tests.builders import write_picture

SIZE_WH = (64, 48)
RECTANGLE = [16.0, 12.0, 48.0, 12.0, 48.0, 36.0, 16.0, 36.0]
MASK = np.zeros((48, 64), bool)
MASK[12:36, 16:48] = True


def boxes(data: Dataset) -> list[tuple[float, ...]]:
    """The only box of each picture."""
    found = [example.boxes for example in data]
    assert all(one is not None and len(one) == 1 for one in found), found
    return [tuple(round(value, 6) for value in one.boxes_xyxy_px[0]) for one in found if one is not None]


def only_outline(data: Dataset, row: int = 0) -> Outline | None:
    found = data[row].boxes
    assert found is not None
    return None if found.outlines is None else found.outlines[0]


def write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), "utf-8")


def coco(folder: Path, *annotations: dict[str, object], size_wh: tuple[int, int] = SIZE_WH) -> Path:
    """COCO with a picture for each annotation."""
    images = []
    for number in range(1, len(annotations) + 1):
        write_picture(folder / f"{number}.png", number, size_wh=size_wh)
        images.append({"id": number, "file_name": f"{number}.png", "width": size_wh[0], "height": size_wh[1]})
    filled = [{"id": n, "image_id": n, "category_id": 1, **one} for n, one in enumerate(annotations, start=1)]
    content = {"images": images, "annotations": filled, "categories": [{"id": 1, "name": "scratch"}]}
    write_json(folder / "annotations.json", content)
    return folder


def test_coco_of_outlines_alone(tmp_path: Path) -> None:
    runs = outline_of(MASK)
    assert runs.runs is not None
    data = load_dataset(
        coco(
            tmp_path,
            {"segmentation": [RECTANGLE]},
            {"segmentation": [RECTANGLE], "bbox": None},
            {"segmentation": [RECTANGLE], "bbox": []},
            {"segmentation": {"size": [48, 64], "counts": list(runs.runs)}, "iscrowd": 1},
            {"segmentation": to_coco(runs), "iscrowd": 0},
            {"segmentation": [[4, 4, 10, 4, 10, 9], [30, 20, 40, 20, 40, 30]]},
        )
    )
    assert boxes(data) == [(16, 12, 48, 36)] * 5 + [(4, 4, 40, 30)]
    assert not data.findings
    for row in range(5):
        outline = only_outline(data, row)
        assert outline is not None
        assert (mask_of(outline, SIZE_WH) == MASK).all()
    write_dataset(data, tmp_path / "again", "coco")
    back = load_dataset(tmp_path / "again")
    assert [example.boxes for example in back] == [example.boxes for example in data]
    (written,) = (tmp_path / "again" / "annotations").iterdir()
    assert [one["area"] for one in json.loads(written.read_text())["annotations"]][:5] == [32 * 24] * 5


@pytest.mark.parametrize(
    ("segmentation", "code"),
    [
        ([[1, 2, 3, 4]], "outline-unparsable"),
        ([[1, 2, 3, 4, 5, 6, 7]], "outline-unparsable"),
        ({"size": [48, 64], "counts": [5]}, "outline-unparsable"),
        ({"size": [24, 32], "counts": [24 * 32]}, "mask-size"),
        ({"size": [48, 64], "counts": [48 * 64]}, "empty-mask"),
    ],
)
def test_coco_outlines_that_are_none_are_told_and_the_box_is_kept(
    tmp_path: Path, segmentation: object, code: str
) -> None:
    findings: list[Finding] = []
    folder = coco(tmp_path, {"segmentation": segmentation, "bbox": [16, 12, 32, 24]}, {"segmentation": segmentation})
    data = load_dataset(folder, note=findings.append)
    assert [finding.code for finding in findings] == [code, code, "box-unparsable"]
    assert findings[0].where.endswith("annotations.json: annotation 0")
    assert data[0].boxes is not None
    assert data[0].boxes.boxes_xyxy_px == ((16, 12, 48, 36),)
    assert data[0].boxes.outlines is None


@pytest.mark.parametrize("file", ["instances_default.json", "person_keypoints_default.json"])
def test_coco_of_cvat_has_no_split(tmp_path: Path, file: str) -> None:
    coco(
        tmp_path / "images" / "default", *[{"bbox": [16, 12, 32, 24], "keypoints": [20, 20, 2], "segmentation": []}] * 3
    )
    (tmp_path / "annotations").mkdir()
    (tmp_path / "images" / "default" / "annotations.json").rename(tmp_path / "annotations" / file)
    findings: list[Finding] = []
    data = load_dataset(tmp_path, note=findings.append)
    assert boxes(data) == [(16, 12, 48, 36)] * 3
    assert data.splits == ()
    assert [(finding.code, finding.severity.value) for finding in findings] == [("key-points-not-read", "info")]
    write_dataset(data, tmp_path / "yolo", "yolo")
    # a split that is called so keeps its name
    write_dataset(data.with_splits(["default"] * 3), tmp_path / "named", "coco")
    assert load_dataset(tmp_path / "named").splits == ("default",)


def test_coco_key_points_beside_the_instances_of_the_same_pictures_are_not_read_twice(tmp_path: Path) -> None:
    coco(tmp_path / "val2017", {"bbox": [16, 12, 32, 24]})
    for name in ("instances", "person_keypoints", "captions"):
        content = json.loads((tmp_path / "val2017" / "annotations.json").read_text())
        write_json(tmp_path / "annotations" / f"{name}_val2017.json", content)
    (tmp_path / "val2017" / "annotations.json").unlink()
    data = load_dataset(tmp_path)
    assert len(data) == 1
    assert data.splits == ("validation",)
