"""The RT method: each set of items becomes a sensitivity and a standard S/N ratio, which then make the unit space."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.taguchi._parts import Array, as_parts, blocks, check_finite
from kenpin.taguchi._space import Space
from kenpin.taguchi.limits import Limit
from kenpin.taguchi.moments import Moments
from kenpin.taguchi.unit_space import UnitSpace

Sets = Sequence[Sequence[int]]


class RecognitionSpace(Space):
    """Distance from good parts by two characteristics of each set of items: the recognition-Taguchi (RT) method.

    A part's items x are compared with those of the mean good part m, x = β m + error, all in one unit: L = Σ m x,
    r = Σ m², sensitivity β = L / r, error variance Vₑ = (Σ x² - L² / r) / (k - 1), standard S/N ratio η = 1 / Vₑ. The
    characteristics are Y₁ = β and Y₂ = 1/√η = √Vₑ; the distance is that of the MT method with these two, whatever
    the number of items, so that few good parts are enough.
    # Taguchi 2006, Objective Function and Generic Function (11), J. Quality Engineering Society 14(2), 5-9;
    # Tatebayashi, Teshima & Hasegawa 2008, Introduction to the MT System, ch. 5.

    sets: indices of the items of each set, at least two a set; None: all items are one set.
    """

    def __init__(self, sets: Sets | None = None, limit: Limit | float | None = None) -> None:
        if sets is not None and (not len(sets) or any(len(chosen) < 2 for chosen in sets)):
            raise OptionError("a set of items needs at least two items; give larger sets, or none for all items.")
        self.sets = sets
        self.limit = limit

    def fit(self, x: ArrayLike, y: object = None) -> Self:
        """Learn from good parts. x: (n, k), k > 1. Raises UnitSpaceError, ShapeError."""
        parts = as_parts(x)
        if parts.shape[1] < 2:
            raise ShapeError("unit space: the RT method needs at least two items; take the MT method.")
        self.standard_ = Moments.of(parts).mean
        self.sets_ = [np.asarray(chosen, np.int64) for chosen in self.sets or [range(parts.shape[1])]]
        self.space_ = UnitSpace(ridge=0).fit(self.characteristics(parts))
        return self

    @np.errstate(over="ignore", invalid="ignore")  # an overflow is refused with its row
    def characteristics(self, x: ArrayLike) -> Array:
        """β and √Vₑ of each set, side by side. x: (n, k) -> (n, 2 · sets). Raises ShapeError, UnitSpaceError."""
        parts = as_parts(x, self.standard_.size)
        found = np.empty((len(parts), 2 * len(self.sets_)))
        for rows, block in blocks(parts):
            check_finite(block.sum(axis=1), parts, rows)  # no set may hold a wrong item
            for number, chosen in enumerate(self.sets_):
                items, standard = block[:, chosen], self.standard_[chosen]
                sensitivity = items @ standard / (standard @ standard)
                error = items - np.outer(sensitivity, standard)
                found[rows, 2 * number] = sensitivity
                found[rows, 2 * number + 1] = (np.einsum("ij,ij->i", error, error) / (len(chosen) - 1)) ** 0.5
            check_finite(found[rows].sum(axis=1), parts, rows)
        return found

    def score_samples(self, x: ArrayLike) -> Array:
        """D² of the characteristics over their number. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError."""
        return self.space_.score_samples(self.characteristics(x))

    def contributions(self, x: ArrayLike) -> Array:
        """Share of each characteristic, β and √Vₑ of each set. (n, k) -> (n, 2 · sets). Raises as score_samples."""
        return self.space_.contributions(self.characteristics(x))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """The arrays of the fitted space, for an `.npz` file."""
        sets = {f"set{number}": chosen for number, chosen in enumerate(self.sets_)}
        return {"standard": self.standard_, **sets, **self.space_.to_arrays()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> RecognitionSpace:
        """The space from the arrays of `to_arrays`."""
        sets = [arrays[f"set{number}"] for number in range(sum(name.startswith("set") for name in arrays))]
        space = cls([chosen.tolist() for chosen in sets])
        space.standard_, space.sets_ = arrays["standard"], sets
        space.space_ = UnitSpace.from_arrays(arrays)
        return space
