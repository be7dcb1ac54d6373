"""The cells of a map that decide a picture's score: where features lie beside a map, what a network saw at them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

CELLS = "cells"
"""Name among the raw outputs of what each picture's `map` was computed from: of a whole picture its features, (n,
numbers), else objects, of which `deciding` knows what to do with them."""


@dataclass(frozen=True, slots=True, eq=False)
class SeenCell:
    """A cell of what a network looked at, and what it adds to a number of the map."""

    features: NDArray[np.float32]
    """Of all that was looked at, (numbers,)."""
    cell: int
    """Counted row by row."""
    value: float
    """Share of the number in the map."""


class SeenInParts(Protocol):
    """A map that was put together from those of several parts of the picture."""

    def at(self, cell: int) -> tuple[SeenCell, ...]:
        """The cells that a number of the map was blended from; their values add up to it."""


def deciding(seen: Any, grid: NDArray[np.floating[Any]]) -> tuple[SeenCell, ...]:
    """The cells that the highest number of a map comes from. seen: one row of `cells`; grid: the map, as far as it is
    looked at, (rows, columns)."""
    if isinstance(seen, tuple):  # found before the map was turned into the picture's frame
        return seen
    cell = int(grid.argmax())
    if isinstance(seen, np.ndarray):
        return (SeenCell(seen, cell, float(grid.flat[cell])),)
    return cast(SeenInParts, seen).at(cell)


def one_object(value: object) -> NDArray[Any]:
    """An array of one object, a row of raw outputs. (1,)."""
    found = np.empty(1, object)
    found[0] = value
    return found
