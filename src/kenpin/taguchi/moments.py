"""Exact moments of parts in one pass: made block by block, joined across shards, cut down to some of the items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.taguchi._parts import Array, as_parts, blocks, check_finite


@dataclass(frozen=True, eq=False)
class Moments:
    """Number of parts, their mean (k,), and scatter (k, k): the summed products of what deviates from it.

    Every sum is in float64, whatever the parts are in: numbers in float32 are exact in it, and a relative error of
    about 1e-15 a block remains. `a + b` are the moments of both sets of parts; the order changes only the last digits.
    # Chan, Golub & LeVeque 1979, Updating formulae and a pairwise algorithm for computing sample variances, eq. 2.1.
    """

    count: int
    mean: Array
    scatter: Array

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")  # what overflows is refused with its place
    def of(cls, x: ArrayLike) -> Moments:
        """Of parts (n, k) in memory or mapped from a file; working memory is a block of 8 MB and two k × k matrices.

        Raises ShapeError, and UnitSpaceError where a number is not finite.
        """
        from scipy.linalg.blas import dsyr, dsyrk

        parts = as_parts(x)
        count, mean = 0, np.zeros(parts.shape[1])
        # one triangle, added to where it lies: what a block costs beside its product is then k² / 2 operations
        upper = np.zeros((mean.size, mean.size), order="F")
        for place, block in blocks(parts):
            block_mean = np.ones(len(block)) @ block / len(block)
            check_finite(block_mean, parts, place)
            block -= block_mean
            weight, apart = len(block) / (count + len(block)), block_mean - mean
            upper = dsyrk(1.0, block.T, beta=1.0, c=upper, overwrite_c=1)
            upper = dsyr(count * weight, apart, a=upper, overwrite_a=1)
            count, mean = count + len(block), mean + apart * weight
        check_finite(upper.diagonal(), parts, slice(0, 0))
        return cls(count, mean, upper + np.triu(upper, 1).T)

    def __add__(self, other: Moments) -> Moments:
        """Of both sets of parts. Raises ShapeError where they have other items."""
        if self.mean.shape != other.mean.shape:
            raise ShapeError(f"moments of {self.mean.size} and of {other.mean.size} items cannot be joined.")
        count = self.count + other.count
        weight, apart = other.count / max(1, count), other.mean - self.mean
        scatter = self.scatter + other.scatter + np.outer(apart, apart * (self.count * weight))
        return Moments(count, self.mean + apart * weight, scatter)

    @property
    def scale(self) -> Array:
        """Standard deviation of each item over these very parts (divisor n), (k,)."""
        return np.sqrt(np.maximum(self.scatter.diagonal(), 0) / max(1, self.count))

    def of_items(self, items: Sequence[int] | NDArray[np.int64]) -> Moments:
        """Of these items alone, in this order."""
        chosen = np.asarray(items, np.int64)
        return Moments(self.count, self.mean[chosen], self.scatter[np.ix_(chosen, chosen)])

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """What they are made of, for an `.npz` file."""
        return {"count": np.int64(self.count), "mean": self.mean, "scatter": self.scatter}  # type: ignore[dict-item]

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Moments:
        """The moments that `to_arrays` described."""
        return cls(int(arrays["count"]), arrays["mean"], arrays["scatter"])


@np.errstate(over="ignore", invalid="ignore")
def sum_of_fourth_powers(
    x: ArrayLike, moments: Moments, items: Sequence[int] | NDArray[np.int64] | None = None
) -> float:
    """Sum of ‖z‖⁴ over parts (n, k) standardised by the moments: what Ledoit and Wolf's ridge needs beside these.

    items: places of the moments' items among those of x, where these are more.

    It is a second pass, of k operations a number of parts, and not of k² as the moments: in one pass it would take the
    fourth moments of all pairs of items, three more matrix products. The moments must be those of all shards; then the
    shards' sums are added. Raises as `Moments.of`.
    """
    parts = as_parts(x, moments.mean.size if items is None else None)
    weights = 1 / moments.scale**2
    total = 0.0
    for place, every in blocks(parts):
        block = every if items is None else every[:, items]
        block -= moments.mean
        norms = np.square(block, out=block) @ weights
        check_finite(norms, parts, place)
        total += float(norms @ norms)
    return total
