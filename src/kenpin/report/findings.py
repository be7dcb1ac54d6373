"""A page of sentences and charts, for what a command on decisions found."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from kenpin.report.document import template, write_document
from kenpin.report.drawing import Figure


def write_findings(
    kind: str, name: str, sentences: Sequence[str], figures: Sequence[Figure], out: Path, *, overwrite: bool = False
) -> Path:
    """One HTML page that needs no other file; the first sentence leads. Raises OutputExistsError."""
    return write_document(
        lambda: template("findings.html.jinja").render(kind=kind, name=name, sentences=sentences, figures=figures),
        out,
        overwrite,
    )
