"""The library of known cases: pictures' vectors with what people said of them, and the search for wanted ones."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenpin.cases.case import Case, CaseFilter, CaseVerdict
    from kenpin.cases.library import CaseLibrary

__all__ = ["Case", "CaseFilter", "CaseLibrary", "CaseVerdict"]

_MODULES = {"Case": "case", "CaseFilter": "case", "CaseLibrary": "library", "CaseVerdict": "case"}


def __getattr__(name: str) -> Any:
    """Resolve a public name on first use: whoever parses a command loads no table of cases."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
