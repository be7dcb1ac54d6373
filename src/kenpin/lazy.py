"""Public names of a package that are resolved on first use, so that importing it loads nothing heavy."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any

from kenpin.errors import lacks_training


def on_first_use(package: str, modules: Mapping[str, str]) -> Callable[[str], Any]:
    """The `__getattr__` of a package. modules: the module below the package that each name is in.

    >>> on_first_use("kenpin", {"Box": "records"})("Box") is import_module("kenpin.records").Box
    True
    """

    def resolve(name: str) -> Any:
        if name in modules:
            try:
                return getattr(import_module(f"{package}.{modules[name]}"), name)
            except ModuleNotFoundError as error:
                raise lacks_training(error) or error from error
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return resolve
