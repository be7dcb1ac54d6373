"""Packages beside their runs: what changes in scores, verdicts, labels, maps and embeddings on the same pictures."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.fresh import Figures, in_fresh_process
from benchmarks.scale import Scale
from benchmarks.tables import table

if TYPE_CHECKING:
    from kenpin.data.dataset import Dataset
    from kenpin.predictor import Predictor

_VIT = "vit"  # a small ViT, whose folder is made; every other base is Lite0
_WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "classifier, head svm": ("classifier", {}),
    "classifier, head linear": ("classifier", {"head": "linear"}),
    "classifier, lora": ("classifier", {"tuning": "lora", "epochs": 1}),
    "classifier, lora on a ViT": ("classifier", {"tuning": "lora", "epochs": 1, "base": _VIT}),
    "classifier, full": ("classifier", {"tuning": "full", "epochs": 1}),
    "mahalanobis, mt": ("mahalanobis", {}),
    "mahalanobis, rt": ("mahalanobis", {"method": "rt"}),
    "mahalanobis, where positions": ("mahalanobis", {"where": "positions"}),
    "mahalanobis, where pooled": ("mahalanobis", {"where": "pooled"}),
    "embedder, head": ("embedder", {"tuning": "head", "epochs": 2}),
    "embedder, full": ("embedder", {"tuning": "full", "epochs": 1, "batch_size": 16}),
}
_ENGINES = ("openvino", "onnx")
_LEARNED = 96  # pictures that a run learns from
_COMPARED = (
    "absolute difference of a score", "relative difference of a score", "difference of a map or an embedding",
    "changed verdicts", "changed labels",
)  # fmt: skip


def section(scale: Scale, folder: Path) -> str:
    """Each family and tuning that becomes a package, in 32 bits, on both engines."""
    folder.mkdir(parents=True)
    rows = []
    for number, name in enumerate(_WAYS):
        found = in_fresh_process(
            compare, name=name, folder=str(folder / str(number)), judged=scale.judged, mapped=scale.mapped
        )
        for engine in _ENGINES:
            score, share, map_, verdicts, labels = (_in_words(found[f"{engine} {what}"]) for what in _COMPARED)
            rows.append((name, engine, score, share, verdicts, labels, map_))
        shutil.rmtree(folder / str(number))
    head = (
        "run", "package for", "largest absolute difference of a score", "relative to the score", "changed verdicts",
        "changed labels", "largest difference of a map or an embedding",
    )  # fmt: skip
    shutil.rmtree(folder)
    return (
        f"## Package\n\nRuns after a short training on Lite0, or on a small ViT, and their packages in 32 bits judge "
        f"the same {scale.judged} real pictures of solar cells, the run by torch. Maps, of {scale.mapped} of them, and "
        "embeddings differ by the share given of the range of the run's numbers.\n\n"
        f"{table(head, rows)}"
    )


def _in_words(values: list[float]) -> str:
    """A number of changes as it is, a difference by its size."""
    if not values:
        return "–"
    return str(int(values[0])) if values[0] == int(values[0]) else f"{values[0]:.0e}"


def compare(name: str, folder: str, judged: int, mapped: int) -> Figures:
    """In the child: train, export, and let run and packages judge."""
    from benchmarks.real_size import vit_folder
    from kenpin.demo import solar_cells
    from kenpin.export import export_package
    from kenpin.predictor import load_predictor
    from kenpin.training import train

    os.environ["KENPIN_CACHE"] = f"{folder}/cache"
    family, options = _WAYS[name]
    options = dict(options)
    if options.get("base") == _VIT:
        options["base"] = vit_folder(Path(folder) / _VIT, small=True)
    cells = solar_cells()
    learned = cells.select(range(judged, len(cells), (len(cells) - judged) // _LEARNED))
    run = train(
        family, data=learned, out=f"{folder}/run", report=False, engine="torch", ok_labels=("functional",),
        cost_review=0.5, **options,
    )  # fmt: skip
    pictures, of_maps = cells.select(range(judged)), cells.select(range(mapped))
    usual = _Judged(load_predictor(run, engine="torch"), pictures, of_maps)
    figures: Figures = {}
    for engine in _ENGINES:
        package = export_package(run, f"{folder}/{engine}", to=engine)  # type: ignore[arg-type]
        found = _Judged(load_predictor(package, engine=engine), pictures, of_maps)  # type: ignore[arg-type]
        figures |= {f"{engine} {what}": values for what, values in zip(_COMPARED, usual.compared(found), strict=True)}
    return figures


class _Judged:
    """All that a run or a package says of the pictures."""

    def __init__(self, predictor: Predictor, pictures: Dataset, of_maps: Dataset) -> None:
        self._predictions = list(predictor.predict(pictures))
        self._verdicts = [predictor.judge(one).verdict for one in self._predictions]
        self._maps = [map_.grid for _, map_ in predictor.localise(of_maps)] if predictor.localises else []

    def compared(self, other: _Judged) -> tuple[list[float], ...]:
        """In the order of `_COMPARED`; empty where there are no such numbers."""
        import numpy as np

        ours, theirs = (np.array([one.defect_score for one in of._predictions]) for of in (self, other))
        apart = np.abs(ours - theirs)
        rows, others = ([one.embedding for one in of._predictions if one.embedding] for of in (self, other))
        if self._maps:
            rows, others = self._maps, other._maps  # type: ignore[assignment]
        mapped = [float(np.abs(np.subtract(a, b)).max() / np.ptp(a)) for a, b in zip(rows, others, strict=True)]
        labels = [sum(a.label != b.label for a, b in zip(self._predictions, other._predictions, strict=True))]
        return (
            [float(apart.max())],
            [float((apart / np.maximum(np.abs(ours), np.finfo(float).tiny)).max())],
            [max(mapped)] if mapped else [],
            [float(sum(a != b for a, b in zip(self._verdicts, other._verdicts, strict=True)))],
            [float(labels[0])] if self._predictions[0].label is not None else [],
        )
