"""Numbers as programs of all countries write them: decimal commas, thousands marks, full-width digits, and units."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

_MARK = "[\u00a0\u202f\u2009 '’]"  # between thousands: of France, of Switzerland, of SI
MAY_BE_MARKED = rf"^\s*[-+]?[0-9.]*(?:,|{_MARK})[0-9]"
"""What a cell begins with that may be a number with marks in it, a regular expression of RE2."""
_PLAIN = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_DECIMAL_COMMA = rf"[-+]?(?:\d{{1,3}}(?:(?:\.|{_MARK})\d{{3}})+|\d*),\d+(?:[eE][-+]?\d+)?"
_THOUSANDS = rf"[-+]?\d{{1,3}}(?:(?:,|{_MARK})\d{{3}})+(?:\.\d*)?"
_THOUSANDS_BY_DOTS = rf"[-+]?\d{{1,3}}(?:(?:\.|{_MARK})\d{{3}})+"
_UNIT = (
    r"(?:[kKMGmnpµμu]?(?:m|g|N|Pa|V|A|W|J|Hz|s|Ω|ohm|F|H|L|l|lx|cd|T|B)|[cd]m|mil|in|inch|ft|lbf?|psi|m?bar|deg|m?rad"
    r"|°[CF]?|℃|℉|K|C|%|％|‰|ppm|min|h|dBm?|rpm|pcs?|px|pixels?|nits?|HV|HRC|HB"
    r"|個|本|枚|回|秒|分|度|点|毫米|微米|厘米|克|千克|개)[²³23]?"
)
_UNITS = re.compile(rf"[\[(（]?(?:1/)?{_UNIT}(?:[/·*・]{_UNIT})*[\])）]?")
_NO_UNIT = ("-", "—", "1", "[-]", "(-)")


@dataclass(frozen=True, slots=True)
class NumberStyle:
    """How a table writes those numbers that are not plain."""

    pattern: str = ""
    """Regular expression of a whole cell with marks in it; empty where all numbers are plain."""
    has_decimal_commas: bool = False
    is_doubtful: bool = False
    """Whether `1,234` may be a decimal or a thousand, and nothing in the table says which."""
    example: str = ""


def number_style(cells: Iterable[str | None], delimiter: str) -> NumberStyle:
    """How the numbers among these cells are written. delimiter: of the table, since who writes semicolons between the
    columns has commas in the numbers.

    >>> number_style(["10,1", "1.234,5"], ";").has_decimal_commas
    True
    >>> number_style(["1,234", "12,345,678.9"], ",").has_decimal_commas
    False
    """
    commas: list[str] = []
    thousands: list[str] = []
    doubtful: list[str] = []
    for cell in cells:
        text = (cell or "").strip()
        if not text or re.fullmatch(_PLAIN, text):
            continue
        is_comma, is_thousands = re.fullmatch(_DECIMAL_COMMA, text), re.fullmatch(_THOUSANDS, text)
        if is_comma and is_thousands and not text.lstrip("-+").startswith("0"):
            doubtful.append(text)
        elif is_comma:
            commas.append(text)
        elif is_thousands:
            thousands.append(text)
    if commas or (doubtful and not thousands and delimiter == ";"):
        has_dots = any("." in text for text in commas)
        pattern = f"{_DECIMAL_COMMA}|{_THOUSANDS_BY_DOTS}" if has_dots else _DECIMAL_COMMA
        return NumberStyle(pattern, has_decimal_commas=True, example=(commas or doubtful)[0])
    if thousands or doubtful:
        return NumberStyle(_THOUSANDS, is_doubtful=not thousands, example=(thousands or doubtful)[0])
    return NumberStyle()


def as_numbers(texts: pa.ChunkedArray, style: NumberStyle) -> pa.ChunkedArray:
    """Texts as float64, null where one is empty or no number."""
    texts = pc.utf8_trim_whitespace(texts)
    marks = rf"[.]|{_MARK}" if style.has_decimal_commas else rf",|{_MARK}"
    if style.pattern:
        bare = pc.replace_substring(pc.replace_substring_regex(texts, marks, ""), ",", ".")
        texts = pc.if_else(pc.match_substring_regex(texts, f"^(?:{style.pattern})$"), bare, texts)
    try:
        return pc.cast(pc.if_else(pc.equal(texts, ""), None, texts), pa.float64())
    except pa.ArrowInvalid:
        pass
    numbers = [number_of(text) for text in texts.to_pylist()]
    return pa.chunked_array([pa.array(numbers, pa.float64())])


def number_of(cell: object) -> float | None:
    """A cell as a number, full-width digits too; None where it is none."""
    try:
        return float(unicodedata.normalize("NFKC", str(cell)))
    except ValueError:
        return None


def are_units(cells: Iterable[str | None]) -> bool:
    """Whether a row holds nothing but units of measurement and empty cells."""
    given = [text for cell in cells if (text := (cell or "").strip())]
    texts = [text for text in given if text not in _NO_UNIT]
    if any(number_of(text) is not None for text in given):
        return False  # a part, whose id may be A
    return bool(texts) and all(_UNITS.fullmatch(text) for text in texts)
