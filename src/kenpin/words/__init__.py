"""The catalogue: fixed texts in English, Japanese and Chinese, one source for pages, reports and sentences.

English stands in the code and is the key. The others lie beside this file as gettext's catalogues, which
`python -m tests.catalogues` brings up to date.
"""

from __future__ import annotations

import gettext
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal, get_args

from kenpin.errors import OptionError

__all__ = ["DOMAIN", "ENGLISH", "FOLDER", "FULL_ENDS", "LANGUAGES", "NAMES", "Language", "Texts", "translations"]

Language = Literal["en", "ja", "zh"]
LANGUAGES: tuple[Language, ...] = get_args(Language)
FOLDER = Path(__file__).parent
DOMAIN = "kenpin"
FULL_ENDS = ("。", "：", "）", "？")
"""Ends of sentences and of what leads to the next that are as wide as a letter, their space included."""
NAMES: dict[Language, str] = {"en": "English", "ja": "日本語", "zh": "中文"}
"""Each language in itself."""


class Texts:
    """The texts of a language.

    >>> Texts("ja")("Review")
    'レビュー'
    >>> Texts("en").count("%(count)s part", "%(count)s parts", 2)
    '2 parts'
    """

    def __init__(self, language: Language) -> None:
        self.language = language
        self.translations = translations(language)
        """As Jinja takes them."""

    def __call__(self, text: str, **values: object) -> str:
        """A text in this language, with its values at `%(name)s`."""
        found = self.translations.gettext(text) if text else ""  # gettext keeps its header under the empty text
        return found % values if values else found

    def count(self, one: str, many: str, count: int, **values: object) -> str:
        """A text that depends on a number, which stands at `%(count)s`."""
        return self.translations.ngettext(one, many, count) % {"count": f"{count:,}", **values}

    def in_a_row(self, sentences: Iterable[str]) -> str:
        """Sentences after each other: without a space behind a full stop that has one of its own.

        >>> Texts("ja").in_a_row(["一つ。", "二つ。"])
        '一つ。二つ。'
        """
        row = ""
        for sentence in sentences:
            row += sentence if not row or row.endswith(FULL_ENDS) else f" {sentence}"
        return row


@cache
def translations(language: Language) -> gettext.NullTranslations:
    """gettext's catalogue of a language; that of English is empty. Raises OptionError."""
    if language not in LANGUAGES:
        raise OptionError(f"language {language!r}: give one of {', '.join(LANGUAGES)}.")
    if language == "en":
        return gettext.NullTranslations()
    return gettext.translation(DOMAIN, FOLDER, [language])


ENGLISH = Texts("en")
"""What sentences are made of where no language is given."""
