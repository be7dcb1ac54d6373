"""Things that are found by name: modules of kenpin, and objects that other packages name by entry points."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from kenpin.errors import OptionError, first_line
from kenpin.nearest import did_you_mean


@dataclass(frozen=True, slots=True)
class Kinds:
    """All things of one sort: a module each in a package, or an entry point of another package."""

    package: str
    """The package with a module for each; the module's name is the thing's."""
    group: str
    """Entry points of this group are things of other packages."""
    what: str
    """For messages: "format"."""

    def names(self) -> tuple[str, ...]:
        """All names, sorted; nothing is imported."""
        return tuple(sorted({*_modules_of(self.package), *plugins(self.group)}))

    def get(self, name: str) -> Any:
        """What has this name. Raises OptionError: it names the nearest known one, or what could not be loaded."""
        if name in _modules_of(self.package):
            return importlib.import_module(f"{self.package}.{name}")
        if name in plugins(self.group):
            return load_plugin(self.what, plugins(self.group)[name])
        raise OptionError(f"{self.what} {name!r} is not known; {did_you_mean(name, self.names())}")


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


@cache
def _modules_of(package: str) -> frozenset[str]:
    return frozenset(module.name for module in pkgutil.iter_modules(importlib.import_module(package).__path__))
