"""Boxes in Hugging Face tables: nested or at the top level, of any form, and never left without a word."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from datasets import ClassLabel, Features, Image, List, Value

from kenpin.data import Dataset, load_dataset
from kenpin.data.loading import as_dataset
from kenpin.errors import DatasetError
from kenpin.records import Detections, Finding, Severity
from tests.builders import picture_bytes

SIZE_WH = (200, 160)
PICTURE: dict[str, Any] = {"bytes": picture_bytes(1, size_wh=SIZE_WH), "path": "a.png"}
XYWH, XYXY = [120.0, 100.0, 60.0, 50.0], [120.0, 100.0, 180.0, 150.0]
SMALL = [10.0, 10.0, 30.0, 20.0]
VOID, SCRATCH = (120.0, 100.0, 180.0, 150.0), (10.0, 10.0, 40.0, 30.0)


def read(*rows: dict[str, Any], features: dict[str, Any] | None = None) -> tuple[Dataset, list[Finding]]:
    """A table of these rows, each with a picture."""
    full = [{"image": PICTURE, **row} for row in rows]
    findings: list[Finding] = []
    table = datasets.Dataset.from_list(
        full, features=None if features is None else Features({"image": Image(), **features})
    )
    return as_dataset(table, note=findings.append), findings


def told(findings: list[Finding]) -> list[tuple[str, Severity]]:
    return [(finding.code, finding.severity) for finding in findings]


@pytest.mark.parametrize(
    "row",
    [
        {"objects": {"id": [1, 2], "area": [3, 6], "bbox": [XYWH, SMALL], "category": ["void", "scratch"]}},
        {"objects": [{"bbox": XYWH, "category": "void"}, {"bbox": SMALL, "category": "scratch"}]},
        {"annotations": [{"boxes": XYWH, "class_name": "void"}, {"boxes": SMALL, "class_name": "scratch"}]},
        {"faces": {"bbox": [XYWH, SMALL], "labels": ["void", "scratch"]}},
        {"bboxes": [XYWH, SMALL], "labels": ["void", "scratch"]},
        {"bbox": [XYWH, SMALL], "categories": ["void", "scratch"]},
        {"boxes": [[int(v) for v in XYWH], [int(v) for v in SMALL]], "class": ["void", "scratch"]},
    ],
)
def test_boxes_are_found_wherever_they_stand(row: dict[str, Any]) -> None:
    data, findings = read(row, row)
    assert all(e.boxes == Detections((VOID, SCRATCH), ("void", "scratch")) for e in data)
    assert findings == []
    assert data.column("label") == [None, None]


def test_a_row_with_one_box(tmp_path: Path) -> None:
    data, findings = read({"bbox": XYWH, "label": "void", "camera": "A1"})
    assert (data[0].boxes, data[0].label, data[0].attributes) == (
        Detections((VOID,), ("void",)),
        None,
        {"camera": "A1"},
    )
    assert findings == []


def test_rows_without_boxes_and_empty_ones() -> None:
    features = {"bboxes": List(List(Value("float32"))), "labels": List(ClassLabel(names=["unused", "void"]))}
    rows: tuple[dict[str, Any], ...] = (
        {"bboxes": [XYWH], "labels": [1]},
        {"bboxes": [], "labels": []},
        {"bboxes": None, "labels": None},
    )
    data, findings = read(*rows, features=features)
    assert [e.boxes for e in data] == [Detections((VOID,), ("void",)), Detections(), None]
    assert (data.classes, findings) == (("unused", "void"), [])


def test_classes_that_are_numbers_are_told() -> None:
    data, findings = read({"objects": {"bbox": [XYWH, SMALL], "category": [0, 1]}})
    assert data[0].boxes == Detections((VOID, SCRATCH), ("0", "1"))
    assert told(findings) == [("class-without-name", Severity.INFO)]


def test_more_boxes_than_classes_are_told() -> None:
    data, findings = read({"bboxes": [XYWH, SMALL], "labels": ["void"]}, {"bboxes": [XYWH], "labels": ["void"]})
    assert [e.boxes for e in data] == [None, Detections((VOID,), ("void",))]
    assert told(findings) == [("box-unparsable", Severity.ERROR)]


@pytest.mark.parametrize(
    ("form", "box"),
    [("xyxy", XYXY), ("cxcywh-unit", [0.75, 0.78125, 0.3, 0.3125]), ("xyxy-unit", [0.6, 0.625, 0.9, 0.9375])],
)
def test_the_option_settles_what_four_numbers_are(form: str, box: list[float], tmp_path: Path) -> None:
    row = {"image": PICTURE, "objects": {"bbox": [box], "category": ["void"]}}
    pq.write_table(pa.Table.from_pylist([row]), tmp_path / "x.parquet")
    found = load_dataset(tmp_path / "x.parquet", boxes=form)[0].boxes
    assert found is not None
    assert found.boxes_xyxy_px[0] == pytest.approx(VOID)


def test_what_is_not_read_is_a_warning_or_an_error_where_nothing_else_annotates() -> None:
    polygons = {"outlines": [[[1, 2], [3, 4]]], "embedding": [1.0, 2.0]}
    data, findings = read({"label": "ok", **polygons})
    assert (data[0].label, told(findings)) == ("ok", [("column-not-read", Severity.WARNING)])
    assert "Nothing to do" not in findings[0].remedy
    _, findings = read(polygons)
    assert told(findings) == [("nothing-annotated", Severity.ERROR)]
    _, findings = read({"embedding": [1.0, 2.0]})
    assert told(findings) == [("column-not-read", Severity.WARNING)]
    with pytest.raises(DatasetError, match="columns regions are not read, and no other one annotates"):
        as_dataset(datasets.Dataset.from_list([{"image": PICTURE, "regions": [{"x": 1, "y": 2}]}]))


def test_a_second_picture_is_no_attribute() -> None:
    data, findings = read({"label": "ok", "mask": PICTURE}, features={"label": Value("string"), "mask": Image()})
    assert (data[0].attributes, told(findings)) == ({}, [("column-not-read", Severity.WARNING)])
