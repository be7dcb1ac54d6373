"""How far a cell is by several networks, each with unit spaces of its own, on the scale of good parts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kenpin.models.mahalanobis.cell_layout import nearest_cells
from kenpin.models.mahalanobis.cell_shares import LEAST
from kenpin.models.mahalanobis.usual import usual

_FOLDS = 3
_ENOUGH = 20
"""Good parts that are held out, at least, to tell what is usual, where there are as many."""


@dataclass(frozen=True, eq=False)
class UsualByNetwork:
    """How far the farthest cell of a good part, which nothing has learned from, usually is by each of m networks.

    A cell's number is exp(mean spread · mean height), where its height by a network is by how many spreads the
    logarithm of its distance lies above the centre: 1 where all find it as far as the farthest cell of a good part
    usually is. Of networks with grids of their own each cell of the finest takes the nearest of the others.
    """

    centre: Tensor
    """Mean logarithms, (m,)."""
    spread: Tensor
    """Their standard deviations, (m,)."""

    @classmethod
    def of(cls, logarithms: Tensor) -> Self:
        """From those of held-out good parts, (parts, m) float64."""
        centre, spread = usual(logarithms)
        return cls(centre.float(), spread.float())

    def joined(self, maps: Sequence[Tensor], grid: tuple[int, int]) -> Tensor:
        """One map of those of all networks, (n, rows, columns) each -> (n, *grid)."""
        heights = []
        for number, found in enumerate(maps):
            rows, columns = (
                torch.from_numpy(nearest_cells(int(own), wanted)).to(found.device)
                for own, wanted in zip(found.shape[1:], grid, strict=True)
            )
            there = found.index_select(1, rows).index_select(2, columns)
            heights.append((there.clamp(min=LEAST).log() - self.centre[number]) / self.spread[number])
        return (self.spread.mean() * torch.stack(heights).mean(dim=0)).exp()

    def to(self, device: torch.device) -> UsualByNetwork:
        """The same on another device."""
        return UsualByNetwork(self.centre.to(device), self.spread.to(device))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays for an `.npz` file."""
        return {"network_centre": self.centre.cpu().numpy(), "network_spread": self.spread.cpu().numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> UsualByNetwork:
        """The inverse of `to_arrays`. Raises KeyError."""
        return cls(torch.from_numpy(arrays["network_centre"]), torch.from_numpy(arrays["network_spread"]))


def held_out_by_turns(parts: int) -> list[NDArray[np.int64]]:
    """Rows of good parts to hold out, one set after another: thirds, and as many of them as it takes for enough parts.
    Of a single part nothing can be held out."""
    folds = min(_FOLDS, parts)
    if folds < 2:
        return []
    turns = min(folds, math.ceil(_ENOUGH * folds / parts))
    return [np.arange(turn, parts, folds) for turn in range(turns)]
