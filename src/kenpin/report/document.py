"""Self-contained HTML documents: templates, embedded pictures and writing."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from kenpin.files import check_free, write_text
from kenpin.plural import counted
from kenpin.report.names import without_folders
from kenpin.visible import in_brief, visible

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
    environment.globals["counted"] = counted
    return environment.get_template(name)


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
