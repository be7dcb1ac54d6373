"""Self-contained HTML documents: templates, embedded pictures and writing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from kenpin.files import check_free, write_text
from kenpin.report.names import without_folders
from kenpin.report.words import bound, english, study_kind, study_name, study_title
from kenpin.visible import in_brief, visible
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import recorded

_LONGEST = 20_000  # letters of a value; a name of 50 MB would make a page that no browser opens


@cache
def template(name: str) -> Template:
    """A template of this folder; its values are escaped, and none is endless."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_bounded,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["without_folders"] = without_folders
    environment.filters["bound"] = bound
    return environment.get_template(name)


def fill(file: str, texts: Texts = ENGLISH, /, **values: object) -> str:
    """A template of this folder with its values, its fixed texts in a language."""
    return template(file).render(
        values,
        texts=texts,
        language=texts.language,
        english=english(texts),
        recorded=lambda sentence: bound(recorded(sentence, texts)),
        study_kind=lambda one: study_kind(one.kind, texts),
        study_name=lambda one: study_name(one.kind, one.name, texts),
        study_title=lambda one: study_title(one.kind, one.name, texts),
        _=_Marked(texts),
        ngettext=_Marked(texts).count,
    )


class _Marked:
    """Texts as a template takes them: those of the catalogue are ours and safe, values are escaped and not endless."""

    def __init__(self, texts: Texts) -> None:
        self._texts = texts

    def __call__(self, text: str, **values: object) -> Markup:
        """A text, with its values at `%(name)s`."""
        found = Markup(self._texts(text))
        return found % {name: _bounded(value) for name, value in values.items()} if values else found

    def count(self, one: str, many: str, count: int, **values: object) -> Markup:
        """A text that depends on a number, which stands at `%(count)s`."""
        found = self._texts.translations.ngettext(one, many, count)
        return Markup(found) % {"count": f"{count:,}", **{name: _bounded(value) for name, value in values.items()}}


def _bounded(value: object) -> object:
    return in_brief(value, _LONGEST) if type(value) is str else value


def data_url(jpeg: bytes | None) -> Markup | None:
    """A JPEG as a data URL; None for None."""
    return None if jpeg is None else Markup("data:image/jpeg;base64," + base64.b64encode(jpeg).decode())


def write_document(render: Callable[[], str], out: Path, overwrite: bool) -> Path:
    """Write the result of `render` to `out`, under its name only when it is complete; returns `out`.

    Raises OutputExistsError where `out` exists, unless `overwrite`, before anything is rendered.
    """
    check_free(out, overwrite)
    write_text(out, visible(render(), keep="\n\t"), overwrite=overwrite)
    return out
