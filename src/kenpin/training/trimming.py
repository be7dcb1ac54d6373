"""Good parts among which some may be bad: those that lie apart from the others are left out before anything is learned.

A fit to all of them has learned the bad ones, and the cut above the largest score lets such parts pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.models.contract import Progress
from kenpin.plural import counted
from kenpin.predictor import Predictor
from kenpin.training.crossfit import out_of_fold, to_be_fitted
from kenpin.training.folding import FOLDS
from kenpin.training.start import Start, checking, folding_of

_ROUNDS = 4
_SCALE = 1.4826  # of a median deviation to the standard deviation of a normal distribution
_TWICE = 0.6931  # logarithm of 2: what is not twice as far as usual lies apart by the chance of few parts
_FAR = 3.0
"""Robust deviations of the logarithm of a score above its median, from which a part is not among the others."""

Scores = NDArray[np.float64]


@dataclass(frozen=True)
class Trimmed:
    """Good parts that were left out, the farthest first."""

    rows: tuple[int, ...]
    scores: tuple[float, ...]
    """Each by a fit without it, as a multiple of the median of the parts that were kept."""


def trim(count: int, share: float, scores_by: Callable[[Sequence[int]], Scores]) -> Trimmed:
    """Which of so many good parts lie apart: `share` of them at most.

    scores_by: the scores of all parts, (count,), each by a fit to those of the given rows without itself. A part is
    left out where the logarithm of its score lies `_FAR` robust deviations above the median, and twice as high; of
    those that are left out first, the ones that do not lie so far from a fit to the others come back.

    # The concentration steps and the reweighting of the minimum covariance determinant (Rousseeuw & Van Driessen 1999)
    """
    most = int(share * count)
    kept = list(range(count))
    scores = scores_by(kept)
    for _ in range(_ROUNDS):
        nearest = sorted(np.argsort(scores, kind="stable")[: count - most].tolist())
        if nearest == kept:
            break
        kept = nearest
        scores = scores_by(kept)
    logs = np.log(np.maximum(scores, np.finfo(float).tiny))
    middle, limit = _limit(logs, np.sort(logs)[: count - most])
    far = np.flatnonzero(logs > limit)
    farthest = far[np.argsort(-logs[far], kind="stable")][:most]
    return Trimmed(tuple(farthest.tolist()), tuple(np.exp(logs[farthest] - middle).tolist()))


def _limit(logs: Scores, among: Scores) -> tuple[float, float]:
    """Median of those that belong together, and the limit above which others do not belong to them.

    among: those to begin with, whose upper end is missing. What lies within the limit that these give comes to them,
    until nothing does: a long tail is taken in step by step, and a gap is not crossed.
    """
    while True:
        middle = float(np.median(among))
        spreads = (middle - among[among <= middle], among[among >= middle] - middle)
        limit = middle + max(_FAR * _SCALE * max(float(np.median(spread)) for spread in spreads), _TWICE)
        wider = logs[logs <= limit]
        if len(wider) <= len(among):
            return middle, limit
        among = wider


def trimmed(start: Start, share: float, progress: Progress) -> Start:
    """The start without the training's good parts that lie apart, and with a note of which these are. Raises
    DatasetError, UnitSpaceError."""
    training, good = start.parts.training, set(start.task.ok_labels)
    rows = [row for row, label in enumerate(training.column("label")) if label in good]
    parts = training.select(rows)
    found = trim(len(rows), share, lambda kept: _scores(start, parts, kept, progress))
    note = _note(parts, found, share)
    if not found.rows:
        return replace(start, notes=(*start.notes, note))
    out = {rows[row] for row in found.rows}
    left = training.select([row for row in range(len(training)) if row not in out])
    folding = start.folding
    if folding is not None:
        check = checking(start.family, start.options, start.task, start.lineage)
        folding = folding_of(start.family, start.options, start.task, left, start.judging, check)
    parts_left = replace(start.parts, training=left)
    return replace(start, parts=parts_left, folding=folding, notes=(*start.notes, note))


def _scores(start: Start, parts: Dataset, kept: Sequence[int], progress: Progress) -> Scores:
    """Of all good parts: each that is kept by a fit to the others of these, and the rest by a fit to all of them."""
    scores = np.empty(len(parts))
    chosen = parts.select(kept)
    folds = random_folds(chosen, min(FOLDS, len(kept)), seed=start.options.seed)
    predicted = out_of_fold(start.family, start.options, start.task, chosen, folds, progress, lineage=start.lineage)
    scores[list(kept)] = [prediction.defect_score for prediction in predicted]
    rest = sorted(set(range(len(parts))) - set(kept))
    if rest:
        inspector = to_be_fitted(start.family, start.options, start.task)
        inspector.fit(chosen, start.lineage, progress)
        scores[rest] = [one.defect_score for one in Predictor(inspector).predict(parts.select(rest))]
    return scores


def _note(parts: Dataset, found: Trimmed, share: float) -> str:
    if not found.rows:
        return (
            f"Trimmed fit: none of {counted(len(parts), 'part')} taken for good lies apart from the others; all are "
            "learned from."
        )
    ids = parts.column("id")
    named = ", ".join(
        f"{ids[row]} ({score:.3g} times as far as usual)" for row, score in zip(found.rows, found.scores, strict=True)
    )
    return (
        f"Trimmed fit: {len(found.rows)} of {counted(len(parts), 'part')} taken for good (at most {share:.0%} were to "
        f"be) lie apart from the others, and are left out of fit and threshold: {named}. Look at them: a good part "
        "among them is one that the run does not know."
    )
