"""What is not read is told: pictures, annotations, by-products, links out of the data set, and an empty data set."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.data import load_dataset, write_dataset
from kenpin.data.doctor import examine, verdict
from kenpin.errors import DatasetError
from kenpin.records import Finding
from tests.builders import write_picture

Write = Callable[[Path], object]


def codes(folder: Path, **how: bool) -> dict[str, str]:
    """Severity of each finding by its code."""
    findings: list[Finding] = []
    load_dataset(folder, note=findings.append, outside=how.get("outside", False))
    return {finding.code: finding.severity.value for finding in findings}


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Six pictures of two classes."""
    for number in range(3):
        write_picture(tmp_path / "parts" / "ok" / f"{number}.png", number)
        write_picture(tmp_path / "parts" / "ng" / f"{number}.png", 50 + number)
    return tmp_path / "parts"


COCO = {"images": [{"id": 1, "file_name": "ok/0.png"}], "annotations": [], "categories": []}


@pytest.mark.parametrize(
    ("name", "content", "code", "severity"),
    [
        ("measured.csv", "part,length,width\n1,10.0,5.0\n2,10.1,5.1\n3,10.2,5.2\n", "other-file", "info"),
        ("twice.csv", "part,length,length\n1,10.0,5.0\n", "other-file", "info"),
        ("headless.csv", "1,10.0,5.0\n", "other-file", "info"),
        ("info.json", '{"camera": "A1"}', "other-file", "info"),
        ("notes.txt", "new lamp", "other-file", "info"),
        ("boxes.json", '{"dm_format_version": "1.0", "items": []}', "annotation-not-read", "warning"),
        ("labels.lst", "0\t1.0\tok/0.png\n", "annotation-not-read", "warning"),
        ("ok/0.yaml", "defects: 3", "annotation-not-read", "warning"),
        ("remarks.txt", "the scratch on 0.png is new", "annotation-not-read", "warning"),
    ],
)
def test_a_file_beside_class_folders_decides_nothing_and_is_told(
    parts: Path, name: str, content: str, code: str, severity: str
) -> None:
    (parts / name).write_text(content)
    data = load_dataset(parts, note=lambda finding: None)
    assert (data.format, len(data), data.classes) == ("folders", 6, ("ng", "ok"))
    assert codes(parts) == {code: severity}


def test_what_a_nas_a_mac_and_windows_leave_is_passed_over(parts: Path) -> None:
    write_picture(parts / "ok" / "@eaDir" / "0.png" / "SYNOPHOTO_THUMB_M.jpg", 1)
    write_picture(parts / "__MACOSX" / "ok" / "a.png", 1)
    (parts / "ng" / "Thumbs.db").write_bytes(b"\xd0\xcf")
    (parts / ".ipynb_checkpoints").mkdir()
    data = load_dataset(parts)
    assert (len(data), data.classes) == (6, ("ng", "ok"))
    (told,) = data.findings
    assert told.code == "by-product"
    for name in ("@eaDir", "__MACOSX", "Thumbs.db"):
        assert name in told.what


def test_two_that_explain_a_folder_equally_well_are_named_with_the_option(tmp_path: Path) -> None:
    write_picture(tmp_path / "images" / "a.png", 1)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 .2 .2\n")
    (tmp_path / "data.yaml").write_text("train: images\nnames: [void]\n")
    box = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    coco = {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [box],
        "categories": [{"id": 1, "name": "void"}],
    }
    (tmp_path / "coco.json").write_text(json.dumps(coco))
    with pytest.raises(DatasetError, match=r"may be coco \(1 annotated .*\) or yolo \(.*Say which, with --format coco"):
        load_dataset(tmp_path)
    for format in ("coco", "yolo"):
        assert load_dataset(tmp_path, format=format, note=lambda finding: None)[0].boxes


@pytest.mark.parametrize("name", ["a.tfrecord", "annotations.pkl", "train.lst"])
def test_pictures_whose_annotations_nobody_read_are_an_error(tmp_path: Path, name: str) -> None:
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / name).write_bytes(b"\x80\x04.")
    found = examine(tmp_path)
    assert {f.code for f in found.findings if f.severity.value == "error"} == {"nothing-annotated"}
    assert "Clean" not in verdict(found)
    with pytest.raises(DatasetError, match="none of its pictures has an annotation"):
        load_dataset(tmp_path)


def test_a_data_set_without_a_picture_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "coco.json").write_text(json.dumps({"images": [], "annotations": [], "categories": []}))
    assert [f.code for f in examine(tmp_path).findings if f.severity.value == "error"] == ["no-pictures"]


def test_a_link_out_of_the_data_set_is_not_followed_and_not_copied(parts: Path, tmp_path: Path) -> None:
    secret = tmp_path / "id_rsa"
    secret.write_text("private")
    (parts / "ng" / "k.png").symlink_to(secret)
    assert codes(parts) == {"link-outside": "error"}
    data = load_dataset(parts, note=lambda finding: None)
    write_dataset(data, tmp_path / "out", "csv")
    assert not [file for file in (tmp_path / "out").rglob("*") if file.is_file() and file.read_bytes() == b"private"]
    assert len(load_dataset(parts, outside=True)) == 7


def test_a_linked_class_folder_is_refused_and_allowed_by_its_option(parts: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    for number in range(2):
        write_picture(elsewhere / f"{number}.png", 90 + number)
    (parts / "void").symlink_to(elsewhere)
    assert codes(parts)["link-outside"] == "error"
    assert "void" in load_dataset(parts, outside=True).column("label")
    (parts / "void").unlink()
    (parts / "again").symlink_to(parts / "ok")
    assert "link-outside" not in codes(parts), "a link that stays inside is nobody's danger"


def _csv(folder: Path, name: str) -> None:
    (folder / "list.csv").write_text(f"path,label\n{name},ok\n")


def _coco(folder: Path, name: str) -> None:
    content = {"images": [{"id": 1, "file_name": name}], "annotations": [], "categories": []}
    (folder / "coco.json").write_text(json.dumps(content))


def _yolo(folder: Path, name: str) -> None:
    (folder / "list.txt").write_text(f"{name}\n")
    (folder / "data.yaml").write_text("train: list.txt\nnames: [void]\n")


def _jsonl(folder: Path, name: str) -> None:
    (folder / "a.jsonl").write_text(json.dumps({"image": name, "suffix": "void<loc_1><loc_2><loc_3><loc_4>"}) + "\n")


@pytest.mark.parametrize("annotate", [_csv, _coco, _yolo, _jsonl])
@pytest.mark.parametrize("is_absolute", [True, False])
def test_annotations_that_name_pictures_elsewhere_are_told(
    tmp_path: Path, annotate: Callable[[Path, str], None], is_absolute: bool
) -> None:
    private = write_picture(tmp_path / "private" / "secret.png", 1)
    folder = tmp_path / "data"
    folder.mkdir()
    annotate(folder, str(private) if is_absolute else os.path.relpath(private, folder))
    assert codes(folder).get("picture-outside") == "warning"
    assert "picture-outside" not in codes(folder, outside=True)
