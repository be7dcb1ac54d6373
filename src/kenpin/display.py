"""Display of records: as a line of bounded length, and as escaped HTML in a notebook."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from itertools import islice
from typing import Any, ClassVar

from kenpin.visible import visible

_ROOM = 100
"""Characters that one value may take in a line."""
_ROWS = 20
"""Rows of a table in a notebook."""


class Shown:
    """A record whose `repr` is a line, and that a notebook shows as a table; neither grows with its content."""

    __slots__ = ()
    _in_brief: ClassVar[tuple[str, ...]] = ()
    """Fields in the line of a record with many; empty: all fields that are set."""

    def __repr__(self) -> str:
        texts = (f"{name}={shortened(value)}" for name, value in set_fields(self, self._in_brief))
        return f"{type(self).__name__}({', '.join(texts)})"

    def _repr_html_(self) -> str:
        return card(type(self).__name__, record_html(self))


def set_fields(record: Any, names: Sequence[str] = ()) -> list[tuple[str, Any]]:
    """Names and values of a record's set fields, of these names alone if any; fields that are None or have their
    default are left out."""
    pairs = []
    for item in fields(record):
        value = getattr(record, item.name)
        default = item.default_factory() if item.default_factory is not MISSING else item.default
        is_default = type(value) is type(default) and value == default
        if item.repr and value is not None and not is_default and (not names or item.name in names):
            pairs.append((item.name, value))
    return pairs


def shortened(value: Any, room: int = _ROOM) -> str:
    """A value in about `room` characters at most: of many items the first, and the number of the others."""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, bytes):
        return f"<{len(value):,} bytes>"
    if isinstance(value, Mapping):
        pairs = (f"{key!s}: " + shortened(item, room // 2) for key, item in value.items())
        return "{" + _first(pairs, len(value), room) + "}"
    if isinstance(value, tuple | list):
        if value and is_dataclass(value[0]) and not isinstance(value[0], type):
            return f"<{len(value):,} × {type(value[0]).__name__}>"
        return "(" + _first((shortened(item, room // 2) for item in value), len(value), room) + ")"
    if is_dataclass(value) and not isinstance(value, type):
        values = [item for _, item in set_fields(value)]
        return f"{type(value).__name__}({_first((shortened(item, room // 2) for item in values), len(values), room)})"
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"<{value.dtype} of shape {tuple(value.shape)}>"
    if isinstance(value, str):
        value = value if len(value) <= 2 * room else value[: 2 * room]  # the repr of a book costs as much as the book
    text = str(value) if isinstance(value, int) else repr(value)
    return text if len(text) <= room else text[: room - 1] + "…"


def _first(texts: Iterable[str], count: int, room: int) -> str:
    """As many of the texts as there is room for, the first in any case."""
    shown: list[str] = []
    for text in texts:
        room -= len(text) + 2
        if shown and room < 0:
            break
        shown.append(text)
    return ", ".join([*shown, *([f"… {count - len(shown):,} more"] if count > len(shown) else [])])


def escape(text: str) -> str:
    """Text as HTML: markup in it has no effect, and control characters are seen."""
    return html.escape(visible(text, keep="\n\t"))


def card(title: str, *parts: str) -> str:
    """HTML parts under a title, which is escaped."""
    return f"<div><strong>{escape(title)}</strong>{''.join(parts)}</div>"


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A table of names, which are escaped, and HTML."""
    rows = (f"<tr><th style='text-align:left'>{_title(name)}</th><td>{value}</td></tr>" for name, value in pairs)
    return f"<table>{''.join(rows)}</table>"


def table(heads: Sequence[str], rows: Iterable[Sequence[Any]], count: int) -> str:
    """The first of `count` rows as a table; values are shortened and escaped, None is a dash."""
    first = list(islice(rows, _ROWS))
    head = "".join(f"<th>{_title(name)}</th>" for name in heads)
    body = ("".join(f"<td>{cell(value)}</td>" for value in row) for row in first)
    more = f"<p>… {count - len(first):,} more</p>" if count > len(first) else ""
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{cells}</tr>' for cells in body)}</table>{more}"


def sentences(texts: Sequence[object]) -> str:
    """A list of sentences, the first of them where there are many."""
    more = [f"… {len(texts) - _ROWS:,} more"] if len(texts) > _ROWS else []
    return f"<ul>{''.join(f'<li>{escape(str(text))}</li>' for text in [*texts[:_ROWS], *more])}</ul>"


def figures(pictures: Iterable[tuple[bytes, str]]) -> str:
    """JPEGs with captions, which are escaped, in a row that wraps."""
    shown = (
        "<figure style='display:inline-block;margin:4px;max-width:136px;vertical-align:top'>"
        f"<img src='data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}' alt='{escape(caption)}'>"
        f"<figcaption style='font-size:smaller;overflow-wrap:anywhere'>{escape(caption)}</figcaption></figure>"
        for jpeg, caption in pictures
    )
    return f"<div>{''.join(shown)}</div>"


def record_html(record: Any) -> str:
    """A record's fields as HTML; of one that has a length, such as boxes, a row for each of its items."""
    pairs = set_fields(record)
    if hasattr(record, "__len__"):
        columns = [(name, value) for name, value in pairs if isinstance(value, tuple)]
        heads, values = [name for name, _ in columns], [value for _, value in columns]
        return table(heads, zip(*values, strict=True), len(record)) if len(record) else "<p>none</p>"
    return facts((name, _value_html(value)) for name, value in pairs)


def _value_html(value: Any) -> str:
    if is_dataclass(value) and not isinstance(value, type):
        return record_html(value)
    if isinstance(value, Mapping) and value:
        first = next(iter(value.values()))
        if not is_dataclass(first) or isinstance(first, type):
            return table(("", ""), value.items(), len(value))
        set_names = {name for record in value.values() for name, _ in set_fields(record)}
        names = [item.name for item in fields(first) if item.name in set_names]
        rows = ([key, *(getattr(record, name) for name in names)] for key, record in value.items())
        return table(("", *names), rows, len(value))
    if isinstance(value, tuple) and value and _are_sentences(value):
        return sentences(value)
    if isinstance(value, tuple) and value and all(isinstance(item, str) for item in value):
        return escape(_first(value, len(value), _ROOM))
    return cell(value)


def _are_sentences(values: Sequence[Any]) -> bool:
    """Whether they are long texts, or records whose text is a sentence."""
    if isinstance(values[0], str):
        return all(isinstance(item, str) and len(item) > _ROOM // 4 for item in values[:_ROWS])
    return is_dataclass(values[0]) and type(values[0]).__str__ is not object.__str__


def _title(name: str) -> str:
    return escape(name.replace("_", " "))


def cell(value: Any) -> str:
    """A value, shortened and escaped; None is a dash."""
    if isinstance(value, str):  # also for a member of a StrEnum
        return escape(value if len(value) <= 2 * _ROOM else f"{value[: 2 * _ROOM]}…")
    return "–" if value is None else escape(shortened(value))
