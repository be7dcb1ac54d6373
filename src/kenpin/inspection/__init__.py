"""The inspection of a line: runs judge each picture together by a policy, and every part leaves one durable record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.lazy import on_first_use

if TYPE_CHECKING:
    from kenpin.inspection.journal import read_records
    from kenpin.inspection.line import Line
    from kenpin.inspection.policy import Policy, read_policy
    from kenpin.inspection.record import PartRecord

__all__ = ["Line", "PartRecord", "Policy", "read_policy", "read_records"]

# whoever reads records alone loads no torch
__getattr__ = on_first_use(
    __name__,
    {
        "Line": "line",
        "PartRecord": "record",
        "Policy": "policy",
        "read_policy": "policy",
        "read_records": "journal",
    },
)
