"""Names of files that are no UTF-8, decomposed, or of another case: pictures and annotations are found and readable."""

from __future__ import annotations

import json
import os
import unicodedata
from pathlib import Path

import pytest

from kenpin.data import load_dataset
from kenpin.data.reading.pictures import ByStem
from kenpin.records import Detections, Finding
from tests.builders import write_picture
from tests.commands import Run

GOOD, BAD = "良品", "キズ"


def write_named(root: Path, *parts: bytes, seed: int) -> None:
    """A picture under names that are bytes."""
    write_picture(root.joinpath(*map(os.fsdecode, parts)), seed, size_wh=(64, 48))


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A ZIP of Japanese Windows unpacked on Linux: folders, or names of pictures, in CP932."""
    for number in range(24):
        label = GOOD if number % 2 else BAD
        write_named(tmp_path / "folders", label.encode("cp932"), b"%03d.png" % number, seed=number)
        write_named(
            tmp_path / "names", b"ok" if number % 2 else b"ng", f"写真{number:03}.png".encode("cp932"), seed=number
        )
    return tmp_path


def test_names_in_another_encoding_are_read_as_what_they_say(unpacked: Path) -> None:
    findings: list[Finding] = []
    data = load_dataset(unpacked / "folders", note=findings.append)
    assert (data.classes, len(data), findings) == ((BAD, GOOD), 24, [])
    assert data[1].id == f"{BAD}/002.png"
    data = load_dataset(unpacked / "names", note=findings.append)
    assert (data.classes, len(data), findings) == (("ng", "ok"), 24, [])
    assert data[0].id == "ng/写真000.png"
    assert all(file is not None and Path(file).is_file() for file in data.files())
    for example in data:  # every column can be stored and printed
        json.dumps([example.id, example.label, example.origin], ensure_ascii=False).encode()


@pytest.mark.parametrize("form", ["folders", "names"])
def test_every_command_works_with_such_names(form: str, unpacked: Path, kenpin: Run) -> None:
    data = str(unpacked / form)
    assert kenpin("doctor", data)[0] == 0
    truth = load_dataset(data)
    for format in ("csv", "folders", "huggingface"):
        status, _, told = kenpin("convert", data, str(unpacked / f"as_{format}"), "--to", format)
        assert status == 0, told
        again = load_dataset(unpacked / f"as_{format}")
        assert sorted(again.column("label")) == sorted(truth.column("label"))
        assert sorted(again.contents()) == sorted(truth.contents())
    run = str(unpacked / "run")
    words = ("train", "classifier", "--data", data, "--out", run, "--base", "toy", "--tuning", "head", "--no-report")
    status, _, told = kenpin(*words)
    assert status == 0, told
    more = ("--json", str(unpacked / "answers.json"), "--draw", str(unpacked / "drawn"))
    status, _, told = kenpin("predict", run, data, *more)
    assert status in (0, 1), told
    answers = json.loads((unpacked / "answers.json").read_text("utf-8"))["predictions"]
    assert all(answer["seen"] for answer in answers)
    assert len(list((unpacked / "drawn").iterdir())) == 24
    assert [Path(answer["id"]).name for answer in answers] == [Path(id).name for id in sorted(truth.column("id"))]


def test_one_odd_name_does_not_stop_the_others(tmp_path: Path) -> None:
    for number, name in enumerate((b"a.png", b"\xff\xfe.png", "写真.png".encode("cp932"), "写真.png".encode())):
        write_named(tmp_path / "ok", name, seed=number)
        write_named(tmp_path / "ng", name, seed=10 + number)
    data = load_dataset(tmp_path)
    assert len(data) == 8
    assert len(set(data.files())) == 8


NFC = [unicodedata.normalize("NFC", stem) for stem in ("バリ_ガ", "한글부품", "Prüfling")]
BOX = Detections(((16.0, 12.0, 48.0, 36.0),), ("void",))


@pytest.mark.parametrize("form", ["coco", "csv"])
def test_pictures_that_macos_decomposed_are_found_by_composed_names(form: str, tmp_path: Path) -> None:
    for seed, stem in enumerate(NFC):
        name = unicodedata.normalize("NFD", stem)
        write_picture(tmp_path / "images" / f"{name}.jpg", seed, size_wh=(64, 48))
    if form == "coco":
        content = {
            "images": [{"id": n, "file_name": f"{s}.jpg", "width": 64, "height": 48} for n, s in enumerate(NFC)],
            "annotations": [{"id": n, "image_id": n, "category_id": 1, "bbox": [16, 12, 32, 24]} for n in range(3)],
            "categories": [{"id": 1, "name": "void"}],
        }
        (tmp_path / "annotations").mkdir()
        (tmp_path / "annotations" / "instances.json").write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    else:
        (tmp_path / "data.csv").write_text("path,label\n" + "".join(f"images/{s}.jpg,void\n" for s in NFC), "utf-8")
    data = load_dataset(tmp_path)
    assert (data.format, len(data)) == (form, 3)
    assert all((e.boxes == BOX) if form == "coco" else (e.label == "void") for e in data)


def test_stems_are_matched_as_written_first() -> None:
    names = ByStem(["a/X.png", "a/x.jpg", "b/x.png", unicodedata.normalize("NFD", "b/é.png")])
    assert names.of("X") == ["a/X.png"]
    assert names.of("x") == ["a/x.jpg", "b/x.png"]
    assert names.of("É") == [unicodedata.normalize("NFD", "b/é.png")]
    assert names.of("y") == []


@pytest.mark.parametrize("ending", ["JPG", "Jpeg", "PNG"])
def test_endings_in_capitals(ending: str, tmp_path: Path) -> None:
    write_picture(tmp_path / "csv" / f"A.{ending}", 1, size_wh=(64, 48))
    (tmp_path / "csv" / "LIST.CSV").write_text(f"PATH,CLASS\na.{ending.lower()},void\n")
    assert load_dataset(tmp_path / "csv")[0].label == "void"
    write_picture(tmp_path / "voc" / f"A.{ending}", 1, size_wh=(64, 48))
    (tmp_path / "voc" / "A.XML").write_text("<annotation><filename>A.JPG</filename></annotation>")
    assert load_dataset(tmp_path / "voc")[0].boxes == Detections()
    write_picture(tmp_path / "labelme" / f"A.{ending}", 1, size_wh=(64, 48))
    (tmp_path / "labelme" / "A.JSON").write_text('{"shapes": [], "imagePath": "a.jpg"}')
    assert load_dataset(tmp_path / "labelme")[0].boxes == Detections()
