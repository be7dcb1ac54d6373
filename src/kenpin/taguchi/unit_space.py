"""The unit space of the MT method: how far a part lies from the good ones, D²/k, and which items make it far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError, UnitSpaceError

Array = NDArray[np.float64]

# below this many parts the mean and spread of a single item are themselves uncertain by more than a quarter
_FEWEST_PARTS = 30


def parts_needed(items: int, ridge: float | str) -> int:
    """Number of good parts that a unit space of this many items asks for.

    Without ridge the correlation matrix is invertible only from k + 1 parts on; with it only the items' own means
    and spreads must be known.
    """
    return max(_FEWEST_PARTS, items + 1) if ridge == 0 else _FEWEST_PARTS


class UnitSpace:
    """Mahalanobis distance from a set of good parts, on standardised items.

    D²/k = zᵀ R_ridge⁻¹ z / k with z = (x - mean) / scale, R the items' correlation matrix and
    R_ridge = (1 - ridge) R + ridge I. Without ridge the mean of D²/k over the n good parts is (n - 1) / n.
    # Taguchi & Jugulum, The Mahalanobis-Taguchi Strategy (2002), eq. 2.5; ridge: Ledoit & Wolf (2004), whose
    # target is the identity because standardised items have mean variance 1.

    ridge: a number in [0, 1), or "ledoit-wolf" to estimate it from the good parts; the number used is `ridge_`.
    """

    def __init__(self, ridge: float | Literal["ledoit-wolf"] = "ledoit-wolf") -> None:
        if not isinstance(ridge, str) and not 0 <= ridge < 1:
            raise OptionError(f"ridge {ridge} is impossible; give a number from 0 to below 1, or ledoit-wolf.")
        self.ridge = ridge

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name, as scikit-learn's estimators give them."""
        return {"ridge": self.ridge}

    def fit(self, x: ArrayLike, y: object = None) -> Self:
        """Learn mean, scale and correlation of good parts. x: (n, k). Raises UnitSpaceError, ShapeError."""
        parts = _as_parts(x)
        count, items = parts.shape
        if count < (needed := parts_needed(items, self.ridge)):
            raise UnitSpaceError(
                f"unit space: {count} good parts for {items} items; at least {needed} are needed. Add good parts"
                + (" or set a ridge." if self.ridge == 0 and count >= _FEWEST_PARTS else ".")
            )
        self.mean_ = parts.mean(axis=0)
        self.scale_ = parts.std(axis=0, ddof=1)
        constant = np.flatnonzero(self.scale_ <= 1e-12 * np.maximum(np.abs(self.mean_), 1e-300))
        if constant.size:
            raise UnitSpaceError(
                f"unit space: {constant.size} of {items} items never vary among the good parts (first: item "
                f"{constant[0]}); a constant item has no distance. Remove these items."
            )
        z = (parts - self.mean_) / self.scale_
        if isinstance(self.ridge, str):
            from sklearn.covariance import ledoit_wolf_shrinkage

            self.ridge_ = float(ledoit_wolf_shrinkage(z, assume_centered=True))
        else:
            self.ridge_ = float(self.ridge)
        correlation = z.T @ z / (count - 1)
        regularised = (1.0 - self.ridge_) * correlation + self.ridge_ * np.eye(items)
        if (condition := np.linalg.cond(regularised)) > 1e12:
            raise UnitSpaceError(
                f"unit space: the items are collinear (condition number {condition:.1e}); set a ridge above 0 or "
                "remove items that repeat one another."
            )
        self.precision_ = np.linalg.inv(regularised)
        self.parts_ = count
        return self

    def score_samples(self, x: ArrayLike) -> Array:
        """D²/k of each part; near 1 for good ones. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError."""
        total: Array = self.contributions(x).sum(axis=1)
        return total

    def contributions(self, x: ArrayLike) -> Array:
        """Share of each item in each part's D²/k; the rows add up to it. (n, k) -> (n, k). Raises as score_samples.

        A share can be negative: the item then speaks for the part, given the others.
        # z ∘ (R⁻¹ z): the additive decomposition of Garthwaite & Koch (2016), Evaluating the contributions of
        # individual variables to a quadratic form.
        """
        parts = _as_parts(x)
        if parts.shape[1] != self.mean_.size:
            raise ShapeError(f"unit space: a part has {parts.shape[1]} items; this space has {self.mean_.size}.")
        z = (parts - self.mean_) / self.scale_
        shares: Array = z * (z @ self.precision_) / self.mean_.size
        return shares

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Everything that the fitted space is made of, for an `.npz` file."""
        return {
            "mean": self.mean_,
            "scale": self.scale_,
            "precision": self.precision_,
            "ridge": np.float64(self.ridge_),
            "parts": np.int64(self.parts_),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> UnitSpace:
        """The space that `to_arrays` described."""
        space = cls(ridge=float(arrays["ridge"]))
        space.mean_, space.scale_, space.precision_ = arrays["mean"], arrays["scale"], arrays["precision"]
        space.ridge_, space.parts_ = float(arrays["ridge"]), int(arrays["parts"])
        return space


def _as_parts(x: ArrayLike) -> Array:
    parts = np.asarray(x, dtype=np.float64)
    if parts.ndim != 2 or parts.size == 0:
        raise ShapeError(f"unit space: parts have shape {parts.shape}; give (parts, items).")
    if not np.isfinite(parts).all():
        row, item = (int(place) for place in np.argwhere(~np.isfinite(parts))[0])
        raise UnitSpaceError(f"unit space: item {item} of part {row} is not a finite number; measure it again.")
    return parts
