"""Annotations that name pictures as another system or tool does: found where that is plain, refused where it is not."""

from __future__ import annotations

import io
import json
import unicodedata
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as parquet
import pytest

from kenpin.data import load_dataset
from kenpin.data.doctor import examine
from kenpin.records import Finding
from tests.builders import picture_bytes, write_picture

SIZE_WH = (200, 160)


def coco(folder: Path, **places: str) -> Path:
    """A COCO file that names pictures, one box each; places: where they lie, by a letter, and how they are named."""
    images, annotations = [], []
    for number, (place, name) in enumerate(places.items(), start=1):
        write_picture(folder / place, number, size_wh=SIZE_WH)
        images.append({"id": number, "file_name": name, "width": SIZE_WH[0], "height": SIZE_WH[1]})
        annotations.append({"id": number, "image_id": number, "category_id": 0, "bbox": [16, 12, 32, 24]})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 0, "name": "scratch"}]}
    (folder / "result.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return folder


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("10.jpg", "..\\label\\10.jpg"),
        ("images/0/a1b2-part.jpg", "images\\0\\a1b2-part.jpg"),
        ("images/0/a.JPG", "images/0/A.jpg"),
        ("train/a.jpg", "data/set/train/a.jpg"),
        ("images/a.jpg", "./images//a.jpg"),
        (f"images/{unicodedata.normalize('NFD', 'バリ_ガ')}.jpg", unicodedata.normalize("NFC", "images/バリ_ガ.jpg")),
    ],
)
def test_a_name_of_another_system_is_found(tmp_path: Path, place: str, name: str) -> None:
    data = load_dataset(coco(tmp_path, **{place: name}))
    (boxes,) = (example.boxes for example in data)
    assert boxes is not None
    assert boxes.boxes_xyxy_px == ((16.0, 12.0, 48.0, 36.0),)


@pytest.mark.parametrize(
    "name", ["C:\\Users\\someone\\images\\1.jpg", "/home/someone/images/1.jpg", "\\\\share\\1.jpg"]
)
def test_a_path_from_the_root_of_another_machine_is_refused_by_its_cause(tmp_path: Path, name: str) -> None:
    findings: list[Finding] = []
    assert not len(load_dataset(coco(tmp_path, **{"images/1.jpg": name}), note=findings.append))
    missing = findings[0]
    assert (missing.code, missing.severity.value) == ("missing-image", "error")
    assert "a path of another machine" in missing.what
    assert "from the data set's own folder on" in missing.remedy


@pytest.mark.parametrize("name", ["test/a.jpg", "gone.jpg", "..", "", "a\0.jpg", "x" * 5_000])
def test_a_picture_that_is_not_there_is_no_other_one(tmp_path: Path, name: str) -> None:
    """`test/a.jpg` is missing: the picture of its name in `train` is another one."""
    (tmp_path / "test").mkdir()
    findings: list[Finding] = []
    assert not len(load_dataset(coco(tmp_path, **{"train/a.jpg": name}), note=findings.append))
    assert findings[0].code == "missing-image"


def test_of_several_pictures_of_a_name_none_is_guessed(tmp_path: Path) -> None:
    write_picture(tmp_path / "b" / "a.jpg", 9)
    findings: list[Finding] = []
    assert not len(load_dataset(coco(tmp_path, **{"c/a.jpg": "elsewhere\\a.jpg"}), format="coco", note=findings.append))
    assert findings[0].code == "missing-image"


@pytest.mark.parametrize(
    ("box", "form"), [((120.0, 100.0, 180.0, 150.0), "xyxy"), ((0.75, 0.78125, 0.3, 0.3125), "cxcywh-unit")]
)
def test_boxes_of_a_table_in_another_form_are_seen_and_settled(
    tmp_path: Path, box: tuple[float, ...], form: str
) -> None:
    rows = [
        {
            "image": {"bytes": picture_bytes(number, size_wh=SIZE_WH), "path": f"{number}.png"},
            "objects": {"bbox": [list(box)], "category": ["void"]},
        }
        for number in range(8)
    ]
    file = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), file)
    (tmp_path / "train.parquet").write_bytes(file.getvalue())
    (found,) = [finding for finding in examine(tmp_path).findings if finding.code == "box-form"]
    assert found.severity.value == "error"
    assert f"--boxes {form}," in found.remedy
    boxes = load_dataset(tmp_path, boxes=form)[0].boxes
    assert boxes is not None
    assert boxes.boxes_xyxy_px[0] == pytest.approx((120, 100, 180, 150))
