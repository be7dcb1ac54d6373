"""HTML documents that need no other file: their templates, their pictures and how they are written."""

from __future__ import annotations

import base64
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kenpin.files import check_free, write_text
from kenpin.plural import counted
from kenpin.report.names import without_folders


@cache
def template(name: str) -> Template:
    """A template of this folder; what it is given is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["without_folders"] = without_folders
    environment.globals["counted"] = counted
    return environment.get_template(name)


def data_url(jpeg: bytes | None) -> str | None:
    """A JPEG as the address of a picture that is held in the document; None for None."""
    return None if jpeg is None else "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def write_document(render: Callable[[], str], out: Path, overwrite: bool) -> Path:
    """Write what `render` returns to `out`, under its name only when it is whole; returns `out`.

    Raises OutputExistsError where `out` exists, unless `overwrite`, before anything is rendered.
    """
    check_free(out, overwrite)
    write_text(out, render(), overwrite=overwrite)
    return out
