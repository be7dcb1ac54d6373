"""Plugins: objects that other packages name by entry points."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from kenpin.errors import OptionError, first_line


@cache  # reading what all installed packages say of themselves takes milliseconds, and each look for a format asks
def plugins(group: str) -> dict[str, EntryPoint]:
    """Entry points of this group by name, sorted; nothing is imported."""
    return {point.name: point for point in sorted(entry_points(group=group), key=lambda point: point.name)}


def load_plugin(kind: str, point: EntryPoint) -> Any:
    """Load the object of an entry point. kind: for the message. Raises OptionError where it cannot be loaded."""
    try:
        return point.load()
    except Exception as error:  # another package may raise anything
        package = "the package that brings it" if point.dist is None else point.dist.name
        raise OptionError(
            f"{kind} {point.name!r}: {point.value} cannot be loaded ({type(error).__name__}: {first_line(error)}); "
            f"repair or remove {package}."
        ) from error
