"""Moments of all pairs of items up to the fourth order: from them a unit space takes further parts exactly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.plural import counted
from kenpin.taguchi._parts import Array, as_parts, blocks, check_finite
from kenpin.taguchi.moments import Moments

_TOGETHER = 64  # cells whose matrices are changed together: what is computed on the way takes no more than these


@dataclass(frozen=True, eq=False)
class PairMoments:
    """Number of parts, the mean x̄ of each item, and the sums over parts, with d = x - x̄, of dᵢdⱼ, dᵢ²dⱼ and dᵢ²dⱼ².

    They hold all that `UnitSpace.fit_moments` takes, the ridge of Ledoit and Wolf too, whose sum of ‖z‖⁴ is made of
    them whatever mean and scale the parts have together: `a + b` are the moments of both sets of parts, and so a unit
    space takes new parts without the old ones. Before the items there may be a side of cells, (p, …), each with moments
    of its own.
    # Moments about another mean by the binomial theorem, as Pébay 2008, Formulas for robust, one-pass parallel
    # computation of covariances and arbitrary-order statistical moments, joins them.
    """

    count: int
    mean: Array
    """(…, k)."""
    scatter: Array
    """Sums of dᵢdⱼ, (…, k, k)."""
    third: Array
    """Sums of dᵢ²dⱼ, (…, k, k)."""
    fourth: Array
    """Sums of dᵢ²dⱼ², (…, k, k)."""

    @classmethod
    def none(cls, *sides: int) -> PairMoments:
        """The moments of no parts. sides: k, or p and k."""
        of_pairs = (*sides, sides[-1])
        return cls(0, np.zeros(sides), np.zeros(of_pairs), np.zeros(of_pairs), np.zeros(of_pairs))

    @classmethod
    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def of(cls, x: ArrayLike) -> PairMoments:
        """Moments of parts (n, k) in memory or mapped from a file, in blocks of 32 MB.

        Raises ShapeError, and UnitSpaceError where a number is not finite or too large.
        """
        parts = as_parts(x)
        total = cls.none(parts.shape[1])
        for rows, block in blocks(parts):
            found = cls.of_cells(block[:, None])
            check_finite(found.fourth.diagonal(axis1=1, axis2=2), parts, rows)
            total = total + found.of_cell(0)
        return total

    @classmethod
    def of_cells(cls, x: Array) -> PairMoments:
        """Moments of each cell. x: (n, p, k) -> (p, k) and (p, k, k)."""
        by_cell = np.ascontiguousarray(x.transpose(1, 0, 2))
        mean = by_cell.mean(axis=1)
        away = by_cell - mean[:, None]
        squares = away**2
        return cls(
            len(x),
            mean,
            away.transpose(0, 2, 1) @ away,
            squares.transpose(0, 2, 1) @ away,
            squares.transpose(0, 2, 1) @ squares,
        )

    def of_cell(self, cell: int) -> PairMoments:
        """The moments of one cell, without the side of cells."""
        return PairMoments(self.count, self.mean[cell], self.scatter[cell], self.third[cell], self.fourth[cell])

    def __add__(self, other: PairMoments) -> PairMoments:
        """Moments of both sets of parts. Raises ShapeError where their items differ."""
        if self.mean.shape != other.mean.shape:
            raise ShapeError(
                f"moments of {_sides(self.mean)} and of {_sides(other.mean)} cannot be joined; take the same items."
            )
        count = self.count + other.count
        mean = self.mean + (other.mean - self.mean) * (other.count / max(1, count))
        # in place: of a map of cells each of these is hundreds of megabytes
        joined = PairMoments(count, mean, self.scatter.copy(), self.third.copy(), self.fourth.copy())
        for cells in _slices(mean):
            ours, theirs = self._about(mean, cells), other._about(mean, cells)
            for sums, own, more in zip((joined.scatter, joined.third, joined.fourth), ours, theirs, strict=True):
                np.add(own, more, out=sums[cells])
        return joined

    def _about(self, mean: Array, cells: Any) -> tuple[Array, Array, Array]:
        """The sums of some cells about another mean."""
        n, scatter, third, fourth = self.count, self.scatter[cells], self.third[cells], self.fourth[cells]
        away = mean[cells] - self.mean[cells]
        row, column = away[..., :, None], away[..., None, :]
        variance = scatter.diagonal(axis1=-2, axis2=-1)
        of_row, of_column = variance[..., :, None], variance[..., None, :]
        return (
            scatter + n * row * column,
            third - column * of_row - 2 * row * scatter - n * row**2 * column,
            fourth
            - 2 * column * third
            - 2 * row * third.swapaxes(-2, -1)
            + column**2 * of_row
            + row**2 * of_column
            + 4 * row * column * scatter
            + n * row**2 * column**2,
        )

    @property
    def moments(self) -> Moments:
        """Mean and scatter alone, where there is no side of cells."""
        return Moments(self.count, self.mean, self.scatter)

    def of_items(self, items: NDArray[np.int64]) -> PairMoments:
        """Moments of these items alone, in this order."""
        pairs = (..., items[:, None], items[None, :])
        return PairMoments(
            self.count, self.mean[..., items], self.scatter[pairs], self.third[pairs], self.fourth[pairs]
        )

    def sum_of_fourth_powers(self, weights: Array) -> Array:
        """Sum over the parts of ‖z‖⁴ with z = weights · d. weights: (…, k), 1 / scale -> (…)."""
        squares = weights**2
        return np.asarray(np.einsum("...i,...ij,...j->...", squares, self.fourth, squares))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The moments as arrays, for an `.npz` file; of what is symmetric the lower triangle."""
        rows, columns = np.tril_indices(self.mean.shape[-1])
        return {
            "count": np.asarray(self.count, np.int64),
            "mean": self.mean,
            "scatter": self.scatter[..., rows, columns],
            "third": self.third,
            "fourth": self.fourth[..., rows, columns],
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> PairMoments:
        """The moments from the arrays of `to_arrays`. Raises KeyError, ValueError where they are not these."""
        mean = np.asarray(arrays["mean"], np.float64)
        sides = (*mean.shape, mean.shape[-1])
        if arrays["third"].shape != sides or (count := int(arrays["count"])) < 0:
            raise ValueError(f"mean of shape {mean.shape} and third moments of shape {arrays['third'].shape}")
        return cls(count, mean, _whole(arrays["scatter"], sides), arrays["third"], _whole(arrays["fourth"], sides))

    @staticmethod
    def bytes_of(items: int, cells: int = 1) -> int:
        """Bytes of the moments of so many items in a file."""
        return 8 * cells * items * (2 * items + 2)


def _whole(triangle: NDArray[Any], sides: tuple[int, ...]) -> Array:
    """Symmetric matrices from their lower triangles. Raises ValueError."""
    rows, columns = np.tril_indices(sides[-1])
    whole = np.zeros(sides)
    whole[..., rows, columns] = triangle
    whole[..., columns, rows] = triangle
    return whole


def _slices(mean: Array) -> list[Any]:
    """Some cells after the others; all at once where there is no side of cells."""
    if mean.ndim == 1:
        return [slice(None)]
    return [slice(start, start + _TOGETHER) for start in range(0, len(mean), _TOGETHER)]


def _sides(mean: Array) -> str:
    items = counted(mean.shape[-1], "item")
    return items if mean.ndim == 1 else f"{items} in {counted(len(mean), 'cell')}"
