"""Verification: whether two embeddings are of one class, decided by their distance, on pairs that a seed fixes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.metrics.ranking import auroc, levels

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fixed_pairs(labels: Sequence[str], seed: int, each: int = 5_000) -> tuple[Ints, NDArray[np.bool_]]:
    """Pairs of indices (p, 2) and whether each is of two classes (p,): as many of one class as of two, `each` at most.

    Sampled with replacement from (labels, seed) alone. Empty where there is no pair of either kind.
    """
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    counts = np.bincount(numbers)
    rng = np.random.default_rng(seed)
    same_pairs = int((counts * (counts - 1)).sum())
    other_pairs = len(numbers) ** 2 - int((counts**2).sum())
    if not (same_pairs and other_pairs):
        return np.empty((0, 2), np.int64), np.empty(0, bool)
    count = min(each, same_pairs, other_pairs)
    order = np.argsort(numbers, kind="stable")
    starts = np.cumsum(counts) - counts
    # every pair of one class is equally likely: a first member of classes with two, then another of its class
    firsts = rng.choice(np.flatnonzero(counts[numbers] > 1), count, p=_shares(numbers, counts))
    step = 1 + (rng.random(count) * (counts[numbers[firsts]] - 1)).astype(np.int64)
    rank = np.empty(len(numbers), np.int64)
    rank[order] = np.arange(len(numbers)) - starts[numbers[order]]
    seconds = order[starts[numbers[firsts]] + (rank[firsts] + step) % counts[numbers[firsts]]]
    others: list[Ints] = []
    while sum(map(len, others)) < count:  # at least one in some draws is of two classes
        candidates = rng.integers(0, len(numbers), (4 * count, 2))
        others.append(candidates[numbers[candidates[:, 0]] != numbers[candidates[:, 1]]])
    pairs = np.concatenate([np.stack([firsts, seconds], 1), np.concatenate(others)[:count]])
    return pairs.astype(np.int64), np.repeat([False, True], count)


def _shares(numbers: Ints, counts: Ints) -> Floats:
    others = (counts[numbers] - 1)[counts[numbers] > 1].astype(np.float64)
    return np.asarray(others / others.sum(), np.float64)


def pair_distances(vectors: ArrayLike, pairs: Ints) -> Floats:
    """Distance between the vectors of each pair. (n, d), (p, 2) -> (p,). Raises ShapeError."""
    rows = _as_vectors(vectors)
    return np.asarray(np.linalg.norm(rows[pairs[:, 0]] - rows[pairs[:, 1]], axis=1), np.float64)


def verification_auroc(differ: ArrayLike, distances: ArrayLike) -> float | None:
    """The chance that a pair of two classes lies farther apart than one of one class; None without both kinds."""
    return auroc(differ, distances)


def equal_error_rate(differ: ArrayLike, distances: ArrayLike) -> float | None:
    """The error at the cut where false rejections of pairs of one class equal false acceptances of pairs of two.

    Both rates are interpolated linearly between the two cuts where they cross. None without both kinds of pair. Raises
    ShapeError.
    """
    _, two_at, one_at = levels(differ, distances)
    if not (two_at.any() and one_at.any()):
        return None
    # cut below the lowest distance, then behind each level: pairs at or below the cut are taken for one class
    taken = np.concatenate([[0], np.cumsum(two_at)]) / two_at.sum()
    torn = 1 - np.concatenate([[0], np.cumsum(one_at)]) / one_at.sum()
    behind = int(np.argmax(taken >= torn))
    gap_before, gap_behind = torn[behind - 1] - taken[behind - 1], taken[behind] - torn[behind]
    share = gap_before / (gap_before + gap_behind)
    return float(taken[behind - 1] + share * (taken[behind] - taken[behind - 1]))


def _as_vectors(vectors: ArrayLike) -> Floats:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2:
        raise ShapeError(f"embeddings have shape {rows.shape}; give (pictures, dimensions).")
    return rows
