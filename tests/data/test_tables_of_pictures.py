"""CSV files as Excel, cameras and annotation tools write them: any encoding and head, boxes, 0 and 1, faults."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data import Dataset, load_dataset
from kenpin.data.doctor import examine
from kenpin.data.reading.columns import column_of
from kenpin.data.reading.delimited import table_of_text
from kenpin.errors import DatasetError
from kenpin.records import Detections, Finding, Severity
from tests.builders import write_picture

ROWS = (
    ("0001.png", "良品", "ライン①"),
    ("0002.png", "キズ", "髙橋㈱"),
    ("0003.png", "良品", "ライン②"),
    ("0004.png", "打痕", "能"),
    ("0005.png", "良品", "表"),
    ("0006.png", "キズ", "ソ"),
)
ENGLISH = ("path", "label", "lot")
BOXES = (
    ("p0.jpg", "void", (4, 4, 10, 9)),
    ("p0.jpg", "scratch", (16, 12, 48, 36)),
    ("p1.jpg", "scratch", (16, 12, 48, 36)),
    ("p2.jpg", "void", (4, 4, 10, 9)),
    ("p3.jpg", "void", (1, 2, 3, 4)),
)
HEAD = "filename,width,height,class,xmin,ymin,xmax,ymax\n"


def _read(path: Path, *, boxes: str | None = None) -> tuple[Dataset, list[Finding]]:
    findings: list[Finding] = []
    return load_dataset(path, note=findings.append, boxes=boxes), findings


def _told(findings: list[Finding], severity: Severity = Severity.ERROR) -> list[str]:
    return [finding.code for finding in findings if finding.severity is severity]


def _write(path: Path, content: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode(encoding))
    return path


def _with_pictures(path: Path, content: str, names: tuple[str, ...] = ("p0", "p1", "p2", "p3", "p4")) -> Path:
    """A table with small pictures of 64 × 48 beside it; their folder."""
    for seed, name in enumerate(names):
        write_picture(path.parent / f"{name}.jpg", seed, size_wh=(64, 48))
    return _write(path, content).parent


def _boxes(data: Dataset) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    """Class and box, x1 y1 x2 y2 in pixels, of each picture that was looked at."""
    return {
        example.id: list(zip(example.boxes.labels, example.boxes.boxes_xyxy_px, strict=True))
        for example in data
        if example.boxes is not None
    }


@pytest.mark.parametrize(
    ("head", "delimiter", "folder", "encoding", "told"),
    [
        (ENGLISH, ",", "images/", "cp932", "cp932"),
        (("画像", "判定", "ロット"), ",", "images/", "cp932", "cp932"),
        (("画像", "判定", "ロット"), ",", "images/", "utf-8-sig", ""),
        (("图片", "标签", "批次"), ",", "images/", "utf-16", ""),
        (("圖片路徑", "類別", "批號"), "\t", "images/", "utf-8", ""),
        (("이미지", "판정", "로트 번호"), ";", "images/", "utf-8", ""),
        (("Datei", "Klasse", "Charge"), ";", "images/", "utf-8", ""),
        (("ＦＩＬＥ　ＮＡＭＥ", "Class-Name", "Lot No."), ",", "images/", "utf-8", ""),
        (ENGLISH, "\t", "images/", "utf-16", ""),
        (ENGLISH, ";", "images/", "utf-8-sig", ""),
        (ENGLISH, ",", "images\\", "utf-8", ""),
    ],
)
@pytest.mark.parametrize("line_end", ["\r\n", "\r"])
def test_what_excel_saves_is_read(
    head: tuple[str, ...], delimiter: str, folder: str, encoding: str, told: str, line_end: str, tmp_path: Path
) -> None:
    for seed, (name, _, _) in enumerate(ROWS):
        write_picture(tmp_path / "images" / name, seed)
    rows = (head, *((folder + name, *rest) for name, *rest in ROWS))
    _write(tmp_path / "data.csv", "".join(delimiter.join(row) + line_end for row in rows), encoding)
    data, findings = _read(tmp_path)
    assert data.format == "csv"
    assert [(e.id, e.label, e.group) for e in data] == [(f"images/{name}", *rest) for name, *rest in ROWS]
    assert [finding.code for finding in findings] == (["text-encoding"] if told else [])
    assert all(told in finding.what for finding in findings)


def test_the_line_of_excel_that_states_the_delimiter_is_no_head(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    _write(tmp_path / "data.csv", "sep=;\r\npath;label;note\r\na.png;ok;1,5, 2,5\r\nb.png;ok;\r\n")
    data, findings = _read(tmp_path)
    assert (data[0].label, data[0].attributes) == ("ok", {"note": "1,5, 2,5"})
    assert [finding.where for finding in findings] == [f"{tmp_path / 'data.csv'}:4"], "lines count as an editor does"


@pytest.mark.parametrize("form", ["train/_annotations.csv", "_annotations.csv"])
def test_boxes_as_roboflow_and_tensorflow_write_them(form: str, tmp_path: Path) -> None:
    rows = "".join(f"{p},64,48,{c},{','.join(map(str, box))}\n" for p, c, box in BOXES)
    _with_pictures(tmp_path / form, HEAD + rows)
    data, findings = _read(tmp_path)
    folder = form.removesuffix("_annotations.csv")
    assert data.format == "csv"
    assert data.splits == (("train",) if folder else ())
    assert _boxes(data) == {
        f"{folder}p0.jpg": [("void", (4, 4, 10, 9)), ("scratch", (16, 12, 48, 36))],
        f"{folder}p1.jpg": [("scratch", (16, 12, 48, 36))],
        f"{folder}p2.jpg": [("void", (4, 4, 10, 9))],
        f"{folder}p3.jpg": [("void", (1, 2, 3, 4))],
    }
    assert data.column("label") == [None] * 4
    assert data[0].attributes == {}
    assert data[0].size_wh == (64, 48)
    assert [finding.code for finding in findings] == ["orphan-image"], "p4 is in no line"


def test_one_box_a_picture_is_still_a_box(tmp_path: Path) -> None:
    data, _ = _read(_with_pictures(tmp_path / "_annotations.csv", HEAD + "p1.jpg,64,48,void,4,4,10,9\n"))
    assert data[0].label is None
    assert data[0].boxes == Detections(((4.0, 4.0, 10.0, 9.0),), ("void",))


def test_boxes_of_vott(tmp_path: Path) -> None:
    rows = "".join(f'"{p}",{a}.0,{b}.5,{c}.0,{d}.0,"{label}"\n' for p, label, (a, b, c, d) in BOXES)
    data, _ = _read(
        _with_pictures(tmp_path / "line 3-export.csv", '"image","xmin","ymin","xmax","ymax","label"\n' + rows)
    )
    assert _boxes(data)["p0.jpg"] == [("void", (4, 4.5, 10, 9)), ("scratch", (16, 12.5, 48, 36))]
    assert _boxes(data)["p3.jpg"] == [("void", (1, 2.5, 3, 4))]


def test_boxes_of_keras_retinanet_have_no_head(tmp_path: Path) -> None:
    rows = "".join(f"{p},{','.join(map(str, box))},{c}\n" for p, c, box in BOXES)
    folder = _with_pictures(tmp_path / "annotations.csv", rows + "p4.jpg,,,,,\n")
    for path in (folder, folder / "annotations.csv"):
        data, findings = _read(path)
        assert findings == []
        assert data.format == "csv"
        found = _boxes(data)
        assert found["p0.jpg"] == [("void", (4, 4, 10, 9)), ("scratch", (16, 12, 48, 36))]
        assert found["p4.jpg"] == [], "a line without numbers says that nothing is there"
    assert len(found) == 5


@pytest.mark.parametrize(
    ("columns", "numbers"),
    [
        ("x1,y1,x2,y2", "16,12,48,36"),
        ("XMin,XMax,YMin,YMax", "16,48,12,36"),
        ("x,y,w,h", "16,12,32,24"),
        ("bbox_x,bbox_y,bbox_width,bbox_height", "16,12,32,24"),
        ("left,top,width,height", "16,12,32,24"),
        ("x_center,y_center,width,height", "32,24,32,24"),
        ("x_center,y_center,width,height", "0.5,0.5,0.5,0.5"),
        ("xmin,ymin,xmax,ymax", "0.25,0.25,0.75,0.75"),
        ("bbox", '"[16, 12, 32, 24]"'),
    ],
)
def test_every_form_of_a_box_is_the_same_box(columns: str, numbers: str, tmp_path: Path) -> None:
    data, findings = _read(
        _with_pictures(tmp_path / "x.csv", f"image,label,{columns}\np0.jpg,void,{numbers}\n", ("p0",))
    )
    assert data[0].boxes == Detections(((16.0, 12.0, 48.0, 36.0),), ("void",))
    assert [finding.code for finding in findings] == (["box-form"] if "." in numbers else [])


def test_the_option_settles_what_four_numbers_are(tmp_path: Path) -> None:
    folder = _with_pictures(tmp_path / "x.csv", "image,label,x,y,w,h\np0.jpg,void,16,12,48,36\n", ("p0",))
    data, _ = _read(folder, boxes="xyxy")
    assert data[0].boxes == Detections(((16.0, 12.0, 48.0, 36.0),), ("void",))


def test_boxes_without_a_class_or_with_broken_numbers_are_told_by_line(tmp_path: Path) -> None:
    rows = "p0.jpg,64,48,void,1,2,3,x\np1.jpg,64,48,,1,2,3,4\np2.jpg,64,48,void,1,2,3,4\n"
    data, findings = _read(_with_pictures(tmp_path / "x.csv", HEAD + rows, ("p0", "p1", "p2")))
    assert [(f.code, f.where.rpartition(":")[2]) for f in findings] == [
        ("box-unparsable", "2"),
        ("box-unparsable", "3"),
    ]
    assert _boxes(data)["p2.jpg"] == [("void", (1, 2, 3, 4))]
    data, findings = _read(
        _with_pictures(tmp_path / "x.csv", "image,x1,y1,x2,y2\np0.jpg,1,2,3,4\n", ("p0", "p1", "p2"))
    )
    assert _boxes(data)["p0.jpg"] == [("object", (1, 2, 3, 4))]
    assert "boxes-without-class" in _told(findings, Severity.INFO)


def test_columns_of_a_picture_are_told_from_those_of_a_box(tmp_path: Path) -> None:
    text = "path,label,lot,line,area,xmin,ymin,xmax,ymax\np0.jpg,a,L1,3,9,1,2,3,4\np0.jpg,b,L1,3,8,1,2,3,4\n"
    example = _read(_with_pictures(tmp_path / "x.csv", text, ("p0",)))[0][0]
    assert (example.group, example.attributes) == ("L1", {"line": "3"})


def test_a_table_for_each_split_by_its_name(tmp_path: Path) -> None:
    for seed, name in enumerate(("a", "b")):
        write_picture(tmp_path / "images" / f"{name}.jpg", seed, size_wh=(64, 48))
    for split, name in (("train", "a"), ("test", "b")):
        _write(tmp_path / "data" / f"{split}_labels.csv", HEAD + f"{name}.jpg,64,48,void,1,2,3,4\n")
    data, findings = _read(tmp_path)
    assert findings == []
    assert [(e.id, e.split) for e in data] == [("images/b.jpg", "test"), ("images/a.jpg", "train")]


def test_several_tables_that_are_no_splits_are_refused_by_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    for name in ("one", "two"):
        _write(tmp_path / f"{name}.csv", "path,label\na.png,ok\n")
    with pytest.raises(DatasetError, match=r"several tables of pictures: one\.csv, two\.csv\. Name one of them"):
        load_dataset(tmp_path)
    assert len(load_dataset(tmp_path / "one.csv")) == 1


def test_columns_of_0_and_1_are_classes(tmp_path: Path) -> None:
    text = "filename, ok, scratch, void\np0.jpg, 1, 0, 0\np1.jpg, 0, 0, 1\np2.jpg, 0, 0, 0\n"
    data, findings = _read(_with_pictures(tmp_path / "train" / "_classes.csv", text, ("p0", "p1", "p2")).parent)
    assert [(e.label, e.split, e.attributes) for e in data] == [
        ("ok", "train", {}), ("void", "train", {}), (None, "train", {}),
    ]  # fmt: skip
    assert _told(findings) == []
    folder = _with_pictures(tmp_path / "train" / "_classes.csv", text + "p3.jpg, 0, 1, 1\n", ("p0", "p1", "p2", "p3"))
    data, findings = _read(folder)
    assert _told(findings) == ["several-labels"]
    assert findings[0].where.endswith("_classes.csv:5")
    assert "scratch, void" in findings[0].what
    assert data[3].label is None


def test_a_label_column_makes_0_and_1_attributes(tmp_path: Path) -> None:
    text = "path,label,flash,retake\np0.jpg,ok,1,0\n"
    example = _read(_with_pictures(tmp_path / "x.csv", text, ("p0",)))[0][0]
    assert (example.label, example.attributes) == ("ok", {"flash": "1", "retake": "0"})


BROKEN = {
    "twice": ("path,label,label\na.png,x,y\n", "names the column label more than once"),
    "headless": ("a.png,ok\n", "holds a picture and no names of columns"),
    "picture twice": ("a.png,a.png,ok\n", "holds a picture and no names of columns"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("line_end", ["\n", "\r", "\r\n"])
def test_a_table_with_a_broken_head_is_one_sentence(name: str, line_end: str, tmp_path: Path) -> None:
    text, words = BROKEN[name]
    write_picture(tmp_path / "a.png", 1)
    _write(tmp_path / "x.csv", text.replace("\n", line_end))
    for path in (tmp_path, tmp_path / "x.csv"):
        with pytest.raises(DatasetError, match=words):
            load_dataset(path)
        assert examine(path).has_errors


def test_a_column_without_a_name_is_left_and_told(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    for text, severity in (
        (",path,label\n0,a.png,ok\n", Severity.INFO),  # pandas counts the rows so
        ("path,,label\na.png,7,ok\n", Severity.WARNING),
    ):
        _write(tmp_path / "x.csv", text)
        data, findings = _read(tmp_path)
        assert (data[0].label, data[0].attributes) == ("ok", {})
        assert [(f.code, f.severity) for f in findings] == [("column-not-read", severity)]


def test_old_line_ends_and_nul_bytes_are_no_internal_error(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    _write(tmp_path / "x.csv", "path,label\ra.png,ok\r")
    assert load_dataset(tmp_path)[0].label == "ok"
    _write(tmp_path / "x.csv", "path,label\na.png,o\0k\n")
    with pytest.raises(DatasetError, match="not text"):
        load_dataset(tmp_path / "x.csv")


def test_the_delimiter_is_the_one_that_all_lines_have() -> None:
    for text, delimiter, columns in (
        ("a;b;label\n1,5;2,5;ok\n1,25;2,5;ok\n", ";", ("a", "b", "label")),
        ("Länge, mm;Breite, mm;Label\n10,1;5,1;ok\n", ";", ("Länge, mm", "Breite, mm", "Label")),
        ("a,b\n1;2,3\n4;5,6\n", ",", ("a", "b")),
        ("only\n1\n", "\t", ("only",)),
        ("\n\npath,x\n", ",", ("path", "x")),
        ('"sep=|"\na|b\n', "|", ("a", "b")),
    ):
        table = table_of_text(text)
        assert table is not None
        assert (table.delimiter, table.columns) == (delimiter, columns)
    assert table_of_text("") is table_of_text("sep=;\n") is None


def test_the_first_of_a_roles_names_counts() -> None:
    assert column_of("image", ["パス", "File_Name", "ok"]) == "File_Name"
    assert column_of("label", ["判定", "label"]) == "label"
    assert column_of("group", ["length"]) is None
