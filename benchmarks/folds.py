"""All solar cells in folds, at random and in blocks of file order: classifiers and unit spaces by one setting and
another, and what a choice among them by inner folds is worth."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.larger_networks import dino_s
from benchmarks.scale import Scale
from benchmarks.tables import table

_Of = dict[tuple[str, str], Any]
"""By setting and way of folding."""
_FOLDS, _INNER = 4, 3
_WAYS = ("random", "blocked")
_CLASSIFIERS: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "`--head-c 10`": {"head_c": 10.0},
    "`--picture-px 320`": {"picture_px": 320},
    "stages 3 4 5 6": {"layers": (3, 4, 5, 6)},
    "`--beside lite0~h`": {"beside": ("lite0~h",)},
}
_SPACES: dict[str, dict[str, Any]] = {
    "as it comes": {},
    "stages 4 5 6": {"layers": (4, 5, 6)},
    "`--picture-px 320`": {"picture_px": 320},
    "`--where positions`": {"where": "positions"},
}


def section(scale: Scale, folder: Path) -> str:
    """Every cell judged by an inspector that was fitted without its fold."""
    from kenpin.demo import solar_cells
    from kenpin.models.networks.recent_features import RECENT

    os.environ["KENPIN_CACHE"] = str(folder / "cache")
    RECENT.limit_bytes = 2 << 30
    cells = solar_cells()
    if scale.folded is not None:
        rows = np.random.default_rng(0).choice(len(cells), scale.folded, replace=False)
        cells = cells.select(sorted(rows.tolist()))
    dino = dino_s(folder / "dino")
    classifiers, spaces_of = dict(_CLASSIFIERS), dict(_SPACES)
    if dino is not None:
        classifiers["`--beside` DINOv2-S"] = {"beside": (dino,)}
        two = {"picture_px": 320, "beside": ("lite0@224", dino)}
        classifiers["`--picture-px 320 --beside lite0@224` DINOv2-S"] = two
        spaces_of["`--where positions --beside` DINOv2-S`@140:12`"] = {
            "where": "positions",
            "beside": (f"{dino}@140:12",),
        }
    judged, inner = _classified(cells, classifiers)
    heads = [
        [name, *(cell for way in _WAYS for cell in _accuracy(cells, judged[name, way], inner[name, way]))]
        for name in classifiers
    ]
    named, chosen = dict[str, str](), {way: np.empty(len(cells)) for way in _WAYS}
    for way in _WAYS:
        folds, best = np.array(_folds(cells, way, _FOLDS)), list[str]()
        for fold in range(_FOLDS):
            best.append(max(classifiers, key=lambda name: inner[name, way][fold]))
            chosen[way][folds == fold] = judged[best[-1], way][folds == fold]
        named[way] = ", ".join(dict.fromkeys(best))
    last = [cell for way in _WAYS for cell in _accuracy(cells, chosen[way], None)]
    heads.append(["chosen in each fold by its inner folds", *last])
    spaces = [
        [name, *(_auroc(cells, _scores("mahalanobis", options, cells, _folds(cells, way, _FOLDS))) for way in _WAYS)]
        for name, options in spaces_of.items()
    ]
    head = ("classifier", *(f"{what}, {way}" for way in _WAYS for what in ("accuracy", "AUROC", "inner accuracy")))
    return (
        f"## Folds\n\n{len(cells):,} solar cells in {_FOLDS} folds, at random and in blocks of file order, with 95 % "
        "intervals, on EfficientNet-Lite0, beside which some settings have further networks. Cells of one module stand "
        "together in the file: "
        f"the blocks are nearer to new modules. Inner accuracy: of {_INNER} folds, made in the same way, of what each "
        "inspector learns from; by it, and not by the folds that are judged, one setting is chosen in each: "
        f"{' and '.join(f'{way} {names}' for way, names in named.items())}.\n\n{table(head, heads)}\n"
        "AUROC of unit spaces of good cells, which have seen no defect:\n\n"
        f"{table(('unit space', *_WAYS), spaces)}"
    )


def _classified(cells: Any, classifiers: dict[str, dict[str, Any]]) -> tuple[_Of, _Of]:
    """Of each setting and way of folding the defect scores of all cells, and the inner accuracy in each fold."""
    judged, inner = _Of(), _Of()
    is_bad = _is_bad(cells)
    for name, options in classifiers.items():
        for way in _WAYS:
            folds = _folds(cells, way, _FOLDS)
            judged[name, way] = _scores("classifier", options, cells, folds)
            found = []
            for fold in range(_FOLDS):
                rows = [row for row, of in enumerate(folds) if of != fold]
                part = cells.select(rows)
                scores = _scores("classifier", options, part, _folds(part, way, _INNER))
                found.append(((scores > 0.5) == is_bad[rows]).mean())
            inner[name, way] = found
    return judged, inner


def _folds(cells: Any, way: str, count: int) -> list[int]:
    from kenpin.data.folds import blocked_folds, random_folds

    return random_folds(cells, count, seed=0) if way == "random" else blocked_folds(cells, count)


def _scores(name: str, values: dict[str, Any], cells: Any, folds: Sequence[int]) -> NDArray[np.float64]:
    """Defect score of every cell, by a fit without its fold."""
    from kenpin.models import get_family
    from kenpin.models.contract import Task
    from kenpin.training import out_of_fold

    family: Any = get_family(name)
    options = family.Options.from_mapping({"data": "-", "out": "-"} | values)
    found = out_of_fold(family, options, Task(cells.classes, ("functional",)), cells, folds, lambda *_: None)
    return np.array([one.defect_score for one in found])


def _is_bad(cells: Any) -> NDArray[np.bool_]:
    return np.array([label == "defective" for label in cells.column("label")])


def _accuracy(cells: Any, scores: NDArray[np.float64], inner: Sequence[float] | None) -> list[str]:
    """Accuracy and AUROC with their intervals, and the mean inner accuracy."""
    from kenpin.metrics.intervals import wilson

    right = int(((scores > 0.5) == _is_bad(cells)).sum())
    low, high = wilson(right, len(cells)) or (0.0, 1.0)
    told = f"{right / len(cells):.3f} ({low:.3f} to {high:.3f})"
    return [told, _auroc(cells, scores), "—" if inner is None else f"{np.mean(inner):.3f}"]


def _auroc(cells: Any, scores: NDArray[np.float64]) -> str:
    from kenpin.metrics.intervals import ranking_interval
    from kenpin.metrics.ranking import auroc, auroc_of_counts

    is_bad = _is_bad(cells)
    low, high = ranking_interval(auroc_of_counts, is_bad, scores, seed=0) or (0.0, 1.0)
    return f"{auroc(is_bad, scores):.3f} ({low:.3f} to {high:.3f})"
