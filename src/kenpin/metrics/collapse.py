"""Collapse: embeddings that are all alike, or lie on one line, whatever the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted

LEAST_SPREAD = 1e-3
"""Root mean square distance from the mean, over the root mean square length, below which embeddings are all alike."""
LEAST_RANK = 1.001
"""Effective rank below which embeddings lie on one line."""


def spread(vectors: ArrayLike) -> float:
    """Root mean square distance of vectors from their mean, over their root mean square length; 0: all alike, 1: their
    mean is 0. (n, d). Raises ShapeError."""
    rows = _as_vectors(vectors)
    length = float((rows**2).mean())
    return float(np.sqrt(((rows - rows.mean(0)) ** 2).mean() / length)) if length else 0.0


def effective_rank(vectors: ArrayLike) -> float:
    """In how many directions vectors differ: the exponential of the entropy of their covariance's eigenvalues.

    (n, d) -> from 1 to d; 0 where they do not differ. Raises ShapeError.

    # Roy & Vetterli 2007, The effective rank, of the covariance in place of the matrix
    """
    rows = _as_vectors(vectors)
    values = np.linalg.svd(rows - rows.mean(0), compute_uv=False) ** 2
    total = values.sum()
    if not total:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def collapse(vectors: ArrayLike, classes: int) -> str | None:
    """The problem of collapsed embeddings, as the end of a sentence; None where they are sound.

    classes: how many they are of. The embeddings of two classes may lie on one line, which is enough to separate them.
    """
    rows = _as_vectors(vectors)
    if not np.isfinite(rows).all():
        return "its embeddings are no longer finite numbers"
    if len(rows) < 2:
        return None
    if (share := spread(rows)) < LEAST_SPREAD:
        return f"its embeddings are all alike (they differ by {share:.1e} of their length)"
    if classes > 2 and rows.shape[1] > 1 and (rank := effective_rank(rows)) < LEAST_RANK:
        return f"its embeddings of {counted(classes, 'class')} lie on one line (effective rank {rank:.3f})"
    return None


def _as_vectors(vectors: ArrayLike) -> NDArray[np.float64]:
    rows = np.asarray(vectors, np.float64)
    if rows.ndim != 2 or not len(rows):
        raise ShapeError(f"embeddings have shape {rows.shape}; give (pictures, dimensions).")
    return rows
