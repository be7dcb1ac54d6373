"""The texts of the catalogue as the sources use them; `python -m tests.catalogues` brings the catalogues up to date."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_file
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from kenpin.evaluation import NOT_OK
from kenpin.evaluation.measures import MEASURES
from kenpin.evaluation.mistakes import Mistake
from kenpin.records import Verdict
from kenpin.report.names import FAMILIES, TITLES
from kenpin.report.words import NAMES_OF_NO_CLASS, NO_BOXES, NO_LABEL
from kenpin.words import DOMAIN, FOLDER, LANGUAGES, Language
from kenpin.words.recorded import phrases, templates
from kenpin.words.sentences import SETTINGS
from kenpin.words.sentences.figures import WORDS
from tests.tree import PACKAGE

TRANSLATED: tuple[Language, ...] = tuple(language for language in LANGUAGES if language != "en")
_ALWAYS = datetime(2026, 1, 1, tzinfo=UTC)  # a catalogue changes with its texts alone
_KEYWORDS = {"_": None, "words": None, "texts": None, "ngettext": (1, 2), "count": (1, 2)}
_WORDS = re.compile(r"\bTexts\b|\bwords(?:\.count)?\(")  # of `kenpin.words`, or those that a page was given


def files(language: Language) -> tuple[Path, Path]:
    """The catalogue of a language to read, and as gettext reads it."""
    folder = FOLDER / language / "LC_MESSAGES"
    return folder / f"{DOMAIN}.po", folder / f"{DOMAIN}.mo"


def used() -> Catalog:
    """All texts that templates and code take out of the catalogue, with where they stand."""
    catalogue = Catalog(fuzzy=False)
    for path, texts in chain(_extracted(), _registered()):
        for text in texts:
            catalogue.add(text, locations=[(path.relative_to(PACKAGE).as_posix(), 1)])
    return catalogue


def _extracted() -> Iterator[tuple[Path, list[str | tuple[str, ...]]]]:
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix == ".jinja":
            found = extract_from_file("jinja2.ext:babel_extract", path, keywords=_KEYWORDS)
        elif path.suffix == ".py" and _WORDS.search(path.read_text("utf-8")):
            found = extract_from_file("python", path, keywords=_KEYWORDS)
        else:
            continue
        yield path, [message for _, message, *_ in found if message and message != ("", "")]


def _registered() -> Iterator[tuple[Path, list[str | tuple[str, ...]]]]:
    """Texts that stand in registries, and are translated where they are shown."""
    for file, texts in (
        ("evaluation/measures.py", [t for kind in MEASURES.values() for t in (kind.title, kind.meaning, kind.short)]),
        ("evaluation/mistakes.py", list(map(str, Mistake))),
        ("records.py", list(map(str, Verdict))),
        ("report/names.py", [*TITLES.values(), *FAMILIES.values()]),
        ("report/words.py", [NO_BOXES, NO_LABEL, NOT_OK, *NAMES_OF_NO_CLASS]),
        ("words/sentences/figures.py", [*WORDS]),
        ("words/sentences", [template.text for template in (*templates(), *phrases())]),
        ("words/sentences/settings.py", [*SETTINGS]),
    ):
        yield PACKAGE / file, [text for text in texts if text]


def kept(language: Language) -> Catalog:
    """The catalogue of a language as it is kept."""
    file = files(language)[0]
    if not file.exists():
        return Catalog(locale=language, fuzzy=False)
    with file.open("rb") as opened:
        return read_po(opened, locale=language)


def compiled(catalogue: Catalog) -> bytes:
    """A catalogue as gettext reads it."""
    file = io.BytesIO()
    write_mo(file, catalogue)
    return file.getvalue()


def _update() -> None:
    template = used()
    for language in TRANSLATED:
        catalogue = kept(language)
        catalogue.update(template, no_fuzzy_matching=True)
        catalogue.obsolete.clear()
        catalogue.header_comment = "# kenpin's texts; the English ones stand in the code."
        catalogue.project, catalogue.version = "kenpin", "1"
        catalogue.msgid_bugs_address = catalogue.last_translator = catalogue.language_team = "kenpin"
        catalogue.creation_date = catalogue.revision_date = _ALWAYS
        readable, machine = files(language)
        readable.parent.mkdir(parents=True, exist_ok=True)
        with readable.open("wb") as opened:
            write_po(opened, catalogue, width=120, omit_header=False, include_lineno=False, sort_output=True)
        machine.write_bytes(compiled(kept(language)))
        print(f"{language}: {sum(not message.string for message in catalogue if message.id)} texts lack a translation")


if __name__ == "__main__":
    _update()
