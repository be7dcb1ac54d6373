"""CVAT for images 1.1: boxes, turned ones, polygons, ellipses, masks, subsets, tags, and what is told of the rest."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kenpin.data import Dataset, load_dataset, write_dataset
from kenpin.errors import DatasetError
from kenpin.masks import mask_of, outline_of
from kenpin.outlines import Outline
from kenpin.records import Detections, Example, Finding, ImageSource, Severity
from tests.builders import write_picture

SIZE_WH = (64, 48)
META = """<meta><task><id>1</id><name>t</name><labels>
<label><name>scratch</name><color>#ff0000</color><type>any</type></label><label><name>unused</name></label>
</labels></task></meta>"""
BOX = '<box label="scratch" source="manual" xtl="16.00" ytl="12.00" xbr="48.00" ybr="36.00" z_order="0"></box>'
POLYGON = '<polygon label="void" source="manual" occluded="0" points="4.0,4.0;10.0,4.0;10.0,9.0" z_order="0"></polygon>'


def image(number: int, shapes: str, *, subset: str = "default", name: str = "") -> str:
    """A picture of 64 × 48 with these shapes."""
    name = name or f"{number:04d}.png"
    about = f'id="{number}" name="{name}" subset="{subset}" task_id="1" width="64" height="48"'
    return f"<image {about}>{shapes}</image>"


def write(folder: Path, *images: str, place: str = "images", meta: str = META) -> Path:
    """A file of these images, with four pictures; their folder."""
    for number in range(4):
        write_picture(folder / place / f"{number:04d}.png", number, size_wh=SIZE_WH)
    inside = f"<version>1.1</version>{meta}{''.join(images)}"
    xml = f'<?xml version="1.0" encoding="utf-8"?>\n<annotations>{inside}</annotations>'
    (folder / "annotations.xml").write_text(xml, "utf-8")
    return folder


def read(path: Path) -> tuple[Dataset, list[Finding]]:
    findings: list[Finding] = []
    return load_dataset(path, note=findings.append), findings


@pytest.mark.parametrize("place", ["images", "images/default", "."])
def test_boxes_and_polygons(place: str, tmp_path: Path) -> None:
    write(tmp_path, *(image(number, BOX + POLYGON) for number in range(4)), place=place)
    for path in (tmp_path, tmp_path / "annotations.xml"):
        data, findings = read(path)
        assert (data.format, len(data), data.splits) == ("cvat", 4, ())
        polygon = Outline(((4.0, 4.0, 10.0, 4.0, 10.0, 9.0),))
        boxes = ((16.0, 12.0, 48.0, 36.0), (4.0, 4.0, 10.0, 9.0))
        expected = Detections(boxes, ("scratch", "void"), outlines=(None, polygon))
        assert all(example.boxes == expected for example in data)
        assert findings == []
    assert data.classes == ("scratch", "unused", "void")
    assert data[0].size_wh == SIZE_WH


@pytest.mark.parametrize(
    ("shape", "box"),
    [
        ('<box label="a" xtl="10" ytl="20" xbr="30" ybr="30" rotation="90.0"/>', (15, 15, 25, 35)),
        (
            '<box label="a" xtl="10" ytl="10" xbr="30" ybr="30" rotation="45"/>',
            (5.857864, 5.857864, 34.142136, 34.142136),
        ),
        ('<ellipse label="a" cx="20" cy="21" rx="5" ry="3"/>', (15, 18, 25, 24)),
        ('<ellipse label="a" cx="20" cy="21" rx="5" ry="3" rotation="90"/>', (17, 16, 23, 26)),
        ('<cuboid label="a" xtl1="1" ytl1="2" xbl1="1" ybl1="9" xtr1="5" ytr1="2" xbr2="8" ybr2="7"/>', (1, 2, 8, 9)),
    ],
)
def test_other_shapes_are_the_boxes_around_them(shape: str, box: tuple[float, ...], tmp_path: Path) -> None:
    data, findings = read(write(tmp_path, *(image(number, shape) for number in range(4))))
    assert data[0].boxes is not None
    assert data[0].boxes.boxes_xyxy_px[0] == pytest.approx(box)
    assert [f.severity for f in findings] == [Severity.INFO] * shape.startswith("<cuboid")
    outline = (data[0].boxes.outlines or (None,))[0]
    assert (outline is not None) == shape.startswith(("<box", "<ellipse")) & (
        "ry" not in shape or "rotation" not in shape
    )
    if outline is not None:
        assert outline.oriented == shape.startswith("<box")
        assert outline.box_xyxy_px == pytest.approx(box)


@pytest.mark.parametrize("size", ['width="64" height="48"', ""], ids=["stated size", "size of the picture"])
def test_a_mask_is_an_outline_of_rows_in_its_own_frame(size: str, tmp_path: Path) -> None:
    # by hand, in rows: . # #   # . #   # # .   . . .
    shape = '<mask label="a" source="manual" rle="1, 3, 1, 3, 4" left="7" top="8" width="3" height="4"/>'
    images = (image(n, shape + BOX).replace('width="64" height="48"', size) for n in range(4))
    data, findings = read(write(tmp_path, *images))
    assert findings == []
    found = data[0].boxes
    assert found is not None
    assert found.outlines is not None
    assert list(found.boxes_xyxy_px) == [(7, 8, 10, 11), (16, 12, 48, 36)], "around the pixels, not around the frame"
    outline, of_box = found.outlines
    assert of_box is None
    assert outline is not None
    mask = np.zeros(SIZE_WH[::-1], bool)
    mask[8:11, 7:10] = [[0, 1, 1], [1, 0, 1], [1, 1, 0]]
    assert (mask_of(outline, SIZE_WH) == mask).all()


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ('rle="1, 3, 1" left="7" top="8" width="3" height="4"', "the runs of the mask do not fill its"),
        ('rle="2, -1, 11" left="7" top="8" width="3" height="4"', "the runs of the mask do not fill its"),
        ('rle="1, x" left="7" top="8" width="3" height="4"', "are no whole numbers"),
        ('left="7" top="8" width="3" height="4"', "are no whole numbers"),
        ('rle="12" left="7" top="8" width="3" height="4"', "has no pixel inside"),
        ('rle="0, 12" left="62" top="8" width="3" height="4"', "reaches out of its picture"),
        ('rle="0, 12" left="-1" top="8" width="3" height="4"', "reaches out of its picture"),
        ('rle="0, 9999999999" left="0" top="0" width="99999" height="100001"', "is that of no picture"),
    ],
)
def test_a_mask_that_cannot_be_read_is_told_and_its_frame_is_kept(about: str, problem: str, tmp_path: Path) -> None:
    shape = f'<mask label="a" {about}/>'
    data, findings = read(write(tmp_path, *(image(n, BOX + shape * (n == 2)) for n in range(4))))
    assert [(f.code, f.where.rpartition(": ")[2]) for f in findings] == [("outline-unparsable", "image 2")]
    assert problem in findings[0].what
    assert data[2].boxes is not None
    assert data[2].boxes.outlines is None
    assert len(data[2].boxes) == 2


@pytest.mark.parametrize("kind", ["points", "polyline", "skeleton"])
def test_points_and_lines_are_told(kind: str, tmp_path: Path) -> None:
    data, findings = read(write(tmp_path, *(image(n, f'{BOX}<{kind} label="a" points="1,2"/>') for n in range(4))))
    assert [(f.code, f.severity) for f in findings] == [("shape-not-read", Severity.WARNING)]
    assert len(data[0].boxes or ()) == 1


def test_subsets_are_splits_and_pictures_without_shapes_are_empty(tmp_path: Path) -> None:
    for subset in ("Train", "Validation"):  # two tasks of a project, with pictures of the same names
        write(tmp_path, place=f"images/{subset}")
    rows = [image(0, BOX, subset="Train"), image(0, "", subset="Validation"), image(1, "", subset="line 3")]
    data, findings = read(write(tmp_path, *rows))
    assert [(e.id, e.split, len(e.boxes or ())) for e in data] == [
        ("images/Train/0000.png", "train", 1),
        ("images/Validation/0000.png", "validation", 0),
        ("images/0001.png", "line 3", 0),
    ]
    assert {finding.code for finding in findings} == {"orphan-image"}


def test_tags_are_labels(tmp_path: Path) -> None:
    tags = ['<tag label="ok"/>', '<tag label="ng"/>', "", '<tag label="ok"/><tag label="ng"/>']
    data, findings = read(write(tmp_path, *(image(number, tag) for number, tag in enumerate(tags))))
    assert [(e.label, e.boxes) for e in data] == [("ok", None), ("ng", None), (None, None), (None, None)]
    assert [(f.code, f.where.rpartition(": ")[2]) for f in findings] == [("several-labels", "image 3")]


@pytest.mark.parametrize(
    "shape",
    [
        '<box label="a" xtl="1" ytl="2" xbr="3"/>',
        '<box label="a" xtl="1" ytl="2" xbr="3" ybr="x"/>',
        '<box xtl="1" ytl="2" xbr="3" ybr="4"/>',
        '<polygon label="a" points=""/>',
        '<polygon label="a" points="1;2"/>',
        '<ellipse label="a" cx="1"/>',
        '<mask label="a" rle="1"/>',
        '<cuboid label="a"/>',
    ],
)
def test_a_broken_shape_is_told_and_the_rest_is_read(shape: str, tmp_path: Path) -> None:
    data, findings = read(write(tmp_path, *(image(number, BOX + shape * (number == 2)) for number in range(4))))
    assert all(len(example.boxes or ()) == 1 for example in data)
    told = [f for f in findings if f.severity is Severity.ERROR]
    assert [(f.code, f.where.rpartition(": ")[2]) for f in told] == [("box-unparsable", "image 2")]


def test_a_video_and_missing_pictures_are_refused_with_what_to_export(tmp_path: Path) -> None:
    write(tmp_path, '<track id="0" label="a"><box frame="0" xtl="1" ytl="2" xbr="3" ybr="4"/></track>')
    with pytest.raises(DatasetError, match=r"tracks of a video .*Export it as CVAT for images, COCO or YOLO"):
        load_dataset(tmp_path, format="cvat")
    write(tmp_path, *(image(number, BOX) for number in range(5)))
    _, findings = read(tmp_path)
    assert [(f.code, f.remedy) for f in findings] == [
        ("missing-image", "Export it with the option to save the images, or put it there")
    ]


def test_what_is_no_xml_or_in_an_encoding_of_its_own(tmp_path: Path) -> None:
    write(tmp_path, *(image(number, BOX.replace("scratch", "キズ")) for number in range(4)))
    text = (tmp_path / "annotations.xml").read_text("utf-8")
    (tmp_path / "annotations.xml").write_bytes(text.replace("utf-8", "Shift_JIS").encode("cp932"))
    assert load_dataset(tmp_path)[0].boxes == Detections(((16.0, 12.0, 48.0, 36.0),), ("キズ",))
    (tmp_path / "annotations.xml").write_text(text[:-20], "utf-8")
    with pytest.raises(DatasetError, match="it is not XML"):
        load_dataset(tmp_path, format="cvat")


def test_what_is_written_has_the_form_of_cvat(tmp_path: Path) -> None:
    data = load_dataset(write(tmp_path / "in", *(image(number, BOX) for number in range(4))))
    write_dataset(data.with_splits(["train", "train", "test", "line 3"]), tmp_path / "out", "cvat")
    text = (tmp_path / "out" / "annotations.xml").read_text("utf-8")
    assert '<image id="3" name="0003.png" width="64" height="48" subset="line 3">' in text
    assert '<box label="scratch" occluded="0" xtl="16.0" ytl="12.0" xbr="48.0" ybr="36.0" />' in text
    assert (tmp_path / "out" / "images" / "line 3" / "0003.png").is_file()


def test_outlines_are_written_as_cvat_draws_them(tmp_path: Path) -> None:
    pixels = np.zeros(SIZE_WH[::-1], bool)
    pixels[8:12, 7:10] = [[0, 1, 1], [1, 0, 1], [1, 1, 0], [0, 0, 1]]
    polygon = Outline(((4.0, 4.5, 10.0, 4.5, 10.0, 9.0),))
    found = Detections(
        ((7.0, 8.0, 10.0, 12.0), (4.0, 4.5, 10.0, 9.0)), ("a", "b"), outlines=(outline_of(pixels), polygon)
    )
    picture = ImageSource(str(write_picture(tmp_path / "a.png", 1, size_wh=SIZE_WH)))
    write_dataset(Dataset.from_examples([Example("a", picture, boxes=found)]), tmp_path / "out", "cvat")
    text = (tmp_path / "out" / "annotations.xml").read_text("utf-8")
    assert '<mask label="a" occluded="0" rle="1, 3, 1, 3, 3, 1" left="7" top="8" width="3" height="4" />' in text
    assert '<polygon label="b" occluded="0" points="4.0,4.5;10.0,4.5;10.0,9.0" />' in text
    assert load_dataset(tmp_path / "out")[0].boxes == found
