"""What every space of good parts offers: settings by name, distances in blocks, contributions, a verdict by a limit."""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, UnitSpaceError
from kenpin.plural import counted
from kenpin.taguchi._parts import Array, as_parts, blocks, check_finite
from kenpin.taguchi.limits import Limit, Scale
from kenpin.taguchi.moments import Moments
from kenpin.taguchi.shares import quadratic_shares

FEWEST_PARTS = 9
"""Number of parts below which the spread of a single item is itself uncertain by more than half (95 % interval)."""
RANK_TOLERANCE = 1e-10
"""Eigenvalues of a correlation matrix below this share of the largest are rounding errors, and count as 0."""


def fewest_parts(items: int) -> int:
    """Fewest good parts with which the correlation matrix of this many items can be regular."""
    return max(FEWEST_PARTS, items + 1)


class Estimator:
    """Settings by name, as scikit-learn's estimators give and take them."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name."""
        return {name: getattr(self, name) for name in inspect.signature(type(self)).parameters}

    def set_params(self, **settings: Any) -> Self:
        """Change settings, checked as by the constructor. Raises OptionError for an unknown setting."""
        known = self.get_params()
        if unknown := sorted(settings.keys() - known.keys()):
            raise OptionError(f"{type(self).__name__}: no setting {unknown[0]!r}; there are {', '.join(known)}.")
        type(self).__init__(self, **known | settings)
        return self


class Space(Estimator, ABC):
    """Distance of parts from the good ones it was fitted to; larger is farther, unlike scikit-learn's detectors."""

    scale: ClassVar[Scale] = "D²/k"
    """Scale of `score_samples`, and of every limit for it."""
    limit: Limit | float | None

    @abstractmethod
    def contributions(self, x: ArrayLike) -> Array:
        """Share of each item, or characteristic, in each part's distance; each row adds up to it. (n, k) -> (n, m)."""

    @abstractmethod
    def score_samples(self, x: ArrayLike) -> Array:
        """Distance of each part. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError."""

    def predict(self, x: ArrayLike) -> NDArray[np.int64]:
        """1 for parts below the limit, -1 for those that reach it. (n, k) -> (n,).

        Raises OptionError without a limit, or with one on another scale; ShapeError, UnitSpaceError.
        """
        if self.limit is None:
            raise OptionError(f"{type(self).__name__}: there is no limit to judge by; set one, see taguchi.limits.")
        limit = self.limit.on(self.scale) if isinstance(self.limit, Limit) else float(self.limit)
        return np.where(self.score_samples(x) < limit, 1, -1)


class QuadraticSpace(Space):
    """D²/k = zᵀ P z / k of parts standardised by mean and scale of the good ones, with some matrix P, `precision_`."""

    mean_: Array
    scale_: Array
    precision_: Array
    """(k, k), scaled so that the mean of D²/k over the good parts is 1."""
    parts_: int
    ridge_: float = 0.0
    rank_: int
    """Number of independent directions in which the distance is measured."""
    degrees_: float
    """Degrees of freedom: for normally distributed good parts D²/k is distributed as χ² over them; 0: unknown."""

    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def score_samples(self, x: ArrayLike) -> Array:
        """D²/k of each part; near 1 for good ones. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError.

        Computed in float64, in blocks of 32 MB: about k² operations a part, and no copy of the parts.
        """
        from scipy.linalg.blas import dtrmm

        parts = as_parts(x, self.mean_.size)
        distances = np.empty(len(parts))
        for rows, block in blocks(parts):
            block -= self.mean_
            # the block's transpose is in Fortran order: the product overwrites it, and nothing is copied
            rotated = dtrmm(1.0, self._factor, block.T, overwrite_b=1)
            np.einsum("ji,ji->i", rotated, rotated, out=distances[rows])
            check_finite(distances[rows], parts, rows)
        return distances

    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def contributions(self, x: ArrayLike) -> Array:
        """Share of each item in each part's D²/k; the rows add up to it. (n, k) -> (n, k). Raises as score_samples.

        They are those of `quadratic_shares`, and can be negative.
        """
        parts = as_parts(x, self.mean_.size)
        shares = np.empty(parts.shape)
        for rows, block in blocks(parts):
            block -= self.mean_
            block /= self.scale_
            quadratic_shares(block, block @ self.precision_, out=shares[rows])
            check_finite(shares[rows].sum(axis=1), parts, rows)
        shares /= self.mean_.size
        return shares

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the fitted space, for an `.npz` file."""
        numbers = {name: np.asarray(getattr(self, f"{name}_")) for name in ("ridge", "parts", "rank", "degrees")}
        return {"mean": self.mean_, "scale": self.scale_, "precision": self.precision_, **numbers}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The space from the arrays of `to_arrays`, of this version or an earlier one without rank and degrees."""
        space = cls()
        space.mean_, space.scale_, space.precision_ = arrays["mean"], arrays["scale"], arrays["precision"]
        space.ridge_, space.parts_ = float(arrays["ridge"]), int(arrays["parts"])
        space.rank_ = int(arrays["rank"]) if "rank" in arrays else len(arrays["mean"])
        space.degrees_ = float(arrays["degrees"]) if "degrees" in arrays else 0.0
        space._prepare()
        return space

    def _set(self, moments: Moments, precision: Array) -> None:
        self.mean_, self.scale_, self.precision_ = moments.mean, moments.scale, precision
        self.parts_ = moments.count
        self._prepare()

    def _prepare(self) -> None:
        """Compute the factor of the distances: U upper triangular, D²/k = ‖U (x - mean)‖²."""
        self._factor: Array = np.asfortranarray(upper_factor(self.precision_) / self.scale_ / self.mean_.size**0.5)


def checked_correlation(moments: Moments, needed: int, remedy: str = "") -> Array:
    """Correlation matrix (k, k) of good parts. Raises UnitSpaceError for too few parts, or for a constant item."""
    items = moments.mean.size
    if moments.count < needed:
        raise UnitSpaceError(
            f"unit space: {counted(moments.count, 'good part')} for {counted(items, 'item')}; at least {needed} are "
            f"needed. Add good parts{remedy}."
        )
    scale = moments.scale
    constant = np.flatnonzero(scale <= 1e-12 * np.maximum(np.abs(moments.mean), 1e-300))
    if constant.size:
        raise UnitSpaceError(
            f"unit space: {constant.size} of {counted(items, 'item')} never vary among the good parts (first: item "
            f"{constant[0]}); a constant item has no distance. Remove such items."
        )
    correlation = moments.scatter / (moments.count * np.outer(scale, scale))
    np.fill_diagonal(correlation, 1.0)
    return correlation


def upper_factor(matrix: Array) -> Array:
    """U, upper triangular, with UᵀU = matrix: Cholesky's where it is definite, of its eigenvectors where it is not."""
    try:
        return np.asarray(np.linalg.cholesky(matrix, upper=True), np.float64)
    except np.linalg.LinAlgError:
        weights, vectors = np.linalg.eigh(matrix)
        kept = weights > RANK_TOLERANCE * weights[-1]
        factor = np.zeros_like(matrix)
        (rows,) = np.nonzero(kept)
        factor[: len(rows)] = np.linalg.qr((vectors[:, kept] * weights[kept] ** 0.5).T, mode="r")
        return factor
