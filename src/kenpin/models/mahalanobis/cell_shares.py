"""Which items make up the number of a map at the cell that decides: their shares of the squared distance there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.models.deciding import SeenCell
from kenpin.models.mahalanobis.cell_layout import CellLayout, Floats
from kenpin.taguchi import quadratic_shares

SHARES_FILE = "cells.npz"
"""File of a package: the unit spaces of cells, and how the features of a picture lie as items of these."""
_NEAR = 8
"""Cells that are nearest in 32 bits, of which the nearest is found in 64."""
LEAST = 1e-12
"""Distances whose logarithm is taken, at least."""


@dataclass(frozen=True, eq=False)
class WhitenedCells:
    """Unit spaces of cells, or one for all, with which D²/k is ‖whitening (x − mean)‖² / k, computed in float64."""

    mean: NDArray[Any]
    """(p, k)."""
    whitening: NDArray[Any]
    """Of each the entries of a lower triangle, row by row, (p, k (k + 1) / 2)."""

    def matrix(self, cell: int) -> Floats:
        """The whitening of a cell, (k, k)."""
        return self._common if len(self.mean) == 1 else self._unpacked(cell)

    def apart(self, x: Floats, cell: int) -> Floats:
        """A cell's items less the mean. (k,)."""
        return np.asarray(x - self.mean[0 if len(self.mean) == 1 else cell], np.float64)

    def shares(self, x: Floats, cell: int) -> Floats:
        """Of each item in D²/k. x: items of the cell, (k,) -> (k,)."""
        apart, matrix = self.apart(x, cell), self.matrix(cell)
        return quadratic_shares(apart, matrix.T @ (matrix @ apart)) / len(x)

    @cached_property
    def _common(self) -> Floats:
        return self._unpacked(0)

    def _unpacked(self, cell: int) -> Floats:
        k = self.mean.shape[1]
        matrix = np.zeros((k, k))
        matrix[np.tril_indices(k)] = self.whitening[cell]
        return matrix


@dataclass(frozen=True, eq=False)
class NearestCells:
    """Kept cells of good parts in the whitened space of one unit space: D²/k is that from the nearest, by `usual`."""

    space: WhitenedCells
    cells: NDArray[np.float32]
    """(m, k), whitened."""
    usual: float

    def shares(self, x: Floats, cell: int) -> Floats:
        """Of each item in D²/k: of how it differs from that of the nearest kept cell. (k,) -> (k,)."""
        from scipy.linalg import solve_triangular

        matrix = self.space.matrix(cell)
        white = matrix @ self.space.apart(x, cell)
        roughly = self._squares - 2 * (self.cells @ white.astype(self.cells.dtype))
        near = self.cells[np.argpartition(roughly, min(_NEAR, len(roughly)) - 1)[:_NEAR]]
        all_apart = white - near.astype(np.float64)
        apart = all_apart[np.square(all_apart).sum(axis=1).argmin()]
        # an item that does not vary among good parts counts nothing, and is nowhere
        solvable = matrix + np.diag(np.diag(matrix) == 0)
        back = solve_triangular(solvable, apart, lower=True, check_finite=False)
        return quadratic_shares(back, matrix.T @ apart) / (len(x) * self.usual)

    @cached_property
    def _squares(self) -> NDArray[np.float32]:
        return np.asarray(np.square(self.cells).sum(axis=1))


