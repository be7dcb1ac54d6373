"""Few good parts: what unit spaces of so few tell apart, and whether the false alarms that they promise hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale import Scale
from benchmarks.tables import table

_HEAD = ("good parts", "draws", "AUROC (5 % to 95 % of the draws)", "false alarms promised, at most",
         "false alarms found (95 % interval)", "defective cells failed")  # fmt: skip
_LEARNED_FROM, _JUDGED = 400, 60
"""Cells that good parts are drawn from, and of each kind those that are judged, the same for each draw."""


def section(scale: Scale, folder: Path) -> str:
    """Solar cells by the nearest patches of a few good ones, in draw after draw."""
    from kenpin.data.lineage import NOTHING_SEEN
    from kenpin.demo import solar_cells
    from kenpin.metrics import auroc
    from kenpin.models import get_family
    from kenpin.models.contract import Task
    from kenpin.models.inference import infer_batches
    from kenpin.models.networks.recent_features import RECENT
    from kenpin.quality.conformal import FEW, promised_false_alarms
    from kenpin.training.folding import FOLDS

    os.environ["KENPIN_CACHE"] = str(folder)
    RECENT.limit_bytes = 2 << 30  # of all cells: thousands of fits ask for them
    cells = solar_cells()
    cells.contents()
    labels = np.array(cells.column("label"))
    order = np.random.default_rng(0).permutation(len(cells))
    good, bad = (order[labels[order] == label] for label in ("functional", "defective"))
    judged_good, judged_bad, pool = good[:_JUDGED], bad[:_JUDGED], good[_JUDGED : _JUDGED + _LEARNED_FROM]
    family = get_family("mahalanobis")
    options = family.Options.from_mapping({"data": "-", "out": "-", "where": "neighbours"})
    inspector: Any = family.create(options, Task(("functional", "defective"), ("functional",)))
    inspector.module.eval()

    def fit(rows: Sequence[int]) -> None:
        inspector.fit(cells.select(rows), NOTHING_SEEN, lambda *_: None)

    def scores(rows: Sequence[int]) -> NDArray[Any]:
        found = [of["map"].max(axis=(1, 2)) for _, of in infer_batches(inspector, cells.select(rows))]
        return np.concatenate(found)

    def held_out(rows: Sequence[int]) -> NDArray[Any]:
        """Scores of these good parts, each by a fit without it."""
        folds = np.arange(len(rows)) % (len(rows) if len(rows) <= FEW else FOLDS)
        parts = np.array(rows)
        each = np.empty(len(rows))
        for fold in np.unique(folds):
            fit(parts[folds != fold].tolist())
            each[folds == fold] = scores(parts[folds == fold].tolist())
        return each

    rows = []
    for count, draws in scale.few_good:
        aurocs, alarms, caught = [], [], []
        for number in range(draws):
            chosen = np.random.default_rng((count, number)).choice(pool, count, replace=False).tolist()
            cut = held_out(chosen).max() if count > 1 else np.nan
            fit(chosen)
            of_good, of_bad = scores(judged_good.tolist()), scores(judged_bad.tolist())
            is_bad = np.arange(2 * _JUDGED) >= _JUDGED
            aurocs.append(cast(float, auroc(is_bad, np.concatenate([of_good, of_bad]))))
            alarms.append((of_good > cut).mean())
            caught.append((of_bad > cut).mean())
        low, high = np.percentile(aurocs, (5, 95))
        row = [str(count), str(draws), f"{np.mean(aurocs):.3f} ({low:.3f} to {high:.3f})"]
        if count == 1:
            rows.append([*row, "—", "—", "—"])  # none can be held out
            continue
        mean, half = np.mean(alarms), 1.96 * np.std(alarms, ddof=1) / np.sqrt(draws)
        found = f"{mean:.3f} ({max(mean - half, 0):.3f} to {mean + half:.3f})"
        rows.append([*row, f"{promised_false_alarms(count):.3f}", found, f"{np.mean(caught):.3f}"])
    return (
        f"## Few good parts\n\nSolar cells by `train mahalanobis --where neighbours` on EfficientNet-Lite0: so many "
        f"good ones drawn from {_LEARNED_FROM}, {_JUDGED} good and {_JUDGED} defective others judged. The cut lies "
        f"above the largest score of the good ones, each by a fit without it; the false alarms promised are 1 in n + 1 "
        f"in the mean over such draws.\n\n{table(_HEAD, rows)}"
    )
