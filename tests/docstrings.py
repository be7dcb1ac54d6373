"""An extension of griffe: how docstrings of kenpin are read as the markdown of the API reference."""

from __future__ import annotations

import re
from typing import Any

import griffe

_EXAMPLE = re.compile(r"(^>>> .*\n?(?:^.*\S.*\n?)*)", re.MULTILINE)
_SOURCE = re.compile(r"^# ", re.MULTILINE)


def as_markdown(text: str) -> str:
    """The text with a fence around each example, from a line with a prompt to the next that is empty; and where a
    formula comes from is a paragraph, no heading.
    """
    told, *pairs = _EXAMPLE.split(text)
    parts = [_SOURCE.sub("", told)]
    for example, then in zip(pairs[::2], pairs[1::2], strict=True):
        parts += [f"```pycon\n{example.rstrip()}\n```\n", _SOURCE.sub("", then)]
    return "".join(parts)


class Docstrings(griffe.Extension):
    """What mkdocs.yml names."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Called of each module, class, function and attribute that was read."""
        if obj.docstring is not None:
            obj.docstring.value = as_markdown(obj.docstring.value)
