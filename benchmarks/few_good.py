"""Few good parts: what unit spaces of so few tell apart, with and without augmented copies, and whether the false
alarms that they promise hold."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale import Scale
from benchmarks.tables import table

_HEAD = ("good parts", "draws", "AUROC (5 % to 95 % of the draws)", "false alarms promised, at most",
         "false alarms found (95 % interval)", "defective cells failed")  # fmt: skip
_HEAD_COPIES = ("good parts", "draws", "AUROC with copies (5 % to 95 %)", "more than without (95 % interval)",
                "false alarms promised, at most", "false alarms found (95 % interval)",
                "defective cells failed")  # fmt: skip
_LEARNED_FROM, _JUDGED = 400, 60
"""Cells that good parts are drawn from, and of each kind those that are judged, the same for each draw."""
MIRRORED: dict[str, Any] = {
    "augmented_copies": 3,
    "flip_horizontal": "same",
    "flip_vertical": "same",
    "brightness": 0.0,
    "contrast": 0.0,
}
"""Solar cells may lie mirrored either way."""


class Judged(NamedTuple):
    """What one draw of good parts gives."""

    auroc: float
    false_alarms: float
    """Share of good cells above the cut; NaN of a single part, which gives none."""
    failed: float
    """Share of defective cells above it."""


class FewGood:
    """Good parts drawn from solar cells, and others that they judge."""

    def __init__(self, folder: Path) -> None:
        from kenpin.demo import solar_cells
        from kenpin.models.networks.recent_features import RECENT

        os.environ["KENPIN_CACHE"] = str(folder)
        RECENT.limit_bytes = 6 << 30  # of all cells and their copies: thousands of fits ask for them
        self.cells = solar_cells()
        self.cells.contents()
        labels = np.array(self.cells.column("label"))
        order = np.random.default_rng(0).permutation(len(self.cells))
        good, bad = (order[labels[order] == label] for label in ("functional", "defective"))
        self._judged = np.concatenate([good[:_JUDGED], bad[:_JUDGED]])
        self._pool = good[_JUDGED : _JUDGED + _LEARNED_FROM]

    def draw(self, count: int, number: int, options: dict[str, Any]) -> Judged:
        """The outcome of one draw of so many good parts, by `where neighbours` with these further options."""
        from kenpin.metrics import auroc

        inspector = self._inspector(options)
        chosen = np.random.default_rng((count, number)).choice(self._pool, count, replace=False)
        cut = self._held_out(inspector, chosen).max() if count > 1 else np.nan
        self._fit(inspector, chosen)
        scores = self._scores(inspector, self._judged)
        of_good, of_bad = scores[:_JUDGED], scores[_JUDGED:]
        found = cast(float, auroc(np.arange(2 * _JUDGED) >= _JUDGED, scores))
        if count == 1:
            return Judged(found, np.nan, np.nan)
        return Judged(found, float((of_good > cut).mean()), float((of_bad > cut).mean()))

    def _inspector(self, options: dict[str, Any]) -> Any:
        from kenpin.models import get_family
        from kenpin.models.contract import Task

        family: Any = get_family("mahalanobis")
        taken = family.Options.from_mapping({"data": "-", "out": "-", "where": "neighbours", **options})
        inspector = family.create(taken, Task(("functional", "defective"), ("functional",)))
        inspector.module.eval()
        return inspector

    def _fit(self, inspector: Any, rows: NDArray[np.int64]) -> None:
        from kenpin.data.lineage import NOTHING_SEEN

        inspector.fit(self.cells.select(rows.tolist()), NOTHING_SEEN, lambda *_: None)

    def _scores(self, inspector: Any, rows: NDArray[np.int64]) -> NDArray[Any]:
        from kenpin.models.inference import infer_batches

        found = [of["map"].max(axis=(1, 2)) for _, of in infer_batches(inspector, self.cells.select(rows.tolist()))]
        return np.concatenate(found)

    def _held_out(self, inspector: Any, rows: NDArray[np.int64]) -> NDArray[Any]:
        """Scores of these good parts, each by a fit without it."""
        from kenpin.quality.conformal import FEW
        from kenpin.training.folding import FOLDS

        folds = np.arange(len(rows)) % (len(rows) if len(rows) <= FEW else FOLDS)
        each = np.empty(len(rows))
        for fold in np.unique(folds):
            self._fit(inspector, rows[folds != fold])
            each[folds == fold] = self._scores(inspector, rows[folds == fold])
        return each


def section(scale: Scale, folder: Path) -> str:
    """Solar cells by the nearest patches of a few good ones, in draw after draw."""
    few = FewGood(folder)
    plain = {count: [few.draw(count, number, {}) for number in range(draws)] for count, draws in scale.few_good}
    mirrored = {
        count: [few.draw(count, number, MIRRORED) for number in range(draws)]
        for count, draws in scale.few_good
        if count <= scale.few_copied
    }
    return (
        f"## Few good parts\n\nSolar cells by `train mahalanobis --where neighbours` on EfficientNet-Lite0: so many "
        f"good ones drawn from {_LEARNED_FROM}, {_JUDGED} good and {_JUDGED} defective others judged. The cut lies "
        f"above the largest score of the good ones, each by a fit without it; the false alarms promised are 1 in n + 1 "
        f"in the mean over such draws.\n\n{table(_HEAD, [row(count, draws) for count, draws in plain.items()])}\n"
        "The same draws with `--augmented-copies 3 --flip-horizontal same --flip-vertical same --brightness 0 "
        "--contrast 0`: each good cell and its three mirror images are learned from.\n\n"
        f"{table(_HEAD_COPIES, [row(count, draws, plain[count]) for count, draws in mirrored.items()])}"
    )


def row(count: int, draws: Sequence[Judged], without: Sequence[Judged] | None = None) -> list[str]:
    """A row of the table of so many good parts. without: the same draws without what is compared."""
    from kenpin.quality.conformal import promised_false_alarms

    aurocs = [one.auroc for one in draws]
    low, high = np.percentile(aurocs, (5, 95))
    cells = [str(count), str(len(draws)), f"{np.mean(aurocs):.3f} ({low:.3f} to {high:.3f})"]
    if without is not None:
        cells.append(_interval((one.auroc - other.auroc for one, other in zip(draws, without, strict=True)), "+"))
    if count == 1:
        return [*cells, "—", "—", "—"]  # none can be held out
    alarms = _interval((one.false_alarms for one in draws), "", least=0.0)
    return [*cells, f"{promised_false_alarms(count):.3f}", alarms, f"{np.mean([one.failed for one in draws]):.3f}"]


def _interval(values: Iterable[float], sign: str, least: float = -1.0) -> str:
    """The mean of draws with its 95 % interval."""
    all_values = list(values)
    mean, half = np.mean(all_values), 1.96 * np.std(all_values, ddof=1) / np.sqrt(len(all_values))
    low, high = max(mean - half, least), mean + half
    return f"{mean:{sign}.3f} ({low:{sign}.3f} to {high:{sign}.3f})"
