"""Maps of tiles stitched to one of the picture, and which cells of which tiles a number of it comes from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenpin.data.tiling import Tiling, blend
from kenpin.models.deciding import SeenCell


def stitched(grids: NDArray[np.float32], tiling: Tiling, size_wh: tuple[int, int]) -> NDArray[np.float32]:
    """The maps of all tiles, (tiles, rows, columns), as one of the picture, with cells as large as theirs.

    Each is interpolated at the cells of the whole; where tiles overlap they fade into one another.
    """
    cells, axes = _axes(tiling, size_wh, grids.shape[1:])
    total, weight = np.zeros(cells, np.float64), np.zeros(cells, np.float64)
    for grid, (x, y) in zip(grids, tiling.tiles(size_wh), strict=True):
        down, across = axes[0][y], axes[1][x]
        weights = np.outer(down.weights, across.weights)
        at = (down.cells, across.cells)
        total[at] += weights * (down.linear @ grid @ across.linear.T)
        weight[at] += weights
    return (total / weight).astype(np.float32)


@dataclass(frozen=True, eq=False)
class SeenInTiles:
    """A map that was stitched from those of tiles."""

    grids: NDArray[np.float32]
    """Their maps, (tiles, rows, columns)."""
    tiling: Tiling
    size_wh: tuple[int, int]
    cells_of: Callable[[Sequence[int]], NDArray[np.float32]]
    """What the network saw in some tiles, by their indices, (n, numbers)."""

    def at(self, cell: int) -> tuple[SeenCell, ...]:
        """The cells of tiles that a number of the map was blended from; their values add up to it."""
        cells, axes = _axes(self.tiling, self.size_wh, self.grids.shape[1:])
        place = divmod(cell, cells[1])
        found: list[tuple[int, int, float]] = []
        total = 0.0
        for tile, (x, y) in enumerate(self.tiling.tiles(self.size_wh)):
            down, across = axes[0][y].at(place[0]), axes[1][x].at(place[1])
            if down is None or across is None:
                continue
            weight = down[0] * across[0]
            total += weight
            shares = np.outer(down[1], across[1])
            values = weight * shares * self.grids[tile]
            found += [(tile, own, float(values.flat[own])) for own in np.flatnonzero(values).tolist()]
        tiles = sorted({tile for tile, _, _ in found})
        features = dict(zip(tiles, self.cells_of(tiles), strict=True)) if tiles else {}
        return tuple(SeenCell(features[tile], own, value / total) for tile, own, value in found)


_Axes = dict[int, "_Along"]


def _axes(tiling: Tiling, size_wh: tuple[int, int], of_tile: Sequence[int]) -> tuple[tuple[int, int], list[_Axes]]:
    """Rows and columns of the whole map, and along both sides where each tile lies, by where it starts. of_tile: rows
    and columns of a tile's map."""
    lengths = size_wh[::-1]
    cells = [max(1, round(length / tiling.tile_px * count)) for length, count in zip(lengths, of_tile, strict=True)]
    return (cells[0], cells[1]), [
        {start: _axis(length, count, own, start, tiling) for start in tiling.starts(length)}
        for length, count, own in zip(lengths, cells, of_tile, strict=True)
    ]


@dataclass(frozen=True)
class _Along:
    """One tile along one side of the picture."""

    cells: slice
    """The cells of the whole whose centres it shows."""
    weights: NDArray[np.float64]
    linear: NDArray[np.float64]
    """(cells of the whole, cells of the tile)."""

    def at(self, cell: int) -> tuple[float, NDArray[np.float64]] | None:
        """Weight of the tile at a cell of the whole, and of its own cells there; None where it does not show it."""
        if not self.cells.start <= cell < self.cells.stop:
            return None
        own = cell - self.cells.start
        return float(self.weights[own]), self.linear[own]


def _axis(length_px: int, count: int, of_tile: int, start_px: int, tiling: Tiling) -> _Along:
    centres = (np.arange(count) + 0.5) * length_px / count
    shown = np.flatnonzero((centres >= start_px) & (centres < start_px + tiling.tile_px))
    first, last = int(shown[0]), int(shown[-1]) + 1
    inside = centres[first:last]
    places = np.clip((inside - start_px) / tiling.tile_px * of_tile - 0.5, 0, of_tile - 1)
    below = np.minimum(places.astype(int), of_tile - 1)
    share = places - below
    share[share < 1e-9] = 0
    linear = np.zeros((len(inside), of_tile))
    linear[np.arange(len(inside)), below] = 1 - share
    linear[np.arange(len(inside)), np.minimum(below + 1, of_tile - 1)] += share
    return _Along(slice(first, last), blend(tiling, inside, start_px, length_px), linear)
