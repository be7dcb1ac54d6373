"""The library of known cases: pictures' vectors with what people said of them, and the search for wanted ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.cases.case import Case, CaseFilter, CaseVerdict
    from kenpin.cases.library import CaseLibrary

__all__ = ["Case", "CaseFilter", "CaseLibrary", "CaseVerdict"]

# whoever parses a command loads no table of cases
__getattr__ = on_first_use(
    __name__, {"Case": "case", "CaseFilter": "case", "CaseLibrary": "library", "CaseVerdict": "case"}
)
