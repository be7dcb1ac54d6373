"""The Gram-Schmidt form of the MT method: the same distance as a sum of squares, one for each item after the others."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import UnitSpaceError
from kenpin.taguchi._parts import Array, as_parts, check_finite
from kenpin.taguchi._space import Space, checked_correlation, fewest_parts
from kenpin.taguchi.limits import Limit
from kenpin.taguchi.moments import Moments


class GramSchmidtSpace(Space):
    """Distance from good parts by items made orthogonal in their order: D²/k = Σ (u_j / s_j)² / k.

    u_j is the residual of item j after regression on the items before it, s_j its spread over the good parts. No matrix
    is inverted, so this is a check on `UnitSpace` without ridge, which gives the same distance. The shares of the
    distance are never negative, but depend on the order of the items.
    # Taguchi & Jugulum, The Mahalanobis-Taguchi Strategy (2002), ch. 3.
    """

    def __init__(self, limit: Limit | float | None = None) -> None:
        self.limit = limit

    def fit(self, x: ArrayLike, y: object = None) -> Self:
        """Learn from good parts, all in memory. x: (n, k), n > k. Raises UnitSpaceError, ShapeError."""
        parts = as_parts(x)
        moments = Moments.of(parts)
        checked_correlation(moments, fewest_parts(parts.shape[1]))
        self.mean_, self.scale_, self.parts_ = moments.mean, moments.scale, moments.count
        rest = (parts - self.mean_) / self.scale_
        self.coefficients_ = np.eye(parts.shape[1])
        spreads = np.empty(parts.shape[1])
        # the modified form (Björck 1967): the part that an item explains is subtracted from all later items at once
        for item in range(parts.shape[1]):
            direction = rest[:, item]
            spreads[item] = (direction @ direction / len(rest)) ** 0.5
            if spreads[item] < 1e-6:
                raise UnitSpaceError(f"unit space: item {item} follows from the items before it; remove it.")
            shared = direction @ rest[:, item + 1 :] / (direction @ direction)
            rest[:, item + 1 :] -= np.outer(direction, shared)
            self.coefficients_[item, item + 1 :] = shared
        self.spreads_ = spreads
        return self

    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def contributions(self, x: ArrayLike) -> Array:
        """(u_j / s_j)² / k of each item; the rows add up to D²/k. (n, k) -> (n, k). Raises as `fit`."""
        parts = as_parts(x, self.mean_.size)
        rest = (parts - self.mean_) / self.scale_
        for item in range(parts.shape[1]):
            rest[:, item + 1 :] -= np.outer(rest[:, item], self.coefficients_[item, item + 1 :])
        shares = np.asarray((rest / self.spreads_) ** 2 / parts.shape[1])
        check_finite(shares.sum(axis=1), parts, slice(0, len(parts)))
        return shares

    def score_samples(self, x: ArrayLike) -> Array:
        """D²/k of each part. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError."""
        return np.asarray(self.contributions(x).sum(axis=1))
