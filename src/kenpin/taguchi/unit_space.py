"""The unit space of the MT method: how far a part lies from the good ones, D²/k, and which items make it far."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import OptionError, UnitSpaceError
from kenpin.taguchi._parts import Array
from kenpin.taguchi._space import FEWEST_PARTS, RANK_TOLERANCE, QuadraticSpace, checked_correlation, fewest_parts
from kenpin.taguchi.limits import Limit
from kenpin.taguchi.moments import Moments, sum_of_fourth_powers

Ridge = float | Literal["ledoit-wolf"]
Inverse = Literal["ridge", "pseudo"]
_WORST_CONDITION = 1e12


def parts_needed(items: int, ridge: Ridge, inverse: Inverse = "ridge") -> int:
    """Number of good parts that a unit space of this many items needs.

    Without ridge the correlation matrix is invertible only from k + 1 parts on; with a ridge or a pseudo-inverse, only
    the means and spreads of the items must be known.
    """
    return fewest_parts(items) if ridge == 0 and inverse == "ridge" else FEWEST_PARTS


class UnitSpace(QuadraticSpace):
    """Mahalanobis distance from a set of good parts, on standardised items: the MT method.

    D²/k = zᵀ P z / k with z = (x - mean) / scale, of the good parts (divisor n), and R their correlation matrix. P is
    the inverse of (1 - ridge) R + ridge I, or the pseudo-inverse of R, which ignores directions in which no good part
    varies; either is multiplied by k / tr(P R), so that the mean of D²/k over the good parts is 1. Without ridge this
    factor is 1.
    # Taguchi & Jugulum, The Mahalanobis-Taguchi Strategy (2002), eq. 2.5; ridge: Ledoit & Wolf (2004), whose
    # target is the identity because standardised items have mean variance 1.

    ridge: a number in [0, 1), or "ledoit-wolf" to estimate it from the good parts; the number in use is `ridge_`.
    inverse: "ridge", or "pseudo", of rank `rank_`, which takes no ridge: that setting is then ignored. A matrix with a
    condition number above 1e12 is refused with "ridge"; "pseudo" drops eigenvalues below 1e-10 of the largest.
    limit: the distance from which `predict` judges a part as not good, see `taguchi.limits`.
    """

    def __init__(
        self, ridge: Ridge = "ledoit-wolf", inverse: Inverse = "ridge", limit: Limit | float | None = None
    ) -> None:
        if ridge != "ledoit-wolf" and not (isinstance(ridge, int | float) and 0 <= ridge < 1):
            raise OptionError(f"ridge {ridge} is impossible; give a number from 0 to below 1, or ledoit-wolf.")
        if inverse not in ("ridge", "pseudo"):
            raise OptionError(f"inverse {inverse!r} is not known; give ridge or pseudo.")
        self.ridge: Ridge = ridge
        self.inverse: Inverse = inverse
        self.limit = limit

    def fit(self, x: ArrayLike, y: object = None) -> Self:
        """Learn mean, scale and correlation of good parts, block by block. x: (n, k), float32 or float64, in memory or
        mapped from a file. Raises UnitSpaceError, ShapeError."""
        moments = Moments.of(x)
        self._checked(moments)
        return self.fit_moments(moments, sum_of_fourth_powers(x, moments) if self.needs_fourth_powers else None)

    @property
    def needs_fourth_powers(self) -> bool:
        """Whether `fit_moments` needs `sum_of_fourth_powers`, since it estimates the ridge."""
        return self.inverse == "ridge" and self.ridge == "ledoit-wolf"

    def fit_moments(self, moments: Moments, fourth_powers: float | None = None, apiece: int = 1) -> Self:
        """Learn from the moments of good parts, joined from their shards; with `sum_of_fourth_powers` of all shards
        where the ridge is estimated. apiece: rows of each part, which tell no more of other parts than one does.
        Raises UnitSpaceError, and OptionError where that sum is missing."""
        correlation = self._checked(moments)
        if self.inverse == "pseudo":
            self.ridge_, precision = 0.0, self._pseudo_inverse(correlation)
        else:
            self.ridge_ = self._ridge_of(correlation, moments.count, fourth_powers, apiece)
            self.rank_ = moments.mean.size
            precision = _ridge_inverse(correlation, self.ridge_)
        product = precision @ correlation
        items, trace = moments.mean.size, float(product.trace())
        precision *= items / trace
        # χ² with the first two moments of a weighted sum of squares: Satterthwaite 1946
        self.degrees_ = trace**2 / float(np.einsum("ij,ji->", product, product))
        self._set(moments, precision)
        return self

    def _checked(self, moments: Moments) -> Array:
        needed = parts_needed(moments.mean.size, self.ridge, self.inverse)
        enough_with_ridge = self.ridge == 0 and moments.count >= FEWEST_PARTS
        return checked_correlation(moments, needed, " or set a ridge" if enough_with_ridge else "")

    def _pseudo_inverse(self, correlation: Array) -> Array:
        eigenvalues, vectors = np.linalg.eigh(correlation)
        kept = eigenvalues > RANK_TOLERANCE * eigenvalues[-1]
        self.rank_ = int(kept.sum())
        return np.asarray((vectors[:, kept] / eigenvalues[kept]) @ vectors[:, kept].T)

    def _ridge_of(self, correlation: Array, rows: int, fourth_powers: float | None, apiece: int) -> float:
        if not isinstance(self.ridge, str):
            return float(self.ridge)
        if fourth_powers is None:
            raise OptionError("the ridge of Ledoit and Wolf needs the parts' fourth powers: see sum_of_fourth_powers.")
        # Ledoit & Wolf 2004, Lemma 3.3 and 3.4: d² is the spread of R about the identity, b² its sampling error
        items = len(correlation)
        squares = float(np.einsum("ij,ij->", correlation, correlation))
        d2 = (squares - items) / items
        b2 = (fourth_powers / rows - squares) / (items * rows / apiece)
        return 0.0 if b2 <= 0 or d2 <= 0 else min(b2, d2) / d2


def _ridge_inverse(correlation: Array, ridge: float) -> Array:
    """Inverse of the correlation matrix mixed with the identity. Raises UnitSpaceError for collinear items."""
    from scipy.linalg.lapack import dpotrf, dpotri

    mixed = (1.0 - ridge) * correlation
    mixed.flat[:: len(mixed) + 1] += ridge
    eigenvalues = np.linalg.eigvalsh(mixed)
    if eigenvalues[-1] > _WORST_CONDITION * eigenvalues[0]:
        condition = eigenvalues[-1] / max(eigenvalues[0], np.finfo(float).tiny)
        raise UnitSpaceError(
            f"unit space: the items are collinear (condition number {condition:.1e}); set a ridge above 0, take the "
            "pseudo-inverse, or remove items that repeat one another."
        )
    inverse, _ = dpotri(dpotrf(mixed, lower=0)[0], lower=0)
    upper: Array = np.triu(inverse)
    return upper + np.triu(upper, 1).T
