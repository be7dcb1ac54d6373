"""Pascal VOC as tools and published sets have it: encodings, class folders, composed names, oriented boxes."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from kenpin.data import Dataset, load_dataset
from kenpin.errors import DatasetError
from kenpin.records import Detections, Finding
from tests.builders import write_picture

SIZE_WH = (64, 48)
BOX = (16.0, 12.0, 48.0, 36.0)
BNDBOX = "<bndbox><xmin>16</xmin><ymin>12</ymin><xmax>48</xmax><ymax>36</ymax></bndbox>"


def xml(name: str, label: str = "void", *, folder: str = "", shape: str = BNDBOX) -> str:
    """An annotation of one object."""
    return (
        f"<annotation><folder>{folder}</folder><filename>{name}</filename><size><width>64</width><height>48</height></size>"
        f"<object><name>{label}</name>{shape}</object></annotation>"
    )


def annotated(
    picture: Path, annotation: Path, content: str | None = None, *, seed: int = 0, encoding: str = "utf-8"
) -> None:
    """Write a picture and its XML file."""
    write_picture(picture, seed, size_wh=SIZE_WH)
    annotation.parent.mkdir(parents=True, exist_ok=True)
    annotation.write_bytes((content or xml(picture.name)).encode(encoding))


def read(path: Path, format: str | None = None) -> tuple[Dataset, list[Finding]]:
    findings: list[Finding] = []
    return load_dataset(path, format=format, note=findings.append), findings


@pytest.mark.parametrize(
    ("head", "encoding", "label"),
    [
        ('<?xml version="1.0" encoding="gb2312"?>', "gb2312", "划痕"),
        ('<?xml version="1.0" encoding="Shift_JIS"?>', "cp932", "キズ①"),
        ("<?xml version='1.0' encoding='euc-jp' standalone='yes'?>", "euc_jp", "キズ"),
        ('<?xml version="1.0" encoding="UTF-16"?>', "utf-16", "キズ"),
        ('<?xml version="1.0" encoding="utf8"?>', "utf-8", "キズ"),
        ("", "utf-8-sig", "キズ"),
    ],
)
def test_declared_encodings_are_read(head: str, encoding: str, label: str, tmp_path: Path) -> None:
    annotated(tmp_path / "a.jpg", tmp_path / "a.xml", head + xml("a.jpg", label), encoding=encoding)
    data, findings = read(tmp_path)
    assert (data.format, findings) == ("voc", [])
    assert data[0].boxes == Detections((BOX,), (label,))


def test_an_encoding_that_is_not_declared_is_refused_with_its_cause_and_settled_by_the_option(tmp_path: Path) -> None:
    annotated(tmp_path / "a.jpg", tmp_path / "a.xml", xml("a.jpg", "划痕"), encoding="gbk")
    with pytest.raises(DatasetError, match=r"a\.xml: it declares no encoding and is not UTF-8; .*gb18030.*--encoding"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, encoding="gb18030")[0].boxes == Detections((BOX,), ("划痕",))


@pytest.mark.parametrize("case", [str, str.upper])
def test_steel_defects_with_pictures_in_class_folders(case: type[str], tmp_path: Path) -> None:
    for split in ("train", "validation"):
        base = tmp_path / split
        for label in ("crazing", "inclusion"):
            for number in range(3):
                stem = f"{label}_{number}"
                picture = base / case("images") / label / f"{stem}.{case('jpg')}"
                file = base / case("annotations") / f"{stem}.{case('xml')}"
                annotated(picture, file, xml(picture.name, label, folder=label), seed=number)
    data, findings = read(tmp_path)
    assert (len(data), findings) == (12, [])
    assert all(e.boxes == Detections((BOX,), (e.id.split("/")[2],)) for e in data)
    assert [data.column("split").count(split) for split in ("train", "validation")] == [6, 6]


@pytest.mark.parametrize("stem", ["01_{}_{:02}", "{1}"])
def test_boards_with_both_in_class_folders(stem: str, tmp_path: Path) -> None:
    for label, name in (("Missing_hole", "missing_hole"), ("Spur", "spur")):
        for number in range(3):
            file = stem.format(name, number)
            annotated(
                tmp_path / "images" / label / f"{file}.jpg",
                tmp_path / "Annotations" / label / f"{file}.xml",
                xml(f"{file}.jpg", name, folder=label),
                seed=number,
            )
    data, findings = read(tmp_path)
    assert (len(data), findings) == (6, [])
    for example in data:
        assert example.boxes == Detections((BOX,), (example.id.split("/")[1].lower(),))


def test_pictures_of_one_name_are_told_apart_by_folder_or_refused(tmp_path: Path) -> None:
    for label in ("a", "b"):
        write_picture(tmp_path / "images" / label / "1.jpg", ord(label))
    (tmp_path / "annotations").mkdir()
    (tmp_path / "annotations" / "1.xml").write_text(xml("1.jpg", folder="b"))
    data, _ = read(tmp_path, "voc")
    assert [example.id for example in data if example.boxes is not None] == ["images/b/1.jpg"]
    (tmp_path / "annotations" / "1.xml").write_text(xml("1.jpg", folder="raw"))
    _, findings = read(tmp_path, "voc")
    assert [finding.code for finding in findings if "it may belong to" in finding.what] == ["missing-image"]


def test_files_beside_the_pictures_in_class_folders(tmp_path: Path) -> None:
    for folder in ("ok", "ng"):
        annotated(tmp_path / folder / "1.jpg", tmp_path / folder / "1.xml", seed=len(folder))
    data, findings = read(tmp_path)
    assert (data.format, findings) == ("voc", [])
    assert {example.id for example in data if example.boxes} == {"ok/1.jpg", "ng/1.jpg"}
    write_picture(tmp_path / "raw" / "2.jpg", 7)
    data, findings = read(tmp_path, "voc")
    assert len(data) == 2, "a folder without XML files is none of its own"
    assert [finding.code for finding in findings] == ["orphan-image"]


def test_names_that_macos_decomposed_are_found(tmp_path: Path) -> None:
    stems = [unicodedata.normalize("NFC", stem) for stem in ("バリ_ガ", "한글부품", "Prüfling", "ABC")]
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    for seed, stem in enumerate(stems):
        on_disk = unicodedata.normalize("NFD", stem) if stem != "ABC" else "abc"
        annotated(tmp_path / "JPEGImages" / f"{on_disk}.jpg", tmp_path / "Annotations" / f"{stem}.xml", seed=seed)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("\n".join(stems[:3]))
    data, findings = read(tmp_path)
    assert [finding for finding in findings if finding.code != "picture-found-below"] == []
    assert all(example.boxes == Detections((BOX,), ("void",)) for example in data)
    assert sorted(map(str, data.column("split"))) == ["None", "validation", "validation", "validation"]


@pytest.mark.parametrize(
    ("shape", "box", "told"),
    [
        (
            "<robndbox><cx>32</cx><cy>24</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>",
            (27, 14, 37, 34),
            "oriented",
        ),
        (
            "<robndbox><cx>32</cx><cy>24</cy><w>20</w><h>20</h><angle>0.7853981633974483</angle></robndbox>",
            (17.857864, 9.857864, 46.142136, 38.142136),
            "oriented",
        ),
        (
            "<polygon><x1>16</x1><y1>20</y1><x2>40</x2><y2>12</y2><x3>48</x3><y3>36</y3></polygon>" + BNDBOX,
            BOX,
            "polygon",
        ),
        ("<polygon><x1>16</x1><y1>20</y1><x2>40</x2><y2>12</y2><x3>48</x3><y3>36</y3></polygon>", BOX, "polygon"),
        ("<polygon><pt><x>16</x><y>36</y></pt><pt><x>48</x><y>12</y></pt></polygon>", BOX, "a box alone"),
        ("<polygon></polygon>", None, "box-unparsable"),
        ("<robndbox><cx>32</cx></robndbox>", None, "box-unparsable"),
        ("<robndbox><cx>32</cx><cy>24</cy><w>20</w><h>20</h><angle>nan</angle></robndbox>", None, "box-unparsable"),
    ],
)  # fmt: skip
def test_oriented_boxes_and_polygons_are_outlines(
    shape: str, box: tuple[float, ...] | None, told: str, tmp_path: Path
) -> None:
    annotated(tmp_path / "a.jpg", tmp_path / "a.xml", xml("a.jpg", shape=shape))
    data, findings = read(tmp_path)
    assert data[0].boxes is not None
    assert [pytest.approx(b) for b in data[0].boxes.boxes_xyxy_px] == ([] if box is None else [box])
    outline = (data[0].boxes.outlines or (None,))[0]
    assert (outline is not None) == (told in ("oriented", "polygon"))
    if outline is not None:
        assert outline.oriented == (told == "oriented")
        assert outline.box_xyxy_px == pytest.approx(box)
    assert [finding.code for finding in findings if finding.severity.value == "error"] == [told] * told.startswith(
        "box-"
    )


def test_another_xml_file_is_told_and_no_picture_is_missed(tmp_path: Path) -> None:
    annotated(tmp_path / "a.jpg", tmp_path / "a.xml")
    (tmp_path / "camera.xml").write_text("<settings/>")
    data, findings = read(tmp_path)
    assert len(data) == 1
    assert [finding.code for finding in findings] == ["annotation-not-read"]
    assert "<settings>" in findings[0].what
