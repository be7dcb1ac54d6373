"""labelme's and X-AnyLabeling's JSON files: every kind of shape, odd paths, flags, and what is told of the rest."""

from __future__ import annotations

import base64
import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.reading.shapes import stated_size
from kenpin.outlines import Outline
from kenpin.records import Detections, Finding, Severity
from tests.builders import write_picture

SIZE_WH = (64, 48)
RECTANGLE: dict[str, Any] = {"label": "scratch", "points": [[16, 12], [48, 36]], "shape_type": "rectangle"}
POLYGON: dict[str, Any] = {"label": "void", "points": [[4, 4], [10, 4], [10, 9]], "shape_type": "polygon"}


def write(file: Path, *shapes: object, picture: Path | None = None, **changed: object) -> Path:
    """A JSON file with these shapes, beside its picture of 64 × 48; the file."""
    picture = picture or file.with_suffix(".jpg")
    write_picture(picture, sum(map(ord, file.stem)), size_wh=SIZE_WH)
    content: dict[str, object] = {
        "version": "5.5.0",
        "flags": {},
        "shapes": [{"group_id": None, "flags": {}, **s} if isinstance(s, dict) else s for s in shapes],
        "imagePath": picture.name,
        "imageData": None,
        "imageHeight": 48,
        "imageWidth": 64,
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content | changed, indent=2, ensure_ascii=False), "utf-8")
    return file


def read(path: Path, format: str | None = None) -> tuple[Dataset, list[Finding]]:
    findings: list[Finding] = []
    return load_dataset(path, format=format, note=findings.append), findings


def test_rectangles_and_polygons_with_the_picture_in_the_file(tmp_path: Path) -> None:
    for number in range(4):
        picture = write_picture(tmp_path / f"part_{number}.jpg", number, size_wh=SIZE_WH)
        data = base64.b64encode(picture.read_bytes()).decode() * 30  # longer than what a look takes
        path = f"..\\images\\part_{number}.jpg"
        write(tmp_path / f"part_{number}.json", RECTANGLE, POLYGON, picture=picture, imagePath=path, imageData=data)
    found, findings = read(tmp_path)
    assert (found.format, len(found)) == ("labelme", 4)
    boxes = ((16.0, 12.0, 48.0, 36.0), (4.0, 4.0, 10.0, 9.0))
    polygon = Outline(((4.0, 4.0, 10.0, 4.0, 10.0, 9.0),))
    assert all(e.boxes == Detections(boxes, ("scratch", "void"), outlines=(None, polygon)) for e in found)
    assert found[0].size_wh == SIZE_WH
    assert findings == []


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ({"shape_type": "rectangle", "points": [[48, 36], [16, 12]]}, (16, 12, 48, 36)),
        ({"shape_type": "rectangle", "points": [[16, 12], [48, 12], [48, 36], [16, 36]]}, (16, 12, 48, 36)),
        ({"shape_type": "circle", "points": [[20, 20], [23, 24]]}, (15, 15, 25, 25)),
        ({"shape_type": "rotation", "points": [[20, 10], [30, 20], [20, 30], [10, 20]], "direction": math.pi / 4},
         (10, 10, 30, 30)),
        ({"shape_type": "mask", "points": [[3, 4], [9, 11]], "mask": "aGk="}, (3, 4, 9, 11)),
        ({"shape_type": "quadrilateral", "points": [[1, 2], [9, 3], [8, 7], [2, 6]]}, (1, 2, 9, 7)),
        ({"points": [["1", "2"], ["9.5", 3], [8, 7]]}, (1, 2, 9.5, 7)),
    ],
)  # fmt: skip
def test_every_shape_with_an_area_is_a_box(shape: dict[str, Any], box: tuple[float, ...], tmp_path: Path) -> None:
    write(tmp_path / "a.json", {"label": "void", **shape})
    data, findings = read(tmp_path)
    assert data[0].boxes is not None
    assert data[0].boxes.boxes_xyxy_px[0] == pytest.approx(box)
    assert not any(finding.severity is Severity.ERROR for finding in findings)
    outline = (data[0].boxes.outlines or (None,))[0]
    assert (outline is None) == (shape.get("shape_type") in ("rectangle", "mask"))
    if outline is not None:
        assert outline.box_xyxy_px == pytest.approx(box)
        assert outline.oriented == (shape.get("shape_type") == "rotation")


@pytest.mark.parametrize("kind", ["point", "line", "linestrip", "points"])
def test_points_and_lines_are_told(kind: str, tmp_path: Path) -> None:
    write(tmp_path / "a.json", RECTANGLE, {"label": "tip", "points": [[1, 2]], "shape_type": kind})
    data, findings = read(tmp_path)
    assert data[0].boxes == Detections(((16.0, 12.0, 48.0, 36.0),), ("scratch",))
    assert [(f.code, f.severity) for f in findings] == [("shape-not-read", Severity.WARNING)]


