"""A unit space of the cells of each layer by itself; a cell counts by the layer that finds it farthest from usual."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kenpin.models.mahalanobis.cell_shares import LEAST
from kenpin.models.mahalanobis.cell_spaces import CellSpaces, spaces_of_moments
from kenpin.models.mahalanobis.usual import usual
from kenpin.taguchi import PairMoments
from kenpin.taguchi.unit_space import Ridge

_FOLDS = 5


@dataclass(frozen=True)
class LayerSpaces:
    """A pooled unit space for each of l layers, and how far good parts that it has not seen usually lie from it.

    Of each layer there are two distances: that of a cell, and the mean over all cells, for what is spread over the
    whole picture. Each counts by how many spreads of good parts its logarithm lies above theirs, where for cells the
    farthest of each good part is meant. The highest of all is a cell's number, brought back to distances:
    exp(spread · number), which is 1 where it is as far as the farthest cell of a good part usually is.
    """

    spaces: tuple[CellSpaces, ...]
    centre: Tensor
    """Mean logarithms over good parts, (l, 2): of the farthest cell, and of the mean of the cells."""
    spread: Tensor
    """Their standard deviations, (l, 2)."""

    @property
    def mean(self) -> Tensor:
        """Of all layers, (1, k)."""
        return torch.cat([space.mean for space in self.spaces], dim=1)

    @property
    def ridge(self) -> Tensor:
        """Of each layer, (l,)."""
        return torch.cat([space.ridge for space in self.spaces])

    def distances(self, x: Tensor) -> Tensor:
        """Of every cell. x: (n, cells, k) -> (n, cells)."""
        found = []
        for number, away in enumerate(_distances(self.spaces, x)):
            centre, spread = self.centre[number], self.spread[number]
            of_cells = (away.log() - centre[0]) / spread[0]
            of_all = (away.mean(dim=1, keepdim=True).log() - centre[1]) / spread[1]
            found.append(torch.maximum(of_cells, of_all))
        return (self.spread[:, 0].mean() * torch.stack(found).amax(dim=0)).exp()

    def to(self, device: torch.device) -> LayerSpaces:
        """The same on another device."""
        if self.centre.device == device:
            return self
        spaces = tuple(space.to(device) for space in self.spaces)
        return LayerSpaces(spaces, self.centre.to(device), self.spread.to(device))

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays for an `.npz` file."""
        of_layers = {
            f"layer{number}_{name}": values
            for number, space in enumerate(self.spaces)
            for name, values in space.to_arrays().items()
        }
        return {**of_layers, "centre": self.centre.cpu().numpy(), "spread": self.spread.cpu().numpy()}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> LayerSpaces:
        """The inverse of `to_arrays`."""
        centre, spread = torch.from_numpy(arrays["centre"]), torch.from_numpy(arrays["spread"])
        spaces = []
        for number in range(len(centre)):
            prefix = f"layer{number}_"
            own = {name.removeprefix(prefix): values for name, values in arrays.items() if name.startswith(prefix)}
            spaces.append(CellSpaces.from_arrays(own))
        return cls(tuple(spaces), centre, spread)


def fit_layers(
    pictures: Callable[[], Iterable[Tensor]], count: int, items: Sequence[int], *, ridge: Ridge
) -> LayerSpaces:
    """The spaces of good parts, in two passes over them: moments, and distances of each fifth of the parts by the
    moments of the others.

    pictures: at each call yields the same batches, (n, cells, k) float32, of `count` pictures; items: of each layer, k
    in all. Memory holds the moments of each fifth and layer. Raises UnitSpaceError.
    """
    folds = min(_FOLDS, count)
    moments = [[PairMoments.none(1, k) for k in items] for _ in range(folds)]
    for fold, x in _by_fold(pictures, folds):
        for layer, part in enumerate(torch.split(x, list(items), dim=2)):
            found = PairMoments.of_cells(part.reshape(-1, 1, part.shape[2]).double().numpy())
            moments[fold][layer] = moments[fold][layer] + found

    def spaces(wanted: Sequence[int]) -> tuple[CellSpaces, ...]:
        totals = [PairMoments.none(1, k) for k in items]
        for fold in wanted:
            totals = [total + of for total, of in zip(totals, moments[fold], strict=True)]
        return tuple(spaces_of_moments(total, ridge) for total in totals)

    # of a single part nothing can be left out
    without = [spaces([other for other in range(folds) if other != fold] or [fold]) for fold in range(folds)]
    logarithms: list[Tensor] = []
    for fold, x in _by_fold(pictures, folds):
        of_layers = _distances(without[fold], x)
        logarithms.append(
            torch.stack([torch.stack([of.amax(dim=1), of.mean(dim=1)], dim=1) for of in of_layers], dim=1)
            .log()
            .double()
        )
    centre, spread = usual(torch.cat(logarithms))  # (parts, l, 2)
    return LayerSpaces(spaces(range(folds)), centre.float(), spread.float())


def _distances(spaces: Sequence[CellSpaces], x: Tensor) -> list[Tensor]:
    """D²/k of every cell by each layer, (n, cells) each."""
    parts = torch.split(x, [space.mean.shape[1] for space in spaces], dim=2)
    return [space.distances(part).clamp(min=LEAST) for space, part in zip(spaces, parts, strict=True)]


def _by_fold(pictures: Callable[[], Iterable[Tensor]], folds: int) -> Iterable[tuple[int, Tensor]]:
    """The pictures of each batch by their fold: by turns, as they come."""
    seen = 0
    for some in pictures():
        of_each = (np.arange(len(some)) + seen) % folds
        for fold in np.unique(of_each).tolist():
            yield fold, some[np.flatnonzero(of_each == fold)].cpu()
        seen += len(some)
