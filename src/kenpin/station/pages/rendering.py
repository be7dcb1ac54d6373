"""Templates to HTML, in a language."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from babel.dates import format_datetime, format_timedelta
from babel.numbers import format_decimal, format_percent
from babel.units import format_unit
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context

from kenpin.station.clock import now_us
from kenpin.visible import in_brief, visible
from kenpin.words import LANGUAGES, NAMES, Language, Texts
from kenpin.words.recorded import recorded

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"
_LONGEST = 20_000  # letters of a value, which may come from a stranger
_LOCALES = {"en": "en", "ja": "ja", "zh": "zh_Hans"}


def render(template: str, language: Language, /, **values: Any) -> str:
    """A page or a fragment; values are escaped."""
    return _environment(language).get_template(f"{template}.html.jinja").render(values)


@cache
def _environment(language: Language) -> Environment:
    words = Texts(language)
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_bounded,
        trim_blocks=True,
        lstrip_blocks=True,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(words.translations, newstyle=True)  # type: ignore[attr-defined]
    for name in ("gettext", "ngettext"):  # values within sentences are bounded as those that stand alone
        environment.globals[name] = _with_bounded_values(environment.globals[name])
    locale = _LOCALES[language]
    environment.globals |= {"language": language, "languages": {one: NAMES[one] for one in LANGUAGES}}
    environment.filters |= {
        "number": lambda value: format_decimal(_rounded(value), locale=locale),
        "percent": lambda share: format_percent(share, format="#,##0.0%", locale=locale),
        "bytes": lambda size: _told_bytes(size, locale),
        "age": lambda us: format_timedelta(timedelta(microseconds=max(now_us() - us, 0)), locale=locale),
        "moment": lambda us: format_datetime(_moment(us), "yyyy-MM-dd HH:mm:ss", locale=locale),
        "refusal": lambda sentence: recorded(str(_bounded(sentence)), words),
        "iso": lambda us: _moment(us).isoformat(timespec="milliseconds"),
    }
    return environment


def _with_bounded_values(gettext: Any) -> Callable[..., Any]:
    """A function of jinja's translations, which puts values into a sentence, for values from anywhere."""

    @pass_context
    def translated(context: Context, *texts: str, **values: object) -> Any:
        return gettext(context, *texts, **{name: _bounded(value) for name, value in values.items()})

    return translated


def _bounded(value: object) -> object:
    return in_brief(visible(value, keep="\n\t"), _LONGEST) if type(value) is str else value


def _rounded(value: float) -> float:
    """To three digits that count; counts stay whole."""
    return float(f"{value:.3g}") if isinstance(value, float) else value


def _told_bytes(size: int, locale: str) -> str:
    """A size in the unit in which it has at most four digits before the point."""
    units = ("byte", "kilobyte", "megabyte", "gigabyte", "terabyte")
    power = min(len(units) - 1, (len(f"{size}") - 1) // 3)
    told: str = format_unit(_rounded(size / 1000**power), f"digital-{units[power]}", "short", locale=locale)
    return told


def _moment(us: int) -> datetime:
    """A time of the store; shown in UTC, and in the browser's own time where scripts run."""
    return datetime.fromtimestamp(us / 1e6, UTC)
