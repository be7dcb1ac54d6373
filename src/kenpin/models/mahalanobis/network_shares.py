"""Which items of which network make up a number of the map that several networks give together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kenpin.models.deciding import SeenCell
from kenpin.models.mahalanobis.cell_layout import Floats, nearest_cells
from kenpin.models.mahalanobis.cell_shares import (
    LEAST,
    SHARES_FILE,
    CellShares,
    arrays_of_layout,
    shares_of_arrays,
)


@dataclass(frozen=True)
class NetworkLayouts:
    """The items of several networks, one after another, each named with its network: `lite0:stage5.17`."""

    networks: tuple[str, ...]
    grid: tuple[int, int]
    """Rows and columns of the common map."""
    shares: tuple[CellShares, ...]
    """Of each network."""

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Of all items."""
        return tuple(f"{network}:{name}" for network, own in self._each for name in own.layout.names)

    def of_layers(self, shares: Floats) -> dict[str, float]:
        """Sums over the items of each layer of each network. (items,)."""
        ends = np.cumsum([len(own.layout.names) for own in self.shares])
        return {
            f"{network}:{layer}": share
            for (network, own), part in zip(self._each, np.split(shares, ends[:-1]), strict=True)
            for layer, share in own.layout.of_layers(part).items()
        }

    def cell_of(self, own: CellShares, cell: int) -> int:
        """The cell of a network that a cell of the common map shows, each counted row by row."""
        rows, columns = (nearest_cells(of, wanted) for of, wanted in zip(own.layout.grid, self.grid, strict=True))
        row, column = divmod(cell, self.grid[1])
        return int(rows[row]) * own.layout.grid[1] + int(columns[column])

    @property
    def _each(self) -> list[tuple[str, CellShares]]:
        return [*zip(self.networks, self.shares, strict=True)]


@dataclass(frozen=True, eq=False)
class NetworkShares:
    """Shares of the items of several networks in the numbers of a map.

    The logarithm of a number is the mean of the networks' heights (see `UsualByNetwork`): networks that find the cell
    farther than is usual share the number as their heights share this mean, and within a network items share it as they
    share the squared distance.
    """

    layout: NetworkLayouts
    centre: Floats
    spread: Floats
    """(m,)."""

    def of(self, seen: Sequence[SeenCell], score: float) -> Floats:
        """Share of each item in a number of the map, which they add up to. (items,)."""
        total = np.zeros(len(self.layout.names))
        for one in seen:
            total += one.value * self._at(one)
        found = total.sum()
        return total * (score / found) if found > 0 else total

    def _at(self, seen: SeenCell) -> Floats:
        """Of each item in what is found at one cell; they add up to 1, or are all 0."""
        ends = np.cumsum([sum(own.layout.numbers) for own in self.layout.shares])
        found, heights = [], []
        for number, (own, features) in enumerate(
            zip(self.layout.shares, np.split(seen.features, ends[:-1]), strict=True)
        ):
            shares = own.at(features, self.layout.cell_of(own, seen.cell))
            distance = max(LEAST, float(shares.sum()))
            found.append(shares / distance)
            heights.append(max(0.0, (np.log(distance) - self.centre[number]) / self.spread[number]))
        if not any(heights):  # nobody finds it far
            heights = [1.0] * len(found)
        whole = sum(heights)
        return np.concatenate([shares * (height / whole) for shares, height in zip(found, heights, strict=True)])

    @classmethod
    def of_arrays(cls, layout: NetworkLayouts, arrays: Mapping[str, NDArray[Any]]) -> NetworkShares:
        """With what `UsualByNetwork.to_arrays` gives. Raises KeyError."""
        return cls(layout, arrays["network_centre"].astype(float), arrays["network_spread"].astype(float))


def write_network_shares(
    folder: Path,
    layout: NetworkLayouts,
    spaces: Sequence[Mapping[str, NDArray[Any]]],
    joined: Mapping[str, NDArray[Any]],
) -> None:
    """Write what `read_shares` needs. spaces: arrays of each network's spaces; joined: of `UsualByNetwork`."""
    arrays: dict[str, Any] = {
        "network_names": np.array(layout.networks),
        "network_grid": np.array(layout.grid),
        **joined,
    }
    for number, (own, of_spaces) in enumerate(zip(layout.shares, spaces, strict=True)):
        both = arrays_of_layout(own.layout) | dict(of_spaces)
        arrays |= {f"{_prefix(number)}{name}": values for name, values in both.items()}
    np.savez(folder / SHARES_FILE, **arrays)


def network_shares_of(saved: Mapping[str, NDArray[Any]]) -> NetworkShares:
    """From the arrays of the file. Raises KeyError."""
    networks = tuple(saved["network_names"].tolist())
    each = []
    for number in range(len(networks)):
        prefix = _prefix(number)
        own = {name.removeprefix(prefix): values for name, values in saved.items() if name.startswith(prefix)}
        each.append(shares_of_arrays(own))
    layout = NetworkLayouts(networks, tuple(saved["network_grid"].tolist()), tuple(each))
    return NetworkShares.of_arrays(layout, saved)


def _prefix(number: int) -> str:
    return f"network{number}_"
