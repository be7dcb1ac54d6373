"""Kinds of sinks and sources: a file each in their folder, or an entry point of another package."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.plugins import load_plugin, plugins

_KIND = "kind"


@dataclass(frozen=True, slots=True)
class Kinds:
    """All kinds of one sort of things."""

    package: ModuleType
    """The package with a file for each; the file's name is the kind's."""
    group: str
    """Entry points of this group are kinds of other packages."""
    what: str
    """What they are kinds of: "sink"."""

    def names(self) -> tuple[str, ...]:
        """Names of all kinds, sorted; none of them is imported."""
        return tuple(sorted({*self._own(), *plugins(self.group)}))

    def get(self, name: str) -> Any:
        """The kind of this name. Raises OptionError: it names the nearest known one, or what could not be loaded."""
        if name in self._own():
            return importlib.import_module(f"{self.package.__name__}.{name}")
        if name in plugins(self.group):
            return load_plugin(self.what, plugins(self.group)[name])
        raise OptionError(f"{self.what} of kind {name!r} is not known; {did_you_mean(name, self.names())}")

    def of_settings(self, name: str, values: Mapping[str, Any]) -> tuple[str, Any, dict[str, Any]]:
        """Name of the kind, the kind, and what is set besides, from the settings of the thing with this name.

        Raises OptionError.
        """
        kind = values.get(_KIND)
        if not isinstance(kind, str):
            raise OptionError(f"{self.what} {name!r}: `kind` is missing; {did_you_mean('', self.names())}")
        try:
            found = self.get(kind)
        except OptionError as error:
            raise OptionError(f"{self.what} {name!r}: {error}") from error
        return kind, found, {key: value for key, value in values.items() if key != _KIND}

    def _own(self) -> frozenset[str]:
        return frozenset(module.name for module in pkgutil.iter_modules(self.package.__path__))
