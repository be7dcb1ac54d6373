"""What is wrong in annotations is told by name and place and the rest is read; strict loading ends in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kenpin.data import load_dataset
from kenpin.errors import DatasetError
from kenpin.records import Finding, Severity
from tests.builders import write_mask, write_picture

Build = Callable[[Path], object]


def coco(**changed: Any) -> Build:
    """A COCO file of one good picture and box, with some keys changed."""
    content: dict[str, Any] = {
        "images": [{"id": 0, "file_name": "a.png"}],
        "annotations": [{"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 0, "name": "void"}],
    }
    return text("coco.json", json.dumps(content | changed))


def text(name: str, content: str | bytes) -> Build:
    """Write one file beside a good picture `a.png`."""

    def build(folder: Path) -> None:
        write_picture(folder / "a.png", 1)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)

    return build


def yolo(config: str = "train: images\nnames: [void]", label: str | bytes = "0 .5 .5 .1 .2", **more: str) -> Build:
    def build(folder: Path) -> None:
        write_picture(folder / "images" / "a.png", 1)
        files = {"data.yaml": config, "labels/a.txt": label, **{f"labels/{k}.txt": v for k, v in more.items()}}
        for name, content in files.items():
            text(name, content)(folder)

    return build


def voc(xml: str = "<annotation/>", **more: str) -> Build:
    def build(folder: Path) -> None:
        write_picture(folder / "JPEGImages" / "a.png", 1)
        for name, content in {"a": xml, **more}.items():
            text(f"Annotations/{name}.xml", content)(folder)

    return build


def bndbox(values: str, name: str = "void") -> str:
    keys = ("xmin", "ymin", "xmax", "ymax")
    corners = "".join(f"<{key}>{value}</{key}>" for key, value in zip(keys, values.split(), strict=False))
    return f"<annotation><object><name>{name}</name><bndbox>{corners}</bndbox></object></annotation>"


def mvtec(folder: Path) -> None:
    write_picture(folder / "train" / "good" / "a.png", 1)
    write_picture(folder / "test" / "crack" / "a.png", 2)


def orphan_mask(folder: Path) -> None:
    mvtec(folder)
    write_mask(folder / "ground_truth" / "crack" / "a_mask.png", ())
    write_mask(folder / "ground_truth" / "crack" / "b_mask.png", ())


def broken_mask(folder: Path) -> None:
    mvtec(folder)
    text("ground_truth/crack/a_mask.png", b"no picture")(folder)


def damaged_picture(name: str, content: str) -> Build:
    def build(folder: Path) -> None:
        text(name, content)(folder)
        (folder / "b.png").write_bytes(b"no picture")

    return build


def damaged_yolo_picture(folder: Path) -> None:
    yolo()(folder)
    (folder / "images" / "b.png").write_bytes(b"no picture")


def two_xml_files(folder: Path) -> None:
    voc(
        "<annotation><filename>a.png</filename></annotation>",
        other="<annotation><filename>a.png</filename></annotation>",
    )(folder)


IMAGE = {"id": 0, "file_name": "a.png"}
BOX = {"id": 0, "image_id": 0, "category_id": 0, "bbox": [1, 2, 3, 4]}
LINE = '{"image": "a.png", "suffix": "void<loc_1><loc_2><loc_3><loc_4>"}\n'
PALI = '{"image": "a.png", "suffix": "<loc0001><loc0002><loc0003><loc0004> void"}\n'
IDX_IMAGES = bytes([0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 2, 1, 2, 3, 4])
IDX_LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 1, 5])


def idx(images: bytes = IDX_IMAGES, labels: bytes | None = IDX_LABELS, classes: str | None = None) -> Build:
    def build(folder: Path) -> None:
        files = {"images-idx3-ubyte": images, "labels-idx1-ubyte": labels}
        for name, content in files.items():
            if content is not None:
                (folder / name).write_bytes(content)
        if classes is not None:
            (folder / "classes.json").write_text(classes)

    return build


def two_syntaxes(folder: Path) -> None:
    text("x.jsonl", PALI + LINE.replace("a.png", "b.png"))(folder)
    write_picture(folder / "b.png", 2)


FAULTS: list[tuple[str, str, str, Build]] = [
    # format, code of the finding, what its place ends in, how to build it
    ("coco", "unparsable-file", "coco.json", text("coco.json", '{"images": [], "annotations": [')),
    ("coco", "unparsable-file", "coco.json", text("coco.json", b'{"images": "\xff", "annotations": []}')),
    ("coco", "unparsable-file", "coco.json", coco(categories=7)),
    ("coco", "missing-image", "image 1", coco(images=[IMAGE, {"id": 1, "file_name": "gone.png"}])),
    ("coco", "unparsable-line", "image 1", coco(images=[IMAGE, "b.png"])),
    ("coco", "unparsable-line", "image 1", coco(images=[IMAGE, {"id": [2], "file_name": "a.png"}])),
    ("coco", "duplicate-id", "image 1", coco(images=[IMAGE, {"id": 0, "file_name": "b.png"}])),
    ("coco", "duplicate-id", "image 1", coco(images=[IMAGE, {"id": 1, "file_name": "a.png"}])),
    ("coco", "orphan-annotation", "annotation 1", coco(annotations=[BOX, BOX | {"image_id": 9}])),
    ("coco", "unparsable-line", "annotation 1", coco(annotations=[BOX, None])),
    ("coco", "unknown-class-id", "annotation 1", coco(annotations=[BOX, BOX | {"category_id": 9}])),
    ("coco", "box-unparsable", "annotation 1", coco(annotations=[BOX, BOX | {"bbox": [1, 2, 3]}])),
    ("coco", "box-unparsable", "annotation 1", coco(annotations=[BOX, BOX | {"bbox": [1, 2, 3, float("nan")]}])),
    ("coco", "box-unparsable", "annotation 1", coco(annotations=[BOX, BOX | {"bbox": [1, 2, 3, 10**400]}])),
    ("coco", "duplicate-id", "category 1", coco(categories=[{"id": 0, "name": "void"}, {"id": 0, "name": "b"}])),
    ("coco", "unparsable-line", "category 1", coco(categories=[{"id": 0, "name": "void"}, {"id": 1}])),
    ("yolo", "unparsable-line", "a.txt:2", yolo(label="0 .5 .5 .1 .2\n0 .5 .5 .1\n")),
    ("yolo", "unparsable-line", "a.txt:2", yolo(label="0 .5 .5 .1 .2\n0 .5 .5 .1 x\n")),
    ("yolo", "unparsable-line", "a.txt:2", yolo(label="0 .5 .5 .1 .2\n0 .5 .5 .1 .1 .9\n")),
    ("yolo", "unparsable-line", "a.txt:2", yolo(label="0 .5 .5 .1 .2\n0 .5 .5 .1 inf\n")),
    ("yolo", "unparsable-file", "a.txt", yolo(label=b"\xff\xfe\x00")),
    ("yolo", "unknown-class-id", "a.txt:2", yolo(label="0 .5 .5 .1 .2\n1 .5 .5 .1 .1\n")),
    ("yolo", "unknown-class-id", "a.txt:1", yolo(label="void .5 .5 .1 .1\n")),
    ("yolo", "orphan-annotation", "gone.txt", yolo(gone="0 .5 .5 .1 .2")),
    ("yolo", "unparsable-file", "data.yaml", yolo("names: [void\ntrain: images")),
    ("yolo", "unparsable-file", "data.yaml", yolo("names: {a: b}\ntrain: images")),
    ("yolo", "missing-file", "data.yaml", yolo("train: images\nval: gone\nnames: [void]")),
    ("yolo", "unreadable-image", "b.png", damaged_yolo_picture),
    ("voc", "unparsable-file", "a.xml", voc("<annotation><object>")),
    ("voc", "box-unparsable", "object 0", voc(bndbox("1 2 3"))),
    ("voc", "box-unparsable", "object 0", voc(bndbox("1 2 3 x"))),
    ("voc", "box-unparsable", "object 0", voc(bndbox("1 2 3 4", name=""))),
    ("voc", "missing-image", "gone.xml", voc(gone="<annotation/>")),
    ("voc", "duplicate-id", "other.xml", two_xml_files),
    ("florence2_jsonl", "unparsable-line", "x.jsonl:2", text("x.jsonl", LINE + "{")),
    ("florence2_jsonl", "unparsable-line", "x.jsonl:2", text("x.jsonl", LINE + '["a.png"]')),
    (
        "florence2_jsonl",
        "unparsable-line",
        "x.jsonl:1",
        text("x.jsonl", LINE.replace('"suffix"', '"prefix": 7, "suffix"')),
    ),
    ("florence2_jsonl", "missing-image", "x.jsonl:2", text("x.jsonl", LINE + '{"image": "gone.png", "suffix": ""}')),
    ("florence2_jsonl", "duplicate-id", "x.jsonl:2", text("x.jsonl", LINE + LINE)),
    ("florence2_jsonl", "answer-not-understood", "x.jsonl:1", text("x.jsonl", LINE.replace("<loc_4>", ""))),
    ("florence2_jsonl", "unreadable-image", "b.png", damaged_picture("x.jsonl", LINE + LINE.replace("a.png", "b.png"))),
    ("paligemma_jsonl", "answer-not-understood", "x.jsonl:1", text("x.jsonl", PALI.replace("<loc0004>", ""))),
    ("paligemma_jsonl", "answer-not-understood", "x.jsonl:2", two_syntaxes),
    ("csv", "missing-image", "x.csv:3", text("x.csv", "path,label\na.png,ok\ngone.png,ok\n")),
    ("csv", "duplicate-id", "x.csv:3", text("x.csv", "path,label\na.png,ok\n./a.png,bad\n")),
    ("csv", "unparsable-line", "x.csv:3", text("x.csv", "path,label\na.png,ok\na.png,b,c\n")),
    ("csv", "text-encoding", "x.csv", text("x.csv", b"path,label\na.png,\x95s\x97\xc7\n")),
    ("csv", "unparsable-file", "x.csv", text("x.csv", b"path,label\na.png,ok\0\n")),
    ("idx", "unparsable-file", "images-idx3-ubyte", idx(IDX_IMAGES[:-1])),
    ("idx", "unparsable-file", "images-idx3-ubyte", idx(b"")),
    ("idx", "unparsable-file", "labels-idx1-ubyte", idx(labels=bytes([0, 0, 8, 1, 0, 0, 0, 2, 5, 6]))),
    ("idx", "missing-file", "labels-idx1-ubyte", idx(labels=None)),
    ("idx", "unknown-class-id", "picture 0", idx(classes='["a"]')),
    ("idx", "unparsable-file", "classes.json", idx(classes='{"a": 1}')),
    ("mvtec", "orphan-annotation", "b_mask.png", orphan_mask),
    ("mvtec", "unreadable-image", "a_mask.png", broken_mask),
]


@pytest.mark.parametrize(
    ("name", "code", "place", "build"), FAULTS, ids=[f"{n}-{c}-{i}" for i, (n, c, *_) in enumerate(FAULTS)]
)
def test_a_fault_is_told_and_the_rest_is_read(name: str, code: str, place: str, build: Build, tmp_path: Path) -> None:
    build(tmp_path)
    findings: list[Finding] = []
    data = load_dataset(tmp_path, format=name, note=findings.append)
    told = [finding for finding in findings if finding.code == code]
    assert told, f"told were only {[str(finding) for finding in findings]}"
    assert told[0].where.endswith(place)
    assert not any(mark in finding.what + finding.remedy for finding in findings for mark in (". .", "..", "\n"))
    assert not any(text.endswith(".") for finding in findings for text in (finding.what, finding.remedy))
    if code not in ("unparsable-file", "missing-file"):
        assert len(data), "the good rows are kept"
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        with pytest.raises(DatasetError) as refusal:
            load_dataset(tmp_path, format=name)
        assert str(refusal.value).startswith(str(errors[0]))
        assert f"kenpin doctor {tmp_path}" in str(refusal.value)
    else:
        assert len(load_dataset(tmp_path, format=name)) == len(data)


def test_a_damaged_picture_is_kept_without_boxes(tmp_path: Path) -> None:
    damaged_yolo_picture(tmp_path)
    data = load_dataset(tmp_path, note=lambda finding: None)
    assert [example.boxes is None for example in data] == [False, True]


def test_what_was_understood_of_a_half_wrong_answer_is_kept(tmp_path: Path) -> None:
    text("x.jsonl", LINE.replace('"}', '<loc_9><loc_9><loc_1><loc_1>"}'))(tmp_path)
    found = load_dataset(tmp_path, note=lambda finding: None)[0].boxes
    assert found is not None
    assert found.labels == ("void",)


@pytest.mark.parametrize("name", ["coco", "csv", "florence2_jsonl"])
def test_pictures_that_no_annotation_names_are_told(name: str, tmp_path: Path) -> None:
    build = {"coco": coco(), "csv": text("x.csv", "path\na.png\n"), "florence2_jsonl": text("x.jsonl", LINE)}[name]
    build(tmp_path)
    write_picture(tmp_path / "b.png", 2)
    findings: list[Finding] = []
    assert len(load_dataset(tmp_path, note=findings.append)) == 1
    assert [(finding.code, finding.severity) for finding in findings] == [("orphan-image", Severity.WARNING)]
    assert str(tmp_path / "b.png") in findings[0].what


def test_files_among_the_pictures_are_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "ok" / "a.png", 1)
    (tmp_path / "ok" / "drawing.pdf").write_bytes(b"")
    findings: list[Finding] = []
    load_dataset(tmp_path, note=findings.append)
    assert [finding.code for finding in findings] == ["picture-not-opened"]
    assert "drawing.pdf" in findings[0].what
