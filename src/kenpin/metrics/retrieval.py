"""Retrieval: precision among the k nearest."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted, is_are

Floats = NDArray[np.float64]


def precision_at_k(distances: ArrayLike, wanted: ArrayLike, k: int) -> Floats:
    """Share of wanted items among the k nearest of each query. distances, wanted: (queries, n) -> (queries,).

    Items tied at rank k count by their chance to be among the first k, whatever the order of sorting. Raises
    ShapeError.
    # McSherry & Najork 2008, "Computing information retrieval performance measures efficiently in the presence of tied
    # scores": the mean over all orders of the tied ones.
    """
    far, is_wanted = np.asarray(distances, np.float64), np.asarray(wanted, bool)
    if far.ndim != 2 or far.shape != is_wanted.shape:
        raise ShapeError(f"{far.shape} distances for {is_wanted.shape} wanted ones; give one for each of each query.")
    if not 1 <= k <= far.shape[1]:
        raise ShapeError(f"the {k} nearest of {far.shape[1]}; give k from 1 to {far.shape[1]}.")
    if missing := int(np.isnan(far).sum()):
        raise ShapeError(f"{counted(missing, 'distance')} {is_are(missing)} not a number; leave them out.")
    last = np.partition(far, k - 1, axis=1)[:, k - 1 : k]
    nearer, tied = far < last, far == last
    remaining = k - nearer.sum(1)
    return np.asarray(((nearer & is_wanted).sum(1) + remaining * (tied & is_wanted).sum(1) / tied.sum(1)) / k)


def distances(queries: ArrayLike, others: ArrayLike, metric: Literal["cosine", "l2"]) -> Floats:
    """1 - cos of the angle, or the Euclidean distance. (q, d), (n, d) -> (q, n) float64. Raises ShapeError."""
    asked, known = np.asarray(queries, np.float64), np.asarray(others, np.float64)
    if asked.ndim != 2 or known.ndim != 2 or asked.shape[1] != known.shape[1]:
        raise ShapeError(f"vectors of shape {asked.shape} beside {known.shape}; give rows of one length.")
    if metric == "cosine":
        asked, known = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (asked, known))
        return np.asarray(1 - asked @ known.T)
    squared = (asked**2).sum(1)[:, None] + (known**2).sum(1) - 2 * asked @ known.T
    return np.asarray(np.sqrt(np.maximum(squared, 0.0)))
