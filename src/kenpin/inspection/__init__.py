"""The inspection of a line: runs judge each picture together by a policy, and every part leaves one durable record."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenpin.inspection.journal import read_records
    from kenpin.inspection.line import Line
    from kenpin.inspection.policy import Policy, read_policy
    from kenpin.inspection.record import PartRecord

__all__ = ["Line", "PartRecord", "Policy", "read_policy", "read_records"]

_MODULES = {
    "Line": "line",
    "PartRecord": "record",
    "Policy": "policy",
    "read_policy": "policy",
    "read_records": "journal",
}


def __getattr__(name: str) -> Any:
    """Resolve a public name on first use: whoever reads records alone loads no torch."""
    if name in _MODULES:
        return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
