"""How the features of a picture lie as items of cells: a network's layers on one grid, averaged over neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CellLayout:
    """Features of a picture are its layers one after the other, each row by row, a cell's channels together.

    An item of a cell is one channel of one layer: on the finest grid of all, and averaged over as many cells as one of
    the coarsest layer covers, so that all describe the same area.

    # Averages of neighbours as in PatchCore (Roth et al. 2022, Towards total recall in industrial anomaly detection,
    # sec. 3.1).
    """

    layers: tuple[str, ...]
    """Their names."""
    shapes: tuple[tuple[int, int, int], ...]
    """Of each layer its rows, columns and channels, which may be none."""
    grid: tuple[int, int]
    """Rows and columns of the cells."""
    around: int
    """Side in cells of the square that an item is averaged over, an odd number."""
    names: tuple[str, ...]
    """Of the items, each that of its layer and the number of its channel: `stage5.17`."""

    @classmethod
    def of_channels(
        cls, layers: Sequence[str], sizes: Sequence[tuple[int, int, int]], channels: Sequence[Sequence[int]]
    ) -> CellLayout:
        """The layout of chosen channels. sizes: channels, rows and columns of each layer; channels: of each, those that
        are items, in rising order."""
        grid = max((rows, columns) for _, rows, columns in sizes)
        # a cell of the coarsest layer covers so many of the finest, or one less: an odd number has a middle cell
        around = grid[0] // min(rows for _, rows, _ in sizes) | 1
        shapes = tuple((rows, columns, len(own)) for (_, rows, columns), own in zip(sizes, channels, strict=True))
        names = tuple(f"{layer}.{channel}" for layer, own in zip(layers, channels, strict=True) for channel in own)
        return cls(tuple(layers), shapes, grid, around, names)

    @property
    def numbers(self) -> tuple[int, ...]:
        """Numbers of each layer among the features."""
        return tuple(prod(shape) for shape in self.shapes)

    def items(self, features: NDArray[np.float32]) -> Floats:
        """Items of all cells of one picture, in float64. (numbers,) -> (cells, items)."""
        layers = [
            np.einsum("ai,ijc,bj->abc", down, part, across, optimize=True)
            for (down, across), part in zip(self._means, self._parts(features), strict=True)
        ]
        return np.concatenate(layers, axis=2).reshape(prod(self.grid), -1)

    def items_at(self, features: NDArray[np.float32], cell: int) -> Floats:
        """Items of one cell, which is counted row by row. (numbers,) -> (items,)."""
        row, column = divmod(cell, self.grid[1])
        found = []
        for (down, across), part in zip(self._means, self._parts(features), strict=True):
            rows, columns = np.flatnonzero(down[row]), np.flatnonzero(across[column])
            seen = part[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float64)
            found.append(np.einsum("i,ijc,j->c", down[row, rows], seen, across[column, columns]))
        return np.concatenate(found)

    def of_layers(self, shares: Floats) -> dict[str, float]:
        """Sums over the items of each layer that has any. (items,)."""
        ends = np.cumsum([channels for *_, channels in self.shapes])
        parts = zip(self.layers, np.split(shares, ends[:-1]), strict=True)
        return {layer: float(own.sum()) for layer, own in parts if len(own)}

    def _parts(self, features: NDArray[np.float32]) -> list[NDArray[np.float32]]:
        parts = np.split(features, np.cumsum(self.numbers)[:-1])
        return [part.reshape(shape) for part, shape in zip(parts, self.shapes, strict=True)]

    @cached_property
    def _means(self) -> list[tuple[Floats, Floats]]:
        """Of each layer the weights of its rows in those of the grid, and of its columns."""
        return [
            (_weights(rows, self.grid[0], self.around), _weights(columns, self.grid[1], self.around))
            for rows, columns, _ in self.shapes
        ]


def chosen_channels(channels: int, items: int) -> NDArray[np.int64]:
    """Random channels of a fixed seed, in rising order.

    # Defard et al. 2021 (PaDiM), sec. III-D: a random choice does as well as principal components
    """
    return np.sort(np.random.default_rng(0).permutation(channels)[:items])


def nearest_cells(own: int, wanted: int) -> NDArray[np.int64]:
    """Of each of the wanted cells along a side the nearest of those that there are, as torch finds it. (wanted,)."""
    places = np.arange(wanted, dtype=np.float32) * np.float32(own / wanted)  # in float32, as there
    return np.minimum(places.astype(np.int64), own - 1)


def _weights(own: int, wanted: int, around: int) -> Floats:
    """Which of a layer's cells along a side a mean of neighbours is made of. -> (wanted, own), rows add up to 1."""
    places = np.arange(wanted)
    near = np.abs(places[:, None] - places) <= around // 2
    weights = near @ np.eye(own)[nearest_cells(own, wanted)]
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))
