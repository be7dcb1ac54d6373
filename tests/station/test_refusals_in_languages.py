"""Refusals at the door, of uploads and in the review are said in the language of the page."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from kenpin.words import Language, Texts
from kenpin.words.recorded import translated
from tests.catalogues import TRANSLATED
from tests.tree import PACKAGE

HELD = (
    "api/forms.py", "pages/uploads.py", "reviewing/queue.py", "who/door.py", "who/first_start.py", "who/links.py",
    "who/passwords.py",
)  # fmt: skip
"""The modules below `station/` whose refusals have templates."""
_ELSEWHERE = {"MissingExtraError"}  # ends the command before there is a page


def refusals(file: Path) -> Iterator[tuple[int, str]]:
    """Line and text of each sentence that a file gives to an error, or keeps for one, with sample values."""
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            given: ast.expr | None = node.value
        elif isinstance(node, ast.Call) and (name := ast.unparse(node.func)).endswith("Error"):
            given = node.args[0] if node.args and name not in _ELSEWHERE else None
        else:
            continue
        if (text := _filled(given)) is not None and text.endswith((".", "?")):
            yield node.lineno, text


def _filled(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, str) else None
    if not isinstance(node, ast.JoinedStr):
        return None
    return "".join(
        str(part.value) if isinstance(part, ast.Constant) else _sample(ast.unparse(part)) for part in node.values
    )


def _sample(field: str) -> str:
    if "counted(" in field:
        return "7 characters"
    return "present password" if "{what}" in field else "7"


@pytest.mark.parametrize("language", TRANSLATED)
@pytest.mark.parametrize("name", HELD)
def test_each_refusal_has_a_template(name: str, language: Language) -> None:
    found = list(refusals(PACKAGE / "station" / name))
    assert found
    lacking = [f"{name}:{line}: {text}" for line, text in found if translated(text, Texts(language)) is None]
    assert not lacking
