"""Texts in the encodings of all countries: read as what they are, told, and settled by an option."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data import Reading, load_dataset
from kenpin.data.reading.encodings import CANDIDATES, decode, known_encoding
from kenpin.errors import OptionError
from kenpin.records import Finding
from tests.builders import write_picture

WRITTEN = {
    "cp932": ["キズ", "良品", "長さ,幅,判定\n10.1,5.1,良\n", "ライン①,髙橋㈱,ソ能表", "打痕", "バリ,汚れ,欠け"],
    "euc_jp": ["キズ", "画像,判定\na.png,良品\nb.png,打痕\n", "良品", "異物混入"],
    "gb18030": ["划痕", "路径,标签\na.png,划痕\nb.png,良品\n", "缺陷", "夹杂", "压伤,脏污,毛刺"],
    "big5": ["刮痕", "圖片,標籤\na.png,刮痕\n", "缺陷"],
    "cp949": ["긁힘", "이미지,라벨\na.png,양품\n", "불량"],
    "cp1252": ["Kratzer,Prüfling", "défaut,rayé,à côté", "Größe;Länge\n1;2"],
}


@pytest.mark.parametrize(("encoding", "text"), [(name, text) for name, texts in WRITTEN.items() for text in texts])
def test_the_encoding_of_a_few_words_is_found(encoding: str, text: str) -> None:
    found = decode(text.encode(encoding))
    assert found is not None
    assert (found.text, found.encoding) == (text, encoding)
    settled = decode(text.encode(encoding), encoding)
    assert settled is not None
    assert settled.text == text


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_unicode_is_read_without_a_word(encoding: str) -> None:
    text = "画像,判定\r\na.png,キズ\r\n"
    found = decode(text.encode(encoding), "cp932" if encoding != "utf-8" else None)
    assert found is not None
    assert found.text == text
    assert found.is_unicode


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_unmarked_utf16_is_seen_by_its_zeros(encoding: str) -> None:
    found = decode("path\tlabel\nキズ.png\tok\n".encode(encoding))
    assert found is not None
    assert found.text == "path\tlabel\nキズ.png\tok\n"


def test_bytes_that_are_no_text_are_none() -> None:
    assert decode(bytes(range(256))) is None
    assert decode(b"\x89PNG\r\n\x1a\n\0\0\0\r") is None
    assert decode("キズ".encode("cp932"), "utf-8") is None


def test_names_of_encodings() -> None:
    assert known_encoding("Shift_JIS") == "cp932"
    assert known_encoding("gb2312") == "gb18030"
    assert known_encoding("utf8") == "utf-8"
    assert known_encoding("hex") is None
    assert all(known_encoding(name) for name in CANDIDATES)
    with pytest.raises(OptionError, match="'klingon' is no encoding; common ones are"):
        Reading(lambda finding: None, encoding="klingon")


def test_an_encoding_is_told_once_and_settled_by_its_option(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "list.csv").write_bytes("path,label\na.png,划痕\n".encode("gbk"))
    findings: list[Finding] = []
    assert load_dataset(tmp_path, note=findings.append)[0].label == "划痕"
    (told,) = findings
    assert told.code == "text-encoding"
    assert "read as gb18030" in told.what
    assert not load_dataset(tmp_path, encoding="gbk").findings
    wrong: list[Finding] = []
    load_dataset(tmp_path, encoding="utf-8", note=wrong.append)
    assert wrong[0].code == "unparsable-file"
    assert "not text in the encoding utf-8" in wrong[0].what
