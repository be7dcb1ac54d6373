"""Patterns of an operator with an event's values in braces: `{product}/{lot}`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from string import Formatter

from kenpin.nearest import did_you_mean
from kenpin.station.told import Told

FIELDS = ("node", "product", "version", "id", "lot", "verdict", "label", "kind", "date")
_NONE = "none"


def check_pattern(pattern: str) -> str:
    """The pattern. Raises ValueError, one sentence, where a brace holds anything but the name of a field."""
    try:
        pieces = [*Formatter().parse(pattern)]
    except ValueError as error:
        raise ValueError(f"{pattern!r} has a brace without its other half ({error}); write {{lot}}.") from None
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in FIELDS:
            raise ValueError(f"{{{name}}} is not known; {did_you_mean(name, FIELDS)}")
        if spec or conversion:
            raise ValueError(f"{{{name}}} is followed by more than the name; write {{{name}}} alone.")
    return pattern


def fill(pattern: str, told: Told, node: str, safe: Callable[[str], str]) -> str:
    """The pattern with an event's values. safe: makes of any text what can stand there."""
    values = {name: safe(_value(told, name, node)) for name in FIELDS}
    return pattern.format_map(values)


def _value(told: Told, name: str, node: str) -> str:
    if name == "node":
        return node
    if name == "date":
        return datetime.fromisoformat(told.judged_at).date().isoformat()
    value = getattr(told, name)
    return _NONE if value is None else str(value)
