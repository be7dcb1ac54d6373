"""Exact moments of parts in one pass: made block by block, joined across shards, cut down to some of the items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted
from kenpin.taguchi._parts import Array, as_parts, blocks, check_finite


@dataclass(frozen=True, eq=False)
class Moments:
    """Number of parts, their mean (k,), and scatter (k, k): the sums of products of deviations from it.

    Every sum is in float64, also for parts in float32, and has a relative error of about 1e-15 a block. `a + b` are
    the moments of both sets of parts; the order changes only the last digits.
    # Chan, Golub & LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances, eq. 2.1.
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def of(cls, x: ArrayLike) -> Moments:
        """Moments of parts (n, k) in memory or mapped from a file; uses a block of 32 MB and two k × k matrices.

        Raises ShapeError, and UnitSpaceError where a number is not finite.
        """
        parts = as_parts(x)
        moments = cls(0, np.zeros(parts.shape[1]), np.zeros((parts.shape[1], parts.shape[1])))
        product = np.empty_like(moments.scatter)
        for rows, block in blocks(parts):
            mean = np.ones(len(block)) @ block / len(block)
            check_finite(mean, parts, rows)
            block -= mean
            moments = moments._joined(len(block), mean, np.matmul(block.T, block, out=product), out=moments.scatter)
        check_finite(moments.scatter.diagonal(), parts, slice(0, 0))
        return moments

    def __add__(self, other: Moments) -> Moments:
        """Moments of both sets of parts. Raises ShapeError where their numbers of items differ."""
        if self.mean.shape != other.mean.shape:
            raise ShapeError(f"moments of {self.mean.size} and of {counted(other.mean.size, 'item')} cannot be joined.")
        return self._joined(other.count, other.mean, other.scatter, out=None)

    def _joined(self, count: int, mean: Array, scatter: Array, out: Array | None) -> Moments:
        total = self.count + count
        apart = mean - self.mean
        joined: Array = np.add(self.scatter, scatter, out=out)
        joined += np.outer(apart, apart * (self.count * count / max(1, total)))
        return Moments(total, self.mean + apart * (count / max(1, total)), joined)

    @property
    def scale(self) -> Array:
        """Standard deviation of each item over the parts (divisor n), (k,)."""
        return np.sqrt(np.maximum(self.scatter.diagonal(), 0) / max(1, self.count))

    def of_items(self, items: Sequence[int] | NDArray[np.int64]) -> Moments:
        """Moments of these items alone, in this order."""
        chosen = np.asarray(items, np.int64)
        return Moments(self.count, self.mean[chosen], self.scatter[np.ix_(chosen, chosen)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The moments as arrays, for an `.npz` file."""
        return {"count": np.int64(self.count), "mean": self.mean, "scatter": self.scatter}  # type: ignore[dict-item]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Moments:
        """The moments from the arrays of `to_arrays`."""
        return cls(int(arrays["count"]), arrays["mean"], arrays["scatter"])


@np.errstate(over="ignore", invalid="ignore")
def sum_of_fourth_powers(
    x: ArrayLike, moments: Moments, items: Sequence[int] | NDArray[np.int64] | None = None
) -> float:
    """Sum of ‖z‖⁴ over parts (n, k) standardised by the moments: which Ledoit and Wolf's ridge also needs.

    items: indices of the moments' items among those of x, where x has more. The moments must be those of all shards;
    the sums of the shards are then added up. Raises as `Moments.of`.

    It is a second pass over the parts, of k operations a part where the moments take k². In one pass it would need the
    fourth moments of all pairs of items: three more matrix products.
    """
    parts = as_parts(x, moments.mean.size if items is None else None)
    weights = 1 / moments.scale
    total = 0.0
    for rows, every in blocks(parts):
        block = every if items is None else every[:, items]
        block -= moments.mean
        block *= weights
        norms = np.einsum("ij,ij->i", block, block)
        check_finite(norms, parts, rows)
        total += float(norms @ norms)
    return total
