"""Tables of numbers as measuring machines and Excel write them: encodings, marks, units, ids, faults."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from kenpin.data import Dataset, load_dataset
from kenpin.data.doctor import examine
from kenpin.data.formats import items
from kenpin.data.reading.numbers import are_units, as_numbers, number_style
from kenpin.errors import DatasetError
from kenpin.records import Finding, Severity
from tests.builders import write_picture


def _read(folder: Path, text: str, encoding: str = "utf-8") -> tuple[Dataset, list[Finding]]:
    (folder / "parts.csv").write_bytes(text.encode(encoding))
    findings: list[Finding] = []
    return load_dataset(folder / "parts.csv", note=findings.append), findings


def _codes(findings: list[Finding]) -> list[str]:
    return [finding.code for finding in findings]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp932", "euc_jp"])
def test_japanese_tables_in_any_encoding(encoding: str, line_end: str, tmp_path: Path) -> None:
    text = "長さ,幅,判定,ロット,コメント\n10.1,5.1,良,A7,ソ能表\n10.0,5.0,不良,A8,良品\n".replace("\n", line_end)
    data, findings = _read(tmp_path, text, encoding)
    assert (data.format, data.item_names) == ("items", ("長さ", "幅"))
    assert data.numbers(["幅", "長さ"]).tolist() == [[5.1, 10.1], [5.0, 10.0]]
    assert [(e.label, e.group, e.attributes["コメント"]) for e in data] == [
        ("良", "A7", "ソ能表"),
        ("不良", "A8", "良品"),
    ]
    assert _codes(findings) == ([] if encoding.startswith("utf") else ["text-encoding"])
    assert [e.origin.rpartition(":")[2] for e in data] == ["2", "3"]


def test_a_byte_far_behind_that_is_no_utf8_settles_the_encoding(tmp_path: Path) -> None:
    rows = "".join(f"{i},{i / 7:.6f},ok,\n" for i in range(20_000)) + "20000,3.5,ok,良品 ソ\n"
    data, findings = _read(tmp_path, "id,length,label,コメント\n" + rows, "cp932")
    assert (len(data), data[20_000].attributes) == (20_001, {"コメント": "良品 ソ"})
    assert _codes(findings) == ["text-encoding"]
    ascii_head = "id,length,label,comment\n" + rows  # the beginning is UTF-8 by itself
    data, findings = _read(tmp_path, ascii_head, "cp932")
    assert data[20_000].attributes == {"comment": "良品 ソ"}
    assert _codes(findings) == ["text-encoding"]


@pytest.mark.parametrize(
    ("delimiter", "cells", "numbers", "told"),
    [
        (";", ("10,1", "10,0", "9,95"), (10.1, 10.0, 9.95), Severity.INFO),
        ("\t", ("10,1", "-0,5", "9"), (10.1, -0.5, 9), Severity.INFO),
        (";", ("1.234,5", "2.000", "1.234.567,0"), (1234.5, 2000, 1234567), Severity.INFO),
        (";", ("1 234,5", "1\u00a0234,5", "0,5"), (1234.5, 1234.5, 0.5), Severity.INFO),
        (";", ("1,234", "2,345", "3,456"), (1.234, 2.345, 3.456), Severity.INFO),
        ("\t", ("1,234", "12,345,678", "5"), (1234, 12345678, 5), Severity.INFO),
        ("\t", ("1,234", "1,234.5", "5"), (1234, 1234.5, 5), Severity.INFO),
        ("\t", ("1,234", "2,345", "5"), (1234, 2345, 5), Severity.WARNING),
        ("\t", ("0,234", "2,345", "5"), (0.234, 2.345, 5), Severity.INFO),
        (";", ("1'234.5", "2'000", "5"), (1234.5, 2000, 5), Severity.INFO),
        (";", ("１０．５", "２", "5"), (10.5, 2, 5), None),
        (";", (" 10.5 ", "1e-3", "+5"), (10.5, 0.001, 5), None),
    ],
)
def test_marks_in_numbers(
    delimiter: str, cells: tuple[str, ...], numbers: tuple[float, ...], told: Severity | None, tmp_path: Path
) -> None:
    rows = "".join(f"{cell}{delimiter}ok\n" for cell in cells)
    data, findings = _read(tmp_path, f"length{delimiter}label\n{rows}")
    assert data.numbers(["length"])[:, 0].tolist() == list(numbers)
    assert [(f.code, f.severity) for f in findings] == ([] if told is None else [("number-style", told)])


def test_a_cell_that_fits_no_style_is_told_and_never_made_a_number(tmp_path: Path) -> None:
    data, findings = _read(tmp_path, "length;label\n10,1;ok\n1,2,3;ok\n1.2.3;ok\n1 2;ok\n,;ok\n" + "9,9;ok\n" * 4)
    assert data.numbers(["length"])[:, 0].tolist() == [10.1, *[9.9] * 4]
    assert _codes(findings) == ["number-style", *["item-not-a-number"] * 4]


def test_a_style_is_the_inverse_of_writing() -> None:
    values = np.random.default_rng(0).normal(0, 10.0 ** np.arange(8).repeat(20)).round(3)
    german = [f"{value:,.3f}".translate(str.maketrans(",.", ".,")) for value in values]
    english = [f"{value:,.3f}" for value in values]
    for texts, delimiter in ((german, ";"), (german, "\t"), (english, "\t"), (english, ",")):
        style = number_style(texts, delimiter)
        assert as_numbers(pa.chunked_array([texts]), style).to_pylist() == values.tolist()


@pytest.mark.parametrize("units", ["mm,mm,", "mm,[N/mm²],", "(°C),%,", "µm,-,", "mm,kgf/cm2,"])
def test_a_line_of_units_is_left_out_and_told(units: str, tmp_path: Path) -> None:
    if "kgf" in units:
        data, findings = _read(tmp_path, f"length,width,label\n{units}\n10.1,5.1,ok\n10.0,5.0,ok\n")
        assert _codes(findings)[0] == "item-not-a-number", "what is no unit that is known is an error, and no part"
        assert len(data) == 2
        return
    data, findings = _read(tmp_path, f"length,width,label\n{units}\n10.1,5.1,ok\n10.0,5.0,ok\n")
    assert [(f.code, f.severity, f.where[-2:]) for f in findings] == [("units-left-out", Severity.INFO, ":2")]
    assert data.numbers(["length", "width"]).tolist() == [[10.1, 5.1], [10.0, 5.0]]
    assert data[0].origin.endswith(":3")
    assert load_dataset(tmp_path / "parts.csv")[1].id == "row/000001"


@pytest.mark.parametrize(
    ("cells", "units"),
    [(["mm", ""], True), (["A", "B", "V"], True), (["ok", "mm"], False), (["10", "mm"], False), (["", "-"], False)],
)
def test_units_are_told_from_labels(cells: list[str], units: bool) -> None:
    assert are_units(cells) is units


def test_one_row_has_an_id_and_so_has_one_that_was_left_out(tmp_path: Path) -> None:
    data, findings = _read(tmp_path, "length,width\n10.1,5.1\n")
    assert (data.column("id"), findings) == (["row/000000"], [])
    assert not examine(tmp_path / "parts.csv").has_errors
    data, findings = _read(tmp_path, "id,length,width\nA,10.1,5.1\nB,10.0,5.0\n,9.9,4.9\n")
    assert data.column("id") == ["A", "B", "row/000002"]
    assert [(f.code, f.severity) for f in findings] == [("id-left-out", Severity.INFO)]


def test_numbers_that_count_the_parts_are_ids(tmp_path: Path) -> None:
    for name in ("No.", "番号", "序号", "번호"):
        data, _ = _read(tmp_path, f"{name},length\n1,10.1\n2,10.0\n")
        assert (data.item_names, data.column("id")) == (("length",), ["1", "2"])


BROKEN = {
    "twice": ("part,length,width,length\n1,10.0,5.0,10.1\n2,10.1,5.1,10.2\n", "'length' more than once"),
    "headless": ("10.3,5.0,0.2\n10.1,5.1,0.1\n10.2,5.0,0.3\n", "holds numbers and no names of columns"),
    "headless, twice": ("5.0,5.0\n5.1,5.1\n", "more than once"),
    "empty": ("", "no format recognises|nothing in it|names no column"),
    "head alone": ("length,width\n", "there is no row below its first line"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.parametrize("line_end", ["\n", "\r"])
def test_broken_heads_are_one_sentence(name: str, line_end: str, tmp_path: Path) -> None:
    text, words = BROKEN[name]
    (tmp_path / "parts.csv").write_bytes(text.replace("\n", line_end).encode())
    items.recognises(tmp_path)
    for path in (tmp_path, tmp_path / "parts.csv"):
        with pytest.raises(DatasetError, match=words):
            load_dataset(path)
    with pytest.raises(DatasetError):
        load_dataset(tmp_path / "parts.csv", format="items")


def test_names_that_are_wavelengths_or_counts_are_names(tmp_path: Path) -> None:
    for head in ("400,500,600", "1,2,3"):
        data, findings = _read(tmp_path, f"{head}\n0.5,2.5,2.9\n1.5,2.0,3.1\n")
        assert (data.item_names, findings) == (tuple(head.split(",")), [])


def test_columns_without_a_name(tmp_path: Path) -> None:
    data, findings = _read(tmp_path, "part,length,,\n1,10.0,,\n2,10.1,,\n")
    assert (data.item_names, findings) == (("length",), [])
    data, findings = _read(tmp_path, "part,length,,\n1,10.0,5.0,1\n2,10.1,5.1,2\n")
    assert data.item_names == ("length",)
    assert [(f.code, f.severity) for f in findings] == [("column-not-read", Severity.WARNING)]
    assert "column 3" in findings[0].what
    data, findings = _read(tmp_path, ",length\n0,10.0\n1,10.1\n")
    assert [(f.code, f.severity) for f in findings] == [("column-not-read", Severity.INFO)], "pandas counts rows so"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("measured.csv", "part,length,width\n1,10.0,5.0\n2,10.1,5.1\n3,10.2,5.2\n"),
        ("twice.csv", BROKEN["twice"][0]),
        ("unnamed.csv", "part,length,,\n1,10.0,5.0,1\n2,10.1,5.1,2\n"),
        ("headless.csv", "p0.jpg,16,12,48,36,scratch\np1.jpg,4,4,10,9,void\n"),
        ("remarks.csv", "date,remark\n2024-01-02,new lamp\n"),
        ("empty.csv", ""),
        ("zeros.csv", "\0\0\0"),
        ("info.json", '{"camera": "A1"}'),
    ],
)
def test_a_file_beside_class_folders_is_told_and_hides_no_picture(name: str, text: str, tmp_path: Path) -> None:
    for seed in range(3):
        write_picture(tmp_path / "ok" / f"{seed}.png", seed)
        write_picture(tmp_path / "ng" / f"{seed}.png", 50 + seed)
    (tmp_path / name).write_text(text)
    findings: list[Finding] = []
    data = load_dataset(tmp_path, note=findings.append)
    assert (data.format, data.classes, len(data)) == ("folders", ("ng", "ok"), 6)
    assert len(findings) == 1
    assert name in str(findings[0])


@pytest.mark.slow
def test_a_table_of_many_rows_stays_lean(tmp_path: Path) -> None:
    row = "10.123456,5.123456,7.5,8.25,ok,lot 7\n"
    (tmp_path / "parts.csv").write_text("a,b,c,d,label,lot\n" + row * 300_000)
    before = pa.total_allocated_bytes()
    data = load_dataset(tmp_path / "parts.csv")
    assert len(data) == 300_000
    assert pa.total_allocated_bytes() - before < 12 * len(row) * 300_000
