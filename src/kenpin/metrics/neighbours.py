"""Neighbourhood: whether the nearest other embeddings of a picture are of its class."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError

Ints = NDArray[np.int64]
_BLOCK = 512


def nearest_others(vectors: ArrayLike, count: int) -> Ints:
    """Indices of the nearest other vectors, nearest first. (n, d) -> (n, min(count, n - 1)). Raises ShapeError."""
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2:
        raise ShapeError(f"embeddings have shape {rows.shape}; give (pictures, dimensions).")
    count = min(count, len(rows) - 1)
    if count < 1:
        return np.empty((len(rows), 0), np.int64)
    lengths = (rows**2).sum(1)
    nearest = np.empty((len(rows), count), np.int64)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        squared = lengths - 2 * block @ rows.T  # the block's own lengths change no order
        squared[np.arange(len(block)), start + np.arange(len(block))] = np.inf
        some = np.argpartition(squared, count - 1, axis=1)[:, :count]
        order = np.argsort(np.take_along_axis(squared, some, 1), axis=1, kind="stable")
        nearest[start : start + _BLOCK] = np.take_along_axis(some, order, 1)
    return nearest


def knn_accuracy(labels: Sequence[str], nearest: Ints) -> float | None:
    """Share of pictures whose class is that of most of their nearest others; of equally many, the nearer one's.

    nearest: (n, k), as `nearest_others` gives. A picture that is alone of its class is not asked about, since none of
    the others can be of it; None where each is.
    """
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    asked = _in_company(numbers)
    if not asked.any():
        return None
    classes = numbers[nearest]
    votes = np.zeros((len(classes), len(names)))
    for rank in range(classes.shape[1]):
        # nearer neighbours weigh slightly more, together less than one vote: only ties are decided by it
        votes[np.arange(len(classes)), classes[:, rank]] += 1 + 0.5 ** (rank + 2)
    return float((votes.argmax(1) == numbers)[asked].mean())


def recall_at(labels: Sequence[str], nearest: Ints, count: int) -> float | None:
    """Share of pictures with at least one of their class among the `count` nearest others; those alone of it are left
    out, as in `knn_accuracy`.

    # Jégou, Douze & Schmid 2011, Product Quantization for Nearest Neighbor Search, § V; here of classes
    """
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    asked = _in_company(numbers)
    if not asked.any():
        return None
    return float((numbers[nearest[:, :count]] == numbers[:, None]).any(1)[asked].mean())


def _in_company(classes: Ints) -> NDArray[np.bool_]:
    return np.asarray(np.bincount(classes)[classes] > 1)


def silhouette(vectors: ArrayLike, labels: Sequence[str]) -> float | None:
    """Mean over pictures of how much nearer their own class lies than the next one, from -1 to 1; None where there are
    fewer than two classes, or none with two pictures.

    # Rousseeuw 1987, Silhouettes
    """
    from scipy.spatial.distance import cdist

    rows = np.asarray(vectors, np.float64)
    _, numbers = np.unique(np.asarray(labels), return_inverse=True)
    sizes = np.bincount(numbers)
    if not 1 < len(sizes) < len(rows):
        return None
    of_class = np.eye(len(sizes))[numbers]
    total = 0.0
    for start in range(0, len(rows), _BLOCK):
        own = numbers[start : start + _BLOCK]
        at = np.arange(len(own))
        sums = cdist(rows[start : start + _BLOCK], rows) @ of_class
        within = sums[at, own] / np.maximum(sizes[own] - 1, 1)  # its distance from itself is none of them
        sums[at, own] = np.inf
        nearest = (sums / sizes).min(1)
        larger = np.maximum(within, nearest)
        shares = np.divide(nearest - within, larger, out=np.zeros(len(own)), where=larger > 0)
        total += float(shares[sizes[own] > 1].sum())  # alone of its class: 0, as Rousseeuw defines it
    return total / len(rows)
