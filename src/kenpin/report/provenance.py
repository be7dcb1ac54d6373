"""A run's record as rows for readers: the origin of its numbers, and differences from another record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from kenpin.report import words
from kenpin.report.names import family_title, field_title, without_folders
from kenpin.words import ENGLISH, Texts
from kenpin.words.recorded import recorded

_VALUES = 12  # of a list
_SENTENCES = frozenset({"basis"})  # recorded in English
_ELSEWHERE = frozenset({"counts", "boxes", "pictures", "notes", "base_probe"})  # on the page, or for programs alone

Rows = list[tuple[str, str]]


def provenance(record: Mapping[str, Any], texts: Texts = ENGLISH, above: str = "") -> Rows:
    """Names and values of a record's fields as text; counts and notes are elsewhere on the page."""
    rows: Rows = []
    for key, value in record.items():
        name = above + field_title(key, texts)
        if key in _ELSEWHERE or value is None:
            continue
        if isinstance(value, Mapping):
            rows += provenance(value, texts, name + " › ")
        elif isinstance(value, Sequence) and not isinstance(value, str):
            listed = ", ".join(_word(item, texts) for item in value[:_VALUES]) or texts("none")
            if len(value) > _VALUES:
                listed = texts("%(items)s, … (%(number)s in all)", items=listed, number=len(value))
            rows.append((name, listed))
        elif key in _SENTENCES:
            rows.append((name, recorded(_word(value, texts), texts)))
        else:
            rows.append((name, family_title(value, texts) if key == "family" else _word(value, texts)))
    return rows


def changed(before: Mapping[str, Any], now: Mapping[str, Any], texts: Texts = ENGLISH) -> list[tuple[str, str, str]]:
    """Fields that differ between two records: name, before, now."""
    old, new = dict(provenance(before, texts)), dict(provenance(now, texts))
    names = dict.fromkeys([*old, *new])
    return [(n, old.get(n, words.NONE), new.get(n, words.NONE)) for n in names if old.get(n) != new.get(n)]


def about(record: Mapping[str, Any], texts: Texts = ENGLISH) -> str:
    """Family, base and day in a line, as far as they are known."""
    family, base, created = (record.get(key) for key in ("family", "base_id", "created"))
    facts = [
        family_title(family, texts) if isinstance(family, str) else "",
        without_folders(base) if isinstance(base, str) else "",
        created[:10] if isinstance(created, str) else "",
    ]
    return " · ".join(filter(None, facts))


def _word(value: object, texts: Texts) -> str:
    if isinstance(value, bool):
        return texts("yes") if value else texts("no")
    return f"{value:.6g}" if isinstance(value, float) else without_folders(str(value))
