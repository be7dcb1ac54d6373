"""A linear correction of features that are computed in few bits, towards those in 32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_STRENGTHS = (0.03, 0.3, 3.0, 30.0)
"""Of the penalty, as shares of the features' spread."""
_HELD_OUT = 4
"""Every so many-th row tells which strength is best."""


@dataclass(frozen=True, slots=True, eq=False)
class Correction:
    """`rows + shift + (rows - mean) / spread @ down @ up`."""

    mean: NDArray[np.float32]
    spread: NDArray[np.float32]
    shift: NDArray[np.float32]
    """(items,) each"""
    down: NDArray[np.float32]
    """(items, n)"""
    up: NDArray[np.float32]
    """(n, items)"""

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, items) -> (n, items)"""
        missing = (rows - self.mean) / self.spread @ self.down @ self.up
        return np.asarray(rows + self.shift + missing, np.float32)


def fit_correction(rows: NDArray[np.float32], exact: NDArray[np.float32]) -> Correction | None:
    """Ridge regression of what is missing in each feature on all of them, and the shift of its mean; the penalty is
    the one that brings held-out rows nearest to the exact ones. None where no correction brings them nearer.

    rows, exact: (n, items), features of the same n pictures.
    """
    held_out = np.arange(len(rows)) % _HELD_OUT == 0
    spread = np.where(exact.std(axis=0) > 0, exact.std(axis=0), 1)

    def distance(said: NDArray[np.float32]) -> float:
        return float((((said - exact[held_out]) / spread) ** 2).mean())

    def distance_at(strength: float) -> float:
        return distance(_fitted(rows[~held_out], exact[~held_out], strength)(rows[held_out]))

    if held_out.all():
        return None
    best = min(_STRENGTHS, key=distance_at)
    return _fitted(rows, exact, best) if distance_at(best) < distance(rows[held_out]) else None


def _fitted(rows: NDArray[np.float32], exact: NDArray[np.float32], strength: float) -> Correction:
    """In its dual form: there are more features than rows."""
    mean, missing = rows.mean(axis=0), (exact - rows).astype(np.float64)
    spread = np.where(rows.std(axis=0) > 0, rows.std(axis=0), 1)
    shift = missing.mean(axis=0)
    down = ((rows - mean) / spread).T.astype(np.float64)
    gram = down.T @ down
    gram[np.diag_indices_from(gram)] += strength * len(rows)
    up = np.linalg.solve(gram, missing - shift)
    return Correction(*(np.asarray(part, np.float32) for part in (mean, spread, shift, down, up)))
