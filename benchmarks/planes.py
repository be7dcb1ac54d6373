"""Planes: what three objectives make of the same pictures in two dimensions, by one network and as many epochs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from benchmarks.embedding import fashion_or_digits
from benchmarks.fresh import ROOT, Figures, in_fresh_process
from benchmarks.scale import Scale
from benchmarks.tables import figure, table

_OBJECTIVES: dict[str, dict[str, Any]] = {
    "softmax": {"objective": "softmax"},
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
        rows.append((name, *(f"{one[key][0]:.3f}" for key in ("silhouette", "accuracy")), figure(one["seconds"][0])))
    return (
        f"## Three objectives in a plane\n\n{what}. The network of `recipes/siamese-mnist.yaml`, 784-256-256-2, and "
        f"its settings, {scale.epochs} epochs with each objective; the vectors are of test pictures that no training "
        "saw. The silhouette tells how much nearer the own class lies than the next one (1 at most); the accuracy, how "
        "often most of the 5 nearest other test pictures are of the class.\n\n"
        + table(("objective", "silhouette", "5-NN accuracy", "s of learning"), rows)
    )


def trained(name: str, data: str, epochs: int, pictures: int | None, out: str) -> Figures:
    """In the child: a run with this objective in the folder `out`; its figures on the test pictures."""
    from kenpin.config import read_yaml
    from kenpin.data.loading import load_dataset
    from kenpin.run_folder import read_record
    from kenpin.training import train

    os.environ["KENPIN_CACHE"] = f"{out} cache"
    dataset = load_dataset(data)
    if pictures is not None:
        splits = dataset.column("split")
        some = {split: [i for i, of in enumerate(splits) if of == split][:pictures] for split in ("train", "test")}
        dataset = dataset.select(some["train"] + some["test"])
    settings = read_yaml(ROOT / "recipes" / "siamese-mnist.yaml") | {"epochs": epochs, "step_epochs": 0.8 * epochs}
    del settings["margin"]  # softmax has none
    run = train("embedder", dataset=dataset, data=data, out=Path(out), **settings | _OBJECTIVES[name])
    record = read_record(run)
    found = {"silhouette": record.scores["silhouette"], "accuracy": record.scores["knn_accuracy"]}
    return {key: [float(value or 0.0)] for key, value in (found | {"seconds": record.seconds}).items()}
