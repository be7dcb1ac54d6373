"""kenpin: from a few hundred labelled pictures to a visual inspector that runs."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenpin import errors, records
    from kenpin.data.loading import load_dataset
    from kenpin.evaluation import evaluate
    from kenpin.predictor import load_base, load_predictor
    from kenpin.report import write_report
    from kenpin.training import train

__all__ = ["errors", "evaluate", "load_base", "load_dataset", "load_predictor", "records", "train", "write_report"]

_HOMES = {
    "evaluate": "kenpin.evaluation",
    "load_base": "kenpin.predictor",
    "load_dataset": "kenpin.data.loading",
    "load_predictor": "kenpin.predictor",
    "train": "kenpin.training",
    "write_report": "kenpin.report",
}


def __getattr__(name: str) -> Any:
    """Resolve a public name on first use: importing kenpin alone loads neither torch nor pyarrow."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"kenpin.{name}")
    raise AttributeError(f"module 'kenpin' has no attribute {name!r}")
