"""Planes: what three objectives make of the same pictures in two dimensions, by one network and as many epochs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.embedding import fashion_or_digits, run_by_recipe
from benchmarks.fresh import Figures, in_fresh_process
from benchmarks.scale import Scale
from benchmarks.tables import table

_OBJECTIVES: dict[str, dict[str, Any]] = {
    "softmax": {"objective": "softmax", "margin": None},
    "Siamese": {"objective": "contrastive", "margin": 1.0},
    "triplet": {"objective": "triplet", "margin": 1.0},
}


def section(scale: Scale, folder: Path) -> str:
    """How far apart the classes lie on held-out pictures, by silhouette and neighbours."""
    folder.mkdir()
    data, what = fashion_or_digits(folder)
    rows = []
    for name in _OBJECTIVES:
        out = str(folder / name)
        one = in_fresh_process(trained, name=name, data=data, epochs=scale.epochs, pictures=scale.digits, out=out)
        rows.append((name, *(f"{one[key][0]:.3f}" for key in ("silhouette", "neighbours", "accuracy"))))
    head = ("objective", "silhouette", "most of the 5 nearest others are of the class", "named rightly by references")
    return (
        f"## Three objectives in a plane\n\n{what}. The network of `recipes/siamese-mnist.yaml`, 784-256-256-2, and "
        f"its settings, {scale.epochs} epochs with each objective; the vectors are of test pictures that no training "
        "saw, 2,000 of them drawn by lot for silhouette and neighbours. The silhouette tells how much nearer the own "
        "class lies than the next one (1 at most).\n\n" + table(head, rows)
    )


def trained(name: str, data: str, epochs: int, pictures: int | None, out: str) -> Figures:
    """In the child: a run with this objective in the folder `out`; its figures on the test pictures."""
    _, run = run_by_recipe(data, epochs, pictures, out, **_OBJECTIVES[name])
    return figures(run)


def figures(run: Path) -> Figures:
    """What a run measured on its test pictures."""
    from kenpin.run.record import read_record

    scores = read_record(run).scores
    names = {"silhouette": "silhouette", "neighbours": "knn_accuracy", "accuracy": "accuracy"}
    return {key: [float(scores[name] or 0.0)] for key, name in names.items()}
