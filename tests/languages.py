"""Pages in other languages, as tests read them: what a reader sees, and a language that shows what is translated."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from gettext import NullTranslations
from html.parser import HTMLParser

from tests.catalogues import used

_VALUE = re.compile(r"%\(\w+\)s")
_SAME = {"AP", "F1", "OK", "PCA", "UMAP", "kenpin", "p", "png", "jpg", "px", "px²", "mm", "mm²"}
"""Symbols, units and proper names, alike in all languages."""


class Marking(NullTranslations):
    """Every text in marks, and its values outside of them: what is in no marks did not come from the catalogue."""

    def __init__(self) -> None:
        super().__init__()
        self._known = _texts()

    def gettext(self, message: str) -> str:
        assert str(message) in self._known, message
        return f"«{_VALUE.sub(lambda value: f'»{value[0]}«', message)}»"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


@cache
def _texts() -> frozenset[str]:
    return frozenset(text for message in used() if message.id for text in _forms(message.id))


def _forms(id: str | tuple[str, ...] | list[str]) -> tuple[str, ...]:
    return (id,) if isinstance(id, str) else tuple(id)


class Shown(HTMLParser):
    """Texts that a reader of the page sees or hears; those in English, which is said of them, are kept apart."""

    VOID = frozenset({"meta", "img", "br", "link", "input", "base"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.language = ""
        self.texts: list[str] = []
        self.recorded: list[str] = []
        self._open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "html":
            self.language = values["lang"] or ""
            values = {}
        self._keep(*(values[name] or "" for name in ("alt", "aria-label", "title") if name in values))
        if tag not in self.VOID:
            self._open.append("English" if values.get("lang") == "en" else tag)

    def handle_endtag(self, tag: str) -> None:
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if data.strip() and "style" not in self._open:
            self._keep(data)

    def _keep(self, *texts: str) -> None:
        (self.recorded if "English" in self._open else self.texts).extend(texts)


def outside(text: str, data: Collection[str]) -> str:
    """The words of a text that are in no marks, beside the page's data."""
    rest = without(re.sub("«[^«»]*»", " ", text), data)
    return " ".join(word for word in re.findall(r"[^\W\d_]*[A-Za-z][^\W_]*", rest) if word not in _SAME)


def without(text: str, data: Collection[str]) -> str:
    """The text without the page's data."""
    for known in sorted(data, key=len, reverse=True):
        text = re.sub(rf"(?<![^\W\d_]){re.escape(known)}(?![^\W\d_])", " ", text)
    return text
