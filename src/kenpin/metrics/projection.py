"""Principal components: high-dimensional vectors in the few dimensions of most variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Projection:
    """Vectors in their directions of most variance, the largest first."""

    coordinates: NDArray[np.float32]
    """(n, k)"""
    shares: NDArray[np.float64]
    """Share of the whole variance in each direction, (k,)."""
    dimension: int
    """Number of dimensions of the original vectors."""


def principal_components(vectors: ArrayLike, most: int = 50) -> Projection:
    """Principal component analysis. (n, d) -> min(most, n, d) directions, each turned so that its largest loading is
    positive. Raises ShapeError.
    """
    x = np.asarray(vectors, np.float64)
    if x.ndim != 2 or 0 in x.shape or not np.isfinite(x).all():
        raise ShapeError(f"vectors of shape {x.shape} are to be projected; give (n, d) finite numbers.")
    centred = x - x.mean(axis=0)
    # by the smaller of the two products: there are often more dimensions than pictures
    is_wide = x.shape[1] > x.shape[0]
    values, directions = np.linalg.eigh(centred @ centred.T if is_wide else centred.T @ centred)
    order = np.argsort(values)[::-1][:most]
    spread = np.maximum(values[order], 0.0)
    loadings = centred.T @ directions[:, order] if is_wide else directions[:, order]
    largest = np.take_along_axis(loadings, np.abs(loadings).argmax(axis=0)[None], axis=0)[0]
    signs = np.where(largest < 0, -1.0, 1.0)
    scores = directions[:, order] * np.sqrt(spread) if is_wide else centred @ directions[:, order]
    total = float((centred**2).sum())
    return Projection(
        (scores * signs).astype(np.float32), spread / total if total else np.zeros_like(spread), x.shape[1]
    )