@dataclass(frozen=True, eq=False)
class LayersApart:
    """A unit space of each layer, of which that counts which finds a cell, or the whole picture, farthest.

    See `kenpin.models.mahalanobis.layer_spaces`.
    """

    spaces: tuple[WhitenedCells, ...]
    centre: Floats
    spread: Floats
    """(l, 2)."""

    def shares(self, items: Floats, cell: int) -> Floats:
        """Of each item in D²/k of the layer that counts, of the cell or as the mean of all; of the others 0. items: of
        all cells, (cells, k) -> (k,)."""
        counts = [space.mean.shape[1] for space in self.spaces]
        best, found = -np.inf, np.zeros(items.shape[1])
        for layer, (space, x) in enumerate(
            zip(self.spaces, np.split(items, np.cumsum(counts)[:-1], axis=1), strict=True)
        ):
            apart, matrix = x - space.mean[0], space.matrix(0)
            of_all = quadratic_shares(apart, (apart @ matrix.T) @ matrix) / x.shape[1]
            for kind, own in enumerate((of_all[cell], of_all.mean(axis=0))):
                height = (np.log(max(LEAST, own.sum())) - self.centre[layer, kind]) / self.spread[layer, kind]
                if height > best:
                    best, found = height, np.zeros(items.shape[1])
                    found[sum(counts[:layer]) :][: counts[layer]] = own
        return found


@dataclass(frozen=True, eq=False)
class CellShares:
    """Shares of the items of cells in the numbers of a map."""

    layout: CellLayout
    space: WhitenedCells | NearestCells | LayersApart

    def of(self, seen: Sequence[SeenCell], score: float) -> Floats:
        """Share of each item in a number of the map, which they add up to: by the items' shares of the squared distance
        at each cell that it comes from. Where the map shows more than a squared distance, as one that is weighed by a
        head or by the usual distances of a layer, all of them are brought to that scale. (items,)."""
        total = np.zeros(len(self.layout.names))
        for one in seen:
            shares = self.at(one.features, one.cell)
            if (distance := shares.sum()) > 0:
                total += shares * (one.value / distance)
        found = total.sum()
        return total * (score / found) if found > 0 else total

    def at(self, features: NDArray[np.float32], cell: int) -> Floats:
        """Share of each item in the squared distance at one cell. features: of a picture, (numbers,) -> (items,)."""
        if isinstance(self.space, LayersApart):
            return self.space.shares(self.layout.items(features), cell)
        return self.space.shares(self.layout.items_at(features, cell), cell)

    @classmethod
    def of_arrays(cls, layout: CellLayout, arrays: Mapping[str, NDArray[Any]]) -> CellShares:
        """By what `to_arrays` of spaces of cells gives. Raises KeyError."""
        if "centre" in arrays:
            spaces = tuple(
                WhitenedCells(arrays[f"layer{number}_mean"], arrays[f"layer{number}_whitening"])
                for number in range(len(arrays["centre"]))
            )
            return cls(layout, LayersApart(spaces, arrays["centre"], arrays["spread"]))
        space = WhitenedCells(arrays["mean"], arrays["whitening"])
        if "cells" in arrays:
            return cls(layout, NearestCells(space, arrays["cells"], float(arrays["usual"])))
        return cls(layout, space)


def write_shares(folder: Path, layout: CellLayout, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write what `read_shares` needs. arrays: of `to_arrays` of the spaces."""
    np.savez(folder / SHARES_FILE, **arrays_of_layout(layout) | dict(arrays))


def arrays_of_layout(layout: CellLayout) -> dict[str, Any]:
    """The layout as arrays, of which `shares_of_arrays` makes it again."""
    return {
        "layout_layers": np.array(layout.layers),
        "layout_shapes": np.array(layout.shapes),
        "layout_grid": np.array(layout.grid),
        "layout_around": np.array(layout.around),
        "layout_names": np.array(layout.names),
    }


def shares_of_arrays(saved: Mapping[str, NDArray[Any]]) -> CellShares:
    """From the arrays of the file. Raises KeyError."""
    layout = CellLayout(
        tuple(saved["layout_layers"].tolist()),
        tuple(tuple(shape) for shape in saved["layout_shapes"].tolist()),
        tuple(saved["layout_grid"].tolist()),
        int(saved["layout_around"]),
        tuple(saved["layout_names"].tolist()),
    )
    return CellShares.of_arrays(layout, saved)
