"""Every text of the pages stands in each language's catalogue, whole and with its values."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message

from kenpin.words import Language, Texts
from tests.catalogues import TRANSLATED, compiled, files, kept, used

_VALUE = re.compile(r"%\(\w+\)s|%%")


def _texts(message: Message) -> list[tuple[str, str]]:
    """English and translation, of each form."""
    if isinstance(message.id, tuple):
        strings = message.string if isinstance(message.string, tuple) else (message.string,)
        return [(message.id[-1], string) for string in strings]
    return [(message.id, str(message.string))]


@pytest.mark.parametrize("language", TRANSLATED)
def test_catalogues_hold_what_is_used_and_no_more(language: Language) -> None:
    assert {message.id for message in kept(language)} == {message.id for message in used()}, (
        "run `python -m tests.catalogues`"
    )


@pytest.mark.parametrize("language", TRANSLATED)
def test_translations_are_whole(language: Language) -> None:
    for message in kept(language):
        for english, translated in _texts(message) if message.id else ():
            assert translated, f"{english!r} has no translation into {language}"
            # a language without plural forms may leave a number out in none of them
            assert sorted(_VALUE.findall(translated)) == sorted(_VALUE.findall(english)), english
            assert translated[0].isspace() == english[0].isspace()
            if values := {name: name for name in re.findall(r"%\((\w+)\)s", english)}:
                assert all(name in translated % values for name in values)  # no other % stands in it


@pytest.mark.parametrize("language", TRANSLATED)
def test_what_is_read_is_what_is_kept(language: Language) -> None:
    assert files(language)[1].read_bytes() == compiled(kept(language)), "run `python -m tests.catalogues`"


def test_texts_carry_their_values() -> None:
    assert Texts("en")("Lot %(lot)s", lot="A-7") == "Lot A-7"
    assert Texts("ja")("Lot %(lot)s", lot="A-7") == "ロット A-7"
    assert Texts("en").count("%(count)s part", "%(count)s parts", 1) == "1 part"
