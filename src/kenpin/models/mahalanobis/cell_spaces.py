"""Unit spaces of cells: mean, scale and correlation of a cell's features on good parts, and D²/k from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from kenpin.errors import UnitSpaceError
from kenpin.plural import counted
from kenpin.taguchi import PairMoments, parts_needed
from kenpin.taguchi.unit_space import Ridge

SCALE_FLOOR = 0.1
"""Least scale of an item at a cell, as a share of its usual scale: where all good parts are alike (a black margin), the
least noise would else be infinitely far."""
_TOGETHER = 64  # cells whose matrices are inverted together


@dataclass(frozen=True)
class CellSpaces:
    """A unit space of k items for each of p cells, or a single one (p = 1): fitted in float64, kept in float32.

    D²/k of a cell with items x is ‖whitening (x − mean)‖² / k, the same number as that of
    `kenpin.taguchi.UnitSpace`, whose mean over the good parts is 1: with z = (x − mean) / scale and R_ridge = L Lᵀ the
    whitening is L⁻¹ diag(1 / scale), scaled so.
    """

    mean: Tensor
    """(p, k)."""
    whitening: Tensor
    """(p, k, k), lower triangles."""
    ridge: Tensor
    """(p,), the shares of the identity in the correlation matrices."""
    parts: int
    """Number of good parts that it was fitted to."""

    def distances(self, x: Tensor) -> Tensor:
        """D²/k of every cell. x: (n, cells, k) -> (n, cells)."""
        return self.whitened(x).square().mean(dim=2)

    def whitened(self, x: Tensor) -> Tensor:
        """Items whose mean over the good parts is 0, and their covariance the identity but for the ridge. x:
        (n, cells, k) -> the same shape."""
        n, cells, k = x.shape
        if len(self.mean) == 1:
            return ((x.reshape(-1, k) - self.mean) @ self.whitening[0].T).view(n, cells, k)
        return torch.bmm((x - self.mean).transpose(0, 1), self.whitening.transpose(1, 2)).transpose(0, 1)

    def to(self, device: torch.device) -> CellSpaces:
        """The spaces on another device."""
        if self.mean.device == device:
            return self
        return CellSpaces(self.mean.to(device), self.whitening.to(device), self.ridge.to(device), self.parts)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays for an `.npz` file; of the triangles only the entries that are not 0."""
        rows, columns = np.tril_indices(self.mean.shape[1])
        at_home = self.to(torch.device("cpu"))
        return {
            "mean": at_home.mean.numpy(),
            "whitening": at_home.whitening.numpy()[:, rows, columns],
            "ridge": at_home.ridge.numpy(),
            "parts": np.array(self.parts),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> CellSpaces:
        """The inverse of `to_arrays`."""
        mean, packed = torch.from_numpy(arrays["mean"]), torch.from_numpy(arrays["whitening"])
        cells, k = mean.shape
        rows, columns = torch.tril_indices(k, k)
        whitening = torch.zeros(cells, k, k)
        whitening[:, rows, columns] = packed
        return cls(mean, whitening, torch.from_numpy(arrays["ridge"]), int(arrays["parts"]))


def fit_spaces(pictures: Callable[[], Iterable[Tensor]], *, pooled: bool, ridge: Ridge, apiece: int = 1) -> CellSpaces:
    """Unit spaces of good parts, in two passes over them: means and scales, then correlations of standardised items.

    pictures: at each call yields the same batches, (n, cells, k) float32; memory holds the matrices in float64 and one
    batch. pooled: one space for the patches of all cells; apiece: pictures of each part, its copies included, which
    tell no more of other parts than one does. Raises UnitSpaceError.
    # Defard et al. 2021 (PaDiM) fit a Gaussian at each cell so; ridge: Ledoit & Wolf 2004 on standardised items.
    """
    count, mean, scale = _means_and_scales(samples_of(pictures(), pooled=pooled))
    inverse_scale = _inverse_scale(count, scale, ridge)
    correlation, fourth = _correlations(samples_of(pictures(), pooled=pooled), mean, inverse_scale)
    return _spaces(count, mean, inverse_scale, correlation, fourth, ridge, apiece)


def spaces_of_moments(moments: PairMoments, ridge: Ridge, apiece: int = 1) -> CellSpaces:
    """The same spaces from the moments of `samples_of` of all good parts, (cells, k), without the parts. Raises
    UnitSpaceError."""
    count, mean = moments.count, torch.from_numpy(moments.mean)
    scatter = torch.from_numpy(moments.scatter)
    scale = (scatter.diagonal(dim1=1, dim2=2).clamp(min=0) / (count - 1)).sqrt()
    inverse_scale = _inverse_scale(count, scale, ridge)
    correlation = scatter * inverse_scale[:, :, None] * inverse_scale[:, None, :] / count
    fourth = torch.from_numpy(moments.sum_of_fourth_powers(inverse_scale.numpy())) / count
    return _spaces(count, mean, inverse_scale, correlation, fourth, ridge, apiece)


def samples_of(pictures: Iterable[Tensor], *, pooled: bool) -> Iterator[Tensor]:
    """(n, cells, k) in float64, or where the cells are pooled (n · cells, 1, k)."""
    for some in pictures:
        x = some.double()
        yield x.reshape(-1, 1, x.shape[2]) if pooled else x


def _inverse_scale(count: int, scale: Tensor, ridge: Ridge) -> Tensor:
    """What items are multiplied with, (cells, k), 0 where they are left out. Raises UnitSpaceError for too few."""
    k = scale.shape[1]
    if ridge == 0 and count < (needed := parts_needed(k, ridge)):
        raise UnitSpaceError(
            f"unit space: {counted(count, 'good part')} for {counted(k, 'item')} in each cell; at least {needed} are "
            "needed. Add good parts, set a ridge, or take fewer items."
        )
    floor = SCALE_FLOOR * scale.square().mean(dim=0).sqrt()
    # an item that is constant over all good parts has no scale to measure a distance in: it is left out
    return torch.where(floor > 0, 1 / torch.maximum(scale, floor), 0.0)


def _spaces(
    count: int, mean: Tensor, inverse_scale: Tensor, correlation: Tensor, fourth: Tensor, ridge: Ridge, apiece: int
) -> CellSpaces:
    """The spaces. correlation: the mean of z zᵀ, (cells, k, k), which is overwritten; fourth: of ‖z‖⁴, (cells,)."""
    if ridge == "ledoit-wolf":
        shares = _shrinkage(correlation, fourth, count / apiece)
    else:
        shares = torch.full((len(mean),), float(ridge), dtype=torch.float64)
    correlation *= count / (count - 1)
    correlation.diagonal(dim1=1, dim2=2).fill_(1)  # the floor's addition to a scale counts as the item's own noise
    return CellSpaces(mean.float(), _whitening(correlation, shares, inverse_scale, count), shares.float(), count)


def _means_and_scales(samples: Iterable[Tensor]) -> tuple[int, Tensor, Tensor]:
    """Number of samples, means and scales (cells, k) each."""
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for x in samples:
        if not torch.isfinite(x).all():
            raise UnitSpaceError("unit space: the network gave numbers that are not finite; take another base.")
        count, total, squares = count + len(x), total + x.sum(dim=0), squares + x.square().sum(dim=0)
    mean = total / count
    return count, mean, ((squares - count * mean.square()).clamp(min=0) / (count - 1)).sqrt()


def _correlations(samples: Iterable[Tensor], mean: Tensor, inverse_scale: Tensor) -> tuple[Tensor, Tensor]:
    """Mean of z zᵀ, (cells, k, k), and of ‖z‖⁴, (cells,)."""
    count, correlation, fourth = 0, mean.new_zeros(*mean.shape, mean.shape[1]), mean.new_zeros(len(mean))
    for x in samples:
        z = ((x - mean) * inverse_scale).transpose(0, 1)
        correlation.baddbmm_(z.mT, z)
        fourth += z.square().sum(dim=2).square().sum(dim=1)
        count += len(x)
    return correlation / count, fourth / count


def _shrinkage(correlation: Tensor, fourth: Tensor, count: float) -> Tensor:
    """Share of the identity in each matrix that has the least expected error. -> (cells,).

    # Ledoit & Wolf 2004, with their μ from the data, as in scikit-learn's ledoit_wolf_shrinkage.
    """
    k = correlation.shape[1]
    squared = correlation.square().sum(dim=(1, 2))
    trace = correlation.diagonal(dim1=1, dim2=2).sum(dim=1)
    spread = squared - trace.square() / k
    noise = torch.minimum((fourth - squared) / count, spread)
    return torch.where(spread > 0, noise / spread, 1.0).clamp(0, 1)


def _whitening(correlation: Tensor, ridge: Tensor, inverse_scale: Tensor, count: int) -> Tensor:
    """L⁻¹ diag(1 / scale) of each cell, scaled to a mean D²/k of 1 over `count` good parts, float32.

    Raises UnitSpaceError.
    """
    identity = torch.eye(correlation.shape[1], dtype=correlation.dtype)
    whitening = torch.empty(correlation.shape)
    for start in range(0, len(correlation), _TOGETHER):
        some = slice(start, start + _TOGETHER)
        share = ridge[some, None, None]
        factor, failed = torch.linalg.cholesky_ex((1 - share) * correlation[some] + share * identity)
        if failed.any() or (factor.diagonal(dim1=1, dim2=2).amin() < 1e-6):
            raise UnitSpaceError(
                "unit space: the items of a cell are collinear; set a ridge above 0 or take fewer items."
            )
        inverse = torch.linalg.solve_triangular(factor, identity.expand_as(factor), upper=False)
        # the mean of zᵀ P z / k is the trace of P R / k, with R as the mean over n parts and not n - 1
        mean = ((inverse @ correlation[some]) * inverse).mean(dim=2).sum(dim=1) * (count - 1) / count
        whitening[some] = inverse * inverse_scale[some, None, :] / mean.sqrt()[:, None, None]
    return whitening
