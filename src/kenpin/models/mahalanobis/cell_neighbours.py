"""Cells of good parts as they are, in the whitened space of all of them: a cell's distance is that to the nearest."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kenpin.errors import UnitSpaceError
from kenpin.models.mahalanobis.cell_spaces import CellSpaces, fit_spaces
from kenpin.taguchi.unit_space import Ridge

_CANDIDATES = 50_000
"""Cells that the kept ones are chosen from, as many of each picture."""
_MEASURED = 2_000
"""Cells, at most, whose distance to the kept ones of other parts says what is usual."""
_PROJECTED = 64
"""Dimensions in which they are chosen, by a random projection, which keeps distances well enough to choose by."""
_LEAST_USUAL = 1e-5
"""Usual distance, where the mean of good parts is near 1, below which it is rounding."""
_AT_A_TIME = 256
"""Farthest rows of which as many as possible are chosen between two passes over all rows."""
_CPU = torch.device("cpu")
_TOGETHER = 1_024
"""Cells that are compared with the kept ones at a time."""


@dataclass(frozen=True)
class CellNeighbours:
    """Kept cells of good parts in the whitened space of one unit space of all cells.

    D²/k of a cell is its squared distance to the nearest kept cell, divided by the mean of this distance over cells of
    good parts and their neighbours in others: near 1 for good parts, as everywhere.

    # Roth et al. 2022 (PatchCore), sec. 3.2: the cells are a coreset by farthest points, chosen in a random projection.
    """

    space: CellSpaces
    """One space of all cells, whose whitening brings the layers to the good parts' own scale."""
    cells: Tensor
    """(m, k), whitened."""
    usual: float
    """Mean squared distance of good parts' cells to the nearest of other parts, by k."""

    @property
    def mean(self) -> Tensor:
        """Of the space, (1, k)."""
        return self.space.mean

    @property
    def ridge(self) -> Tensor:
        """Of the space, (1,)."""
        return self.space.ridge

    def distances(self, x: Tensor) -> Tensor:
        """D²/k of every cell. x: (n, cells, k) -> (n, cells)."""
        white = self.space.whitened(x)
        n, cells, k = white.shape
        return (_nearest(white.reshape(-1, k), self.cells) / (k * self.usual)).view(n, cells)

    def to(self, device: torch.device) -> CellNeighbours:
        """The same on another device."""
        if self.cells.device == device:
            return self
        return CellNeighbours(self.space.to(device), self.cells.to(device), self.usual)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays for an `.npz` file."""
        return {
            **self.space.to_arrays(),
            "cells": self.cells.cpu().numpy(),
            "usual": np.array(self.usual),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> CellNeighbours:
        """The inverse of `to_arrays`."""
        return cls(CellSpaces.from_arrays(arrays), torch.from_numpy(arrays["cells"]), float(arrays["usual"]))


def fit_neighbours(
    pictures: Callable[[], Iterable[Tensor]],
    count: int,
    *,
    kept: int,
    ridge: Ridge,
    seed: int,
    device: torch.device = _CPU,
    near: Tensor | None = None,
    parts: Sequence[int] | None = None,
) -> CellNeighbours:
    """The neighbours of good parts, in three passes over them.

    pictures: at each call yields the same batches, (n, cells, k) float32, of `count` pictures; kept: cells at most;
    device: where cells are compared, and where the result lies; near: of a single part, whether two cells see some of
    the same pixels, (cells, cells), by which they are told from their neighbours in its picture; parts: number of the
    part that each picture is of, where several are of one. Memory holds the candidates and one batch. Raises
    UnitSpaceError.
    """
    space = fit_spaces(pictures, pooled=True, ridge=ridge).to(device)
    draw = torch.Generator().manual_seed(seed)
    of_each = max(1, math.ceil(_CANDIDATES / count))
    candidates, numbers, places_seen, seen = [], [], [], 0
    for some in pictures():
        n, cells, k = some.shape
        taken = min(of_each, cells)
        chosen = torch.stack([torch.randperm(cells, generator=draw)[:taken] for _ in range(n)])
        drawn = some.to(device).gather(1, chosen.to(device)[:, :, None].expand(-1, -1, k))
        candidates.append(space.whitened(drawn).reshape(-1, k))
        numbers.append(torch.arange(seen, seen + n, device=device).repeat_interleave(taken))
        places_seen.append(chosen.reshape(-1).to(device))
        seen += n
    known, picture, place = torch.cat(candidates), torch.cat(numbers), torch.cat(places_seen)
    owner = picture if parts is None else torch.tensor(parts, device=device)[picture]
    projection = torch.randn(known.shape[1], min(_PROJECTED, known.shape[1]), generator=draw)
    places = farthest_points(known @ projection.to(device), kept)
    measured, others = torch.arange(len(known), device=device), places
    if near is not None:  # of a single part its first picture is measured by itself: copies of it are no others
        near, measured = near.to(device), measured[picture == 0]
        others = places[picture[places] == 0] if bool((picture[places] == 0).any()) else measured

    def not_compared(rows: Tensor) -> Tensor:
        return owner[rows][:, None] == owner[others] if near is None else near[place[rows]][:, place[others]]

    measured = measured[:: -(-len(measured) // _MEASURED)]
    apart = torch.cat(
        [_nearest(known[rows], known[others], not_compared(rows)) for rows in torch.split(measured, _TOGETHER)]
    )
    # a part that all kept cells are of has no neighbours in others
    usual = float(apart[apart.isfinite()].mean()) / known.shape[1]
    if usual < _LEAST_USUAL:
        raise UnitSpaceError(
            "unit space: the good parts are alike to the last digit, so that nothing says how far apart they usually "
            "lie. Add good parts, and leave copies out."
        )
    return CellNeighbours(space, known[places].contiguous(), usual)


def farthest_points(x: Tensor, count: int) -> Tensor:
    """Rows that leave no other row far from all of them: each next one is the farthest from those before. (n, d) ->
    rising indices of `count` rows, or of all where there are no more.

    Several are chosen between two passes over all rows: distances only fall, so that among the farthest few each is the
    next one as long as it stays at least as far as any row beyond these was.

    # Sener & Savarese 2018, greedy k-center: at most twice as far as the best choice of as many
    """
    if len(x) <= count:
        return torch.arange(len(x), device=x.device)
    lengths = x.square().sum(dim=1)
    last = lengths.argmin()[None]  # the middle of whitened rows
    chosen, left = [last], count - 1
    nearest = torch.full((len(x),), math.inf, device=x.device)
    while left:
        apart = torch.addmm(lengths, x[last], x.T, alpha=-2).add_(lengths[last][:, None])
        torch.minimum(nearest, apart.amin(dim=0), out=nearest)
        far, rows = nearest.topk(min(_AT_A_TIME + 1, len(x)))
        last = rows[_next_ones(x[rows[:-1]], far, left)]
        chosen.append(last)
        left -= len(last)
    return torch.cat(chosen).sort().values


def _next_ones(x: Tensor, far: Tensor, most: int) -> list[int]:
    """Which of the farthest rows come next, in order. x: (m, d); far: (m + 1,), falling: of these, and of the farthest
    row beyond them."""
    among = torch.cdist(x, x).square().cpu().numpy()
    left, beyond = far[:-1].cpu().numpy().copy(), float(far[-1])
    found: list[int] = []
    while len(found) < min(most, len(left)):
        place = int(left.argmax())
        if found and left[place] < beyond:
            break
        found.append(place)
        np.minimum(left, among[place], out=left)
        left[place] = -1
    return found


def _nearest(x: Tensor, cells: Tensor, left_out: Tensor | None = None) -> Tensor:
    """Squared distance of each row to the nearest cell, inf where all are left out. (n, k), (m, k), (n, m) -> (n,)."""
    apart = torch.addmm(cells.square().sum(dim=1), x, cells.T, alpha=-2)
    if left_out is not None:
        apart = apart.masked_fill(left_out, math.inf)
    # rounding may leave a row that is itself kept a little below 0
    return (apart.amin(dim=1) + x.square().sum(dim=1)).clamp(min=0)
