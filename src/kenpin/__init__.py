"""kenpin: from a few hundred labelled pictures to a visual inspector that runs.

What a script or a notebook uses, see docs/python.md; each name is loaded on its first use:

- `load_dataset` makes a `Dataset` of a path or of what is in memory; `look` shows it on a page, `examine` is the
  doctor, `find_suspects` ranks doubtful labels, `write_dataset` writes any format.
- `train` trains and returns a `Run`; `load_run` finds an old one; a `Listener` hears how it goes; `update` adds good
  parts to a unit space.
- `load` makes a `Predictor` of a run, which judges pictures, or of `owner/name` on the hub, where `push` puts it,
  `load_predictor` one of any state of a run, and `load_base` one of a base as it comes; `evaluate` measures it,
  `compare` two of them on the same pictures, `embed` writes vectors, `write_report` a report.
- `records` are what they hand out, `errors` what they raise.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kenpin import errors, records
    from kenpin.base_predictor import load_base
    from kenpin.data.dataset import Dataset
    from kenpin.data.doctor import examine
    from kenpin.data.loading import load_dataset, write_dataset
    from kenpin.embedding import embed
    from kenpin.evaluation import evaluate
    from kenpin.finished_run import Run, compare, load_run
    from kenpin.hub import push
    from kenpin.predictor import Predictor, load, load_predictor
    from kenpin.report import write_report
    from kenpin.report.look import look
    from kenpin.suspects import find_suspects
    from kenpin.training import Listener, train
    from kenpin.updating import update

__all__ = [
    "Dataset",
    "Listener",
    "Predictor",
    "Run",
    "compare",
    "embed",
    "errors",
    "evaluate",
    "examine",
    "find_suspects",
    "load",
    "load_base",
    "load_dataset",
    "load_predictor",
    "load_run",
    "look",
    "push",
    "records",
    "train",
    "update",
    "write_dataset",
    "write_report",
]

_HOMES = {
    "Dataset": "kenpin.data.dataset",
    "Predictor": "kenpin.predictor",
    "Run": "kenpin.finished_run",
    "compare": "kenpin.finished_run",
    "embed": "kenpin.embedding",
    "evaluate": "kenpin.evaluation",
    "examine": "kenpin.data.doctor",
    "find_suspects": "kenpin.suspects",
    "load": "kenpin.predictor",
    "load_base": "kenpin.base_predictor",
    "load_dataset": "kenpin.data.loading",
    "load_predictor": "kenpin.predictor",
    "load_run": "kenpin.finished_run",
    "look": "kenpin.report.look",
    "push": "kenpin.hub",
    "train": "kenpin.training",
    "Listener": "kenpin.training",
    "update": "kenpin.updating",
    "write_dataset": "kenpin.data.loading",
    "write_report": "kenpin.report",
}


def __getattr__(name: str) -> Any:
    """Resolve a public name on first use: importing kenpin alone loads neither torch nor pyarrow."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    if name in __all__:
        return import_module(f"kenpin.{name}")
    raise AttributeError(f"module 'kenpin' has no attribute {name!r}")


def __dir__() -> list[str]:
    """What a notebook offers after `kenpin.`, loaded or not."""
    return sorted({*globals(), *__all__})
