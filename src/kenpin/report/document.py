"""HTML documents that need no other file: their templates, their pictures and how they are written."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from kenpin.errors import OutputExistsError
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


def refuse_existing(out: Path, overwrite: bool) -> None:
    """Raise OutputExistsError where `out` exists, unless `overwrite`."""
    if out.exists() and not overwrite:
        raise OutputExistsError(f"{out} exists; choose another name, or add --overwrite.")


def write_document(render: Callable[[], str], out: Path, overwrite: bool) -> Path:
    """Write what `render` returns to `out`, under its name only when it is whole; returns `out`.

    Raises OutputExistsError where `out` exists, unless `overwrite`, before anything is rendered.
    """
    refuse_existing(out, overwrite)
    page = render()
    out.parent.mkdir(parents=True, exist_ok=True)
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    unfinished.write_text(page, encoding="utf-8")
    unfinished.replace(out)
    return out
