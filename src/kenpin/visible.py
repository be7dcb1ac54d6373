"""Text of strangers, such as names and labels, made visible: it steers no terminal and no page, and is not endless."""

from __future__ import annotations

import re
from itertools import accumulate
from unicodedata import east_asian_width

_NAMED = {"\t": "\\t", "\n": "\\n", "\r": "\\r"}
# control characters, line and paragraph separators, what turns the direction of writing, halves of surrogate pairs
_UNSEEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
_NO_WIDTH = "\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}"
_BYTES = range(0xDC80, 0xDD00)  # how Python holds bytes of a name that are no UTF-8 (PEP 383)


def visible(text: str, *, keep: str = "") -> str:
    r"""The text with every character that is not seen written as its code, except those in `keep`; a byte that is no
    UTF-8 as `\x..`. The result can be written as UTF-8.

    >>> print(visible("a.png\nb.png\tPASS"), visible("red \x1b[31m"), visible("caf\udce9.png"))
    a.png\nb.png\tPASS red \x1b[31m caf\xe9.png
    """
    return _UNSEEN.sub(lambda match: match[0] if match[0] in keep else _code(match[0]), text)


def in_brief(text: str, room: int) -> str:
    """The text in at most `room` characters, at least 3: of a longer one the beginning and the end.

    >>> in_brief("scratch on the edge", 9)
    'scra…edge'
    """
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[-end:]}"


def short(name: str, room: int = 100) -> str:
    """A name for people: visible, and in at most about `room` characters."""
    return in_brief(visible(in_brief(name, room)), room)


def columns(text: str) -> int:
    """How wide the text is, in letters of half an em: a Japanese or Chinese one takes two, a mark of direction none.

    >>> columns("scratch"), columns("傷")
    (7, 2)
    """
    return sum(0 if letter in _NO_WIDTH else 1 + (east_asian_width(letter) in "WF") for letter in text)


def beginning(text: str, room: int) -> str:
    """The text in `room` columns at most: of a wider one the beginning.

    >>> beginning("scratch on the edge", 9), beginning("傷の疑いあり", 9)
    ('scratch …', '傷の疑い…')
    """
    if columns(text) <= room:
        return text
    fitting = [wide < room for wide in accumulate(map(columns, text))]  # one column is the ellipsis's
    return f"{text[: fitting.index(False)]}…"


def fitting(text: str, room: int) -> str:
    """The text in `room` columns at most, at least 5: of a wider one the beginning and the end.

    >>> fitting("scratch on the edge", 9), fitting("傷の疑いがある", 9)
    ('scra…edge', '傷の…ある')
    """
    letters = min(len(text), room)
    while columns(brief := in_brief(text, letters)) > room:
        letters -= 1
    return brief


def _code(character: str) -> str:
    number = ord(character)
    if number in _BYTES:
        return f"\\x{number - 0xDC00:02x}"
    return _NAMED.get(character) or (f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}")
