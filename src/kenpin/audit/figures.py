"""Figures of an audit pack: each value with the record, and the place in it, that it was read from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kenpin.errors import RunError


@dataclass(frozen=True, slots=True)
class CitedFigure:
    """A value that was read from a record."""

    value: Any
    """As it stands in the record; a number of items for `source` with a count."""
    shown: str
    """As a reader sees it."""
    source: str
    """Path of the record in the pack, `#` and a JSON pointer (RFC 6901): `runs/look/run.json#/dataset/fingerprint`;
    with ` count`, the number of items there; with ` count KEY=VALUE`, of those that hold this."""


@dataclass(frozen=True, slots=True)
class Document:
    """A record as it was read."""

    name: str
    """Its path in the pack."""
    values: Any = None
    """Its JSON."""

    def figure(self, *path: str | int, shown: str | None = None) -> CitedFigure:
        """The value at a path. shown: in words; None: as it is. Raises RunError where there is none."""
        value = self.get(*path, default=_NOTHING)
        if value is _NOTHING:
            raise RunError(f"{self.name}: holds nothing at {pointer(path)}; restore it from a copy or train again.")
        return CitedFigure(value, str(value) if shown is None else shown, f"{self.name}#{pointer(path)}")

    def time(self, *path: str | int) -> CitedFigure:
        """The time at a path. Raises RunError where there is none."""
        return self.figure(*path, shown=clock(str(self.get(*path))))

    def number_of(self, *path: str | int, **having: Any) -> CitedFigure:
        """How many items there are at a path; having: those alone whose keys hold these values."""
        items = self.get(*path, default=())
        found = sum(all(item.get(key) == value for key, value in having.items()) for item in items) if having else None
        number = len(items) if found is None else found
        condition = "".join(f" {key}={_word(value)}" for key, value in having.items())
        return CitedFigure(number, f"{number:,}", f"{self.name}#{pointer(path)} count{condition}")

    def get(self, *path: str | int, default: Any = None) -> Any:
        """The value at a path; `default` where there is none."""
        value = self.values
        for key in path:
            if isinstance(value, Mapping) and key in value:
                value = value[key]
            elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(key, int):
                if key >= len(value):
                    return default
                value = value[key]
            else:
                return default
        return value


def clock(at: str) -> str:
    """A time in UTC, ISO 8601, as a reader takes it in.

    >>> clock("2026-11-28T03:55:13+00:00")
    '2026-11-28 03:55:13 UTC'
    """
    return f"{at[:19].replace('T', ' ')} UTC"


def pointer(path: Iterable[str | int]) -> str:
    """A path as a JSON pointer.

    >>> pointer(("counts", "a/b", 0))
    '/counts/a~1b/0'
    """
    return "".join("/" + str(key).replace("~", "~0").replace("/", "~1") for key in path)


_NOTHING = object()


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
