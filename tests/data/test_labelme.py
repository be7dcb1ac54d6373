"""labelme's and X-AnyLabeling's JSON files: every kind of shape, odd paths, flags, and what is told of the rest."""

from __future__ import annotations

import base64
import io
import json
import math
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.data.reading.shapes import stated_size
from kenpin.errors import DatasetError
from kenpin.masks import outline_of
from kenpin.outlines import Outline
from kenpin.records import Detections, Example, Finding, ImageSource, Severity
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
    assert (outline is None) == (shape.get("shape_type") == "rectangle")
    if outline is not None:
        assert outline.box_xyxy_px == pytest.approx(box)
        assert outline.oriented == (shape.get("shape_type") == "rotation")


def png(pixels: object) -> str:
    """Pixels of 0 and 1 as labelme keeps them."""
    memory = io.BytesIO()
    Image.fromarray(np.array(pixels, np.uint8)).save(memory, "PNG")
    return base64.b64encode(memory.getvalue()).decode()


MASK: dict[str, Any] = {"label": "void", "shape_type": "mask", "mask": png([[0, 1, 1], [1, 0, 1]])}


@pytest.mark.parametrize(
    ("last", "sizes"),
    [([9, 5], {}), ([10, 6], {}), ([9, 5], {"imageWidth": None})],
    ids=["last pixel", "just past it", "size of the picture"],
)
def test_a_mask_is_an_outline_from_its_upper_left_pixel_on(
    last: list[int], sizes: dict[str, Any], tmp_path: Path
) -> None:
    polygon = {**POLYGON, "group_id": 1, "points": [[20, 4], [24, 4], [24, 8], [20, 8]]}
    shapes = [RECTANGLE, {**MASK, "points": [[7, 4], last]}, {**MASK, "points": [[7, 4], last], "group_id": 1}, polygon]
    write(tmp_path / "a.json", *shapes, **sizes)
    data, findings = read(tmp_path)
    assert findings == []
    found = data[0].boxes
    assert found is not None
    assert found.outlines is not None
    assert list(found.boxes_xyxy_px) == [(16, 12, 48, 36), (7, 4, 10, 6), (7, 4, 24, 8)]
    expected = np.zeros((2, *SIZE_WH[::-1]), bool)
    expected[:, 4:6, 7:10] = [[0, 1, 1], [1, 0, 1]]
    expected[1, 4:8, 20:24] = True
    assert found.outlines == (None, *map(outline_of, expected))


@pytest.mark.parametrize(
    ("changed", "problem"),
    [
        ({"mask": "aGk="}, "its mask is not a picture in base 64 (the content is not a picture"),
        ({"mask": "?"}, "its mask is not a picture in base 64"),
        ({"mask": None}, "its mask is not a picture in base 64"),
        ({"points": [[7, 4], [12, 5]]}, "its mask has 3 × 2 pixels, its frame 6 × 2"),
        ({"points": [[62, 4], [64, 5]]}, "reaches out of its picture"),
        ({"mask": png([[0, 0, 0], [0, 0, 0]])}, "no pixel inside"),
    ],
)
def test_a_mask_that_cannot_be_read_is_told_and_its_frame_is_kept(
    changed: dict[str, Any], problem: str, tmp_path: Path
) -> None:
    write(tmp_path / "a.json", RECTANGLE, {**MASK, "points": [[7, 4], [9, 5]], **changed})
    data, findings = read(tmp_path)
    assert [(f.code, f.where.rpartition(": ")[2]) for f in findings] == [("outline-unparsable", "shape 1")]
    assert problem in findings[0].what
    assert data[0].boxes is not None
    assert data[0].boxes.outlines is None
    assert len(data[0].boxes) == 2


def test_outlines_are_written_as_labelme_draws_them(tmp_path: Path) -> None:
    two = Outline(((4.0, 4.0, 10.0, 4.0, 10.0, 9.0), (20.5, 4.0, 24.0, 4.0, 24.0, 8.0)))
    pixels = np.zeros(SIZE_WH[::-1], bool)
    pixels[4:6, 7:10] = [[0, 1, 1], [1, 0, 1]]
    empty = outline_of(np.zeros_like(pixels))
    boxes = ((4.0, 4.0, 24.0, 9.0), (7.0, 4.0, 10.0, 6.0), (1.0, 2.0, 3.0, 4.0))
    found = Detections(boxes, ("a", "b", "c"), outlines=(two, outline_of(pixels), empty))
    picture = ImageSource(str(write_picture(tmp_path / "a.png", 1, size_wh=SIZE_WH)))
    write_dataset(Dataset.from_examples([Example("a", picture, boxes=found)]), tmp_path / "out", "labelme")
    shapes = json.loads((tmp_path / "out" / "a.json").read_text())["shapes"]
    assert [(s["label"], s["shape_type"], s["group_id"]) for s in shapes] == [
        ("a", "polygon", 1), ("a", "polygon", 1), ("b", "mask", None), ("c", "rectangle", None)
    ]  # fmt: skip
    assert shapes[2]["points"] == [[7, 4], [9, 5]], "the last pixel is counted in"
    assert np.asarray(Image.open(io.BytesIO(base64.b64decode(shapes[2]["mask"])))).tolist() == [[0, 1, 1], [1, 0, 1]]
    back = load_dataset(tmp_path / "out")[0].boxes
    assert back == Detections(boxes, found.labels, outlines=(two, outline_of(pixels), None))


@pytest.mark.parametrize("name", ["labelme", "cvat", "yolo"])
def test_a_mask_of_another_size_than_its_picture_is_not_written(name: str, tmp_path: Path) -> None:
    found = Detections(((0.0, 0.0, 1.0, 1.0),), ("a",), outlines=(outline_of(np.eye(9)),))
    picture = ImageSource(str(write_picture(tmp_path / "a.png", 1, size_wh=SIZE_WH)))
    with pytest.raises(DatasetError, match=r"^a: a mask has \(9, 9\) pixels, the picture \(64, 48\)\. Export"):
        write_dataset(Dataset.from_examples([Example("a", picture, boxes=found)]), tmp_path / "out", name)


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
