"""Encodings of text files: marked, declared or settled ones are followed; of unmarked ones the most plausible is taken.

A file without a byte order mark that is no UTF-8 was written on a Windows of some country. A handful of labels is too
little for statistics of languages, so each candidate that decodes the whole file is judged by its characters: kana,
characters of the first level of its own standard, and above all those that this trade writes.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

CANDIDATES = ("cp932", "euc_jp", "gb18030", "big5", "cp949", "cp1252")
"""Encodings that are tried where a file is not Unicode: Shift_JIS of Windows, EUC-JP, GBK, Big5, Korean, Western."""

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
# Windows writes more characters than the standards that its declarations name
_SUPERSETS = {"shift_jis": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "euc_kr": "cp949", "iso8859-1": "cp1252"}
_TRADE = {
    "ja": (
        "画像写真良品不可合格否判定分類区番号名前日時検査工程部長さ幅高径厚値欠陥異常正傷打痕汚割穴錆変色"
        "形寸法備考班機械左右上下表裏面外内側未済有無点線数大小中員担当者作業開始終了第型式材料製造年月曜"
        "曲折剥離浮気泡孔混入物塗装溶接漏緩脱落"
    ),
    "zh": (
        "图片像标签类别划痕合格不良品正常异检测查结果批次号名称日期时间产线工位缺陷脏污裂纹孔洞毛刺凹坑凸"
        "起变形色差尺寸长宽高厚左右上下表面内外有无点数大小中员备注生设机器分割训练验证试集路径文件夹压伤"
        "碰擦气泡锈蚀漏焊虚"
    ),
    "zh-tw": (
        "圖片像標籤類別刮痕合格不良品正常異檢測查結果批次號名稱日期時間產線工位缺陷髒污裂紋孔洞毛邊凹凸變"
        "形色差尺寸長寬高厚左右上下表面內外有無點數大小中員備註生設機器"
    ),
    "ko": ("이미지라벨정상불량양품합격판검사스크래치긁힘찍오염물기포균열랙부번호로트날짜시간공좌우하길높너비두께값"),
}
_OWN = {"cp932": "ja", "euc_jp": "ja", "gb18030": "zh", "big5": "zh-tw", "cp949": "ko"}
_SURE = 0.75  # points a character by which the most plausible encoding must lead to be taken without doubt


@dataclass(frozen=True, slots=True)
class DecodedText:
    """A text with the encoding that it was read in, and the other encodings that it may as well be in."""

    text: str
    encoding: str
    others: tuple[str, ...] = ()

    @property
    def is_unicode(self) -> bool:
        """Whether the file is UTF-8 or is marked as another form of Unicode: nobody needs to be told."""
        return self.encoding.startswith("utf")


def known_encoding(name: str) -> str | None:
    """Python's name of an encoding, the superset that Windows means by it where there is one; None for no encoding."""
    try:
        canonical = codecs.lookup(name).name
        "".encode(canonical)  # some of Python's codecs turn no text into bytes
    except (LookupError, ValueError, TypeError):
        return None
    return _SUPERSETS.get(canonical, canonical)


def declared_encoding(content: bytes) -> str | None:
    """The encoding that an XML file declares in its first line, as it is written there."""
    match = _DECLARED.match(content[:400])
    return None if match is None else match[1].decode("ascii")


def decode(content: bytes, encoding: str | None = None) -> DecodedText | None:
    """The text of a file. encoding: the one that was settled or declared; a byte order mark goes before it.

    None where it is not text in that encoding, or in any.
    """
    for mark, name in _MARKS:
        if content.startswith(mark):
            return _decoded(content, name)
    if encoding is not None:
        return _decoded(content, encoding)
    if b"\0" in content:
        return _unmarked_utf16(content)
    if (utf8 := _decoded(content, "utf-8")) is not None:
        return utf8
    readings = [reading for name in CANDIDATES if (reading := _decoded(content, name)) is not None]
    if not readings:
        return _decoded(content, "latin-1")
    scores = {reading.encoding: _plausibility(reading) for reading in readings}
    best = max(readings, key=lambda reading: scores[reading.encoding])
    others = [name for name, score in scores.items() if name != best.encoding and score > scores[best.encoding] - _SURE]
    return DecodedText(best.text, best.encoding, tuple(others))


def _decoded(content: bytes, encoding: str) -> DecodedText | None:
    try:
        return DecodedText(content.decode(encoding), encoding)
    except (UnicodeError, ValueError):
        return None


def _unmarked_utf16(content: bytes) -> DecodedText | None:
    """UTF-16 without a mark: of Latin letters, digits and delimiters every second byte is zero."""
    for offset, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        zeros = content[offset:4096:2].count(0)
        if (
            len(content) % 2 == 0
            and zeros > 0.3 * len(content[:4096:2])
            and not content[1 - offset : 4096 : 2].count(0)
        ):
            return _decoded(content, name)
    return None


def _plausibility(reading: DecodedText) -> float:
    """Mean points of the characters beyond ASCII: high where they are characters that somebody writes."""
    language = _OWN.get(reading.encoding)
    beyond = [character for character in reading.text[:20_000] if character > "\x7f"]
    return sum(_points(character, reading.encoding, language) for character in beyond) / max(len(beyond), 1)


def _points(character: str, encoding: str, language: str | None) -> float:
    code = ord(character)
    if language is None:
        # of Western texts, letters are plausible and the signs between them hardly
        return 1.0 if character.isalpha() and code >= 0xC0 else -2.0 if code < 0xA0 else -0.5
    if 0xE000 <= code <= 0xF8FF or code < 0xA0:
        return -4.0  # private characters and controls
    if character in _TRADE[language]:
        return 4.0
    if 0x3040 <= code <= 0x30FF:
        return 3.0 if language == "ja" else 0.0
    if 0xFF61 <= code <= 0xFF9F:
        return -1.0  # half-width kana: nearly every pair of bytes is one in Shift_JIS
    return 1.0 if _is_frequent(character, encoding) else -0.5


def _is_frequent(character: str, encoding: str) -> bool:
    """Whether a character is in the first level of its standard, which holds those in daily use."""
    standard = {"cp932": "euc_jp", "gb18030": "gb2312", "cp949": "euc_kr"}.get(encoding, encoding)
    try:
        first = character.encode(standard)[0]
    except UnicodeEncodeError:
        return False
    last = {"euc_jp": 0xCF, "gb2312": 0xD7, "big5": 0xC6, "euc_kr": 0xC8}[standard]
    return first <= last
