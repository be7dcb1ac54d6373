"""The command `demo`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from kenpin.cli import _show
from kenpin.cli.data import Overwrite

_MEASURES = ("accuracy", "auroc", "escape_rate", "overkill_rate")


def demo(
    *,
    out: Annotated[Path, Parameter(help="Folder to write.")] = Path("demo"),
    overwrite: Overwrite = False,
) -> int:
    """Train, evaluate and report on real solar cells, in about two minutes."""
    from kenpin.data.doctor import render
    from kenpin.demo import WHY_THEY_DIFFER, run_demo

    with _show.progress_line() as progress:
        result = run_demo(out, overwrite=overwrite, say=_show.say, progress=progress)
    print(render(result.examination))
    print(f"\n{'held-out cells':<24}{'split':<10}" + "".join(f"{name.replace('_', ' '):<28}" for name in _MEASURES))
    for (family, way), evaluation in result.evaluations.items():
        cells = "".join(f"{_show.number(evaluation.measures.get(name)):<28}" for name in _MEASURES)
        print(f"{family:<24}{way:<10}{cells}")
    print(f"\n{WHY_THEY_DIFFER}")
    print("\nNext, for example:")
    run = result.runs / "classifier-random"
    print(f"  kenpin predict {run} YOUR_PICTURES --draw drawn")
    print(f"  kenpin report {run} --against {result.runs / 'classifier-blocked'} --out compared.html")
    print("  kenpin doctor YOUR_DATA")
    print("  kenpin train classifier --data YOUR_DATA --out runs/first")
    print(f"\nDrawn predictions: {result.drawn[0].parent}   Seconds: {result.seconds:.0f}")
    best = result.evaluations["classifier", "random"].measures
    print(f"Accuracy: {_show.number(best['accuracy'])}")
    print(f"AUROC:    {_show.number(best['auroc'])}")
    print(f"Report:   {result.report}")
    return 0