@pytest.mark.parametrize(
    "shape",
    [
        {"label": "x", "points": [], "shape_type": "polygon"},
        {"label": "x", "points": [[1, 2]], "shape_type": "circle"},
        {"label": "x", "points": [[1, "a"], [2, 3]], "shape_type": "polygon"},
        {"label": "x", "points": [[1, 2, 3], [2, 3]], "shape_type": "polygon"},
        {"label": "", "points": [[1, 2], [3, 4]], "shape_type": "rectangle"},
        {"label": 7, "points": [[1, 2], [3, 4]], "shape_type": "rectangle"},
        {"label": "x", "points": {"a": 1}},
        {"points": [[1, 2], [3, 4]]},
        7,
        None,
    ],
)
def test_a_broken_shape_is_told_by_its_number_and_the_rest_is_read(shape: object, tmp_path: Path) -> None:
    write(tmp_path / "a.json", RECTANGLE, shape)
    data, findings = read(tmp_path)
    assert data[0].boxes == Detections(((16.0, 12.0, 48.0, 36.0),), ("scratch",))
    assert [(f.code, f.where) for f in findings] == [("box-unparsable", f"{tmp_path / 'a.json'}: shape 1")]


def test_shapes_of_one_group_are_one_object(tmp_path: Path) -> None:
    other = [[30, 1], [40, 1], [40, 3]]
    write(tmp_path / "a.json", {**POLYGON, "group_id": 1}, {**POLYGON, "points": other, "group_id": 1}, POLYGON)
    data, _ = read(tmp_path)
    first, second = (4.0, 4.0, 10.0, 4.0, 10.0, 9.0), (30.0, 1.0, 40.0, 1.0, 40.0, 3.0)
    outlines = (Outline((first, second)), Outline((first,)))
    boxes = ((4.0, 1.0, 40.0, 9.0), (4.0, 4.0, 10.0, 9.0))
    assert data[0].boxes == Detections(boxes, ("void", "void"), outlines=outlines)


def test_splits_empty_and_unannotated_pictures(tmp_path: Path) -> None:
    write(tmp_path / "train" / "a.json", RECTANGLE)
    write(tmp_path / "train" / "b.json")
    write_picture(tmp_path / "val" / "c.png", 3)
    data, findings = read(tmp_path)
    assert findings == []
    facts = {example.id: (example.split, example.boxes) for example in data}
    assert facts["train/b.jpg"] == ("train", Detections())
    assert facts["val/c.png"] == ("validation", None)


def test_pictures_are_found_in_another_folder_and_by_composed_names(tmp_path: Path) -> None:
    name = unicodedata.normalize("NFD", "バリ_ガ")
    picture = write_picture(tmp_path / "images" / f"{name}.JPG", 1, size_wh=SIZE_WH)
    path = unicodedata.normalize("NFC", f"..\\images\\{name}.jpg")
    write(tmp_path / "labels" / "x.json", RECTANGLE, picture=picture, imagePath=path)
    (tmp_path / "labels" / "x.json").rename(tmp_path / "labels" / "x.JSON")
    data, findings = read(tmp_path)
    assert [finding.code for finding in findings] == []
    assert data[0].boxes is not None
    assert data.files() == [str(picture)]


def test_a_picture_that_was_renamed_with_its_file(tmp_path: Path) -> None:
    write(tmp_path / "new.json", RECTANGLE, imagePath="old.jpg")
    assert [example.id for example in read(tmp_path)[0]] == ["new.jpg"]
    write(tmp_path / "gone.json", RECTANGLE)
    (tmp_path / "gone.jpg").unlink()
    data, findings = read(tmp_path)
    assert (len(data), [finding.code for finding in findings]) == (1, ["missing-image"])


def test_a_single_flag_is_the_label(tmp_path: Path) -> None:
    write(tmp_path / "a.json", flags={"ok": True, "ng": False})
    write(tmp_path / "b.json", flags={"ok": True, "ng": True})
    data, findings = read(tmp_path)
    assert [(e.label, e.boxes) for e in data] == [("ok", None), (None, Detections())]
    assert [(f.code, f.severity) for f in findings] == [("several-labels", Severity.WARNING)]


def test_one_file_by_itself(tmp_path: Path) -> None:
    file = write(tmp_path / "a.json", RECTANGLE)
    data, _ = read(file)
    assert (data.format, len(data)) == ("labelme", 1)


def test_other_json_files_are_no_labelme(tmp_path: Path) -> None:
    write(tmp_path / "a.json", RECTANGLE)
    (tmp_path / "0.json").write_text('{"camera": "A1"}')
    (tmp_path / "shapes.json").write_text('{"shapes": 7, "imagePath": 3}')
    data, findings = read(tmp_path)
    assert len(data) == 1
    assert sorted(finding.code for finding in findings) == ["other-file", "unparsable-file"]


def test_what_is_written_is_what_labelme_opens(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.json", RECTANGLE)
    write_dataset(load_dataset(tmp_path / "in"), tmp_path / "out", "labelme")
    content = json.loads((tmp_path / "out" / "a.json").read_text("utf-8"))
    assert set(content) == {"version", "flags", "shapes", "imagePath", "imageData", "imageHeight", "imageWidth"}
    assert (content["imagePath"], content["imageHeight"], content["imageWidth"]) == ("a.jpg", 48, 64)
    assert content["shapes"][0]["points"] == [[16, 12], [48, 36]]


@pytest.mark.parametrize("side", [0, -1, "x", 10**40, 2**31, None, float("nan"), [1]])
def test_a_size_that_no_picture_has_is_no_size(side: object, tmp_path: Path) -> None:
    write(tmp_path / "a.json", RECTANGLE, imageWidth=side)
    assert read(tmp_path)[0][0].size_wh is None
    assert stated_size(48, side) is None
