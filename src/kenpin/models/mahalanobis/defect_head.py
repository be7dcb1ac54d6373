"""A small head on the cells of a map, which has learned what known defects look like and weighs the distance by it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from kenpin.models.mahalanobis.cell_spaces import SCALE_FLOOR
from kenpin.models.mahalanobis.tensor_record import TensorRecord

_HIDDEN = 32
_STEPS, _RATE, _DECAY = 300, 1e-2, 1e-4
_GOOD_AT_ONCE, _BAD_AT_ONCE = 512, 256
_GOOD_CELLS = 20_000
"""Cells of good parts that it learns from, at most, as many of each picture."""
_USUAL_SPREAD, _AS_MANY = 1.0, 2
"""Spread of the highest logit that is presumed, with the weight of so many parts."""
_LEAST = 1e-12  # distances whose logarithm is taken
_MOST = 4.0
"""Logarithm of the largest factor, and of the inverse of the smallest: a cell unlike anything that was learned from is
judged by its distance."""


@dataclass(frozen=True)
class DefectHead(TensorRecord):
    """Two layers of 1 × 1 on standardised items: how like a known defect a cell is, and unlike good parts.

    The distance of a cell is multiplied by exp(weight · (logit − usual)), which is 1 where a cell is as suspect as the
    most suspect cell of a good part usually is. By the weight one spread of that logit over good parts counts as much
    as one spread of the logarithm of their farthest distance.

    # Rolih et al. 2024 (SuperSimpleNet), sec. III: a head of two 1 × 1 layers on the features of cells
    """

    inverse_scale: Tensor
    """1 / standard deviation of these, 0 of an item that does not vary, (k,)."""
    hidden: Tensor
    """Weights of the first layer, (h, k)."""
    hidden_bias: Tensor
    """(h,)."""
    last: Tensor
    """Weights of the second layer, (h,)."""
    usual: Tensor
    """Mean over good parts of their highest logit, without dimension."""
    weight: Tensor
    """Spread of the logarithm of good parts' farthest distance by that of their highest logit, without dimension."""

    def logits(self, x: Tensor) -> Tensor:
        """How like a known defect each cell is. x: (n, cells, k) -> (n, cells)."""
        standard = (x - self.mean) * self.inverse_scale
        # a sum, not a product with a vector: OpenVINO (2026) breaks on that once it joins the weight to it
        return (torch.relu(standard @ self.hidden.T + self.hidden_bias) * self.last).sum(dim=2)

    def weighed(self, x: Tensor, distances: Tensor) -> Tensor:
        """The distances, each multiplied by its cell's factor. x: (n, cells, k); distances: (n, cells)."""
        return distances * (self.weight * (self.logits(x) - self.usual)).clamp(-_MOST, _MOST).exp()

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Self:
        """The inverse of `to_arrays`. Raises KeyError, ValueError."""
        found = super().from_arrays(arrays)
        (h, k) = found.hidden.shape
        shapes = (found.mean.shape, found.inverse_scale.shape, found.hidden_bias.shape, found.last.shape)
        if shapes != ((k,), (k,), (h,), (h,)) or found.usual.ndim or found.weight.ndim:
            raise ValueError("the layers of the head do not fit together")
        return found


def fit_head(
    pictures: Callable[[], Iterable[Tensor]],
    count: int,
    defective: Sequence[Tensor],
    distances: Callable[[Tensor], Tensor],
    *,
    seed: int,
) -> DefectHead:
    """A head that tells cells of defects from those of good parts, in two passes over the good parts.

    pictures: at each call yields the same batches of good parts, (n, cells, k) float32, of `count` pictures; defective:
    cells of each known defect, (m, k) each, every defect counting alike; distances: of every cell by the unit spaces,
    (n, cells, k) -> (n, cells), for good parts that they were not fitted to as for others.
    """
    draw = torch.Generator().manual_seed(seed)
    taken = max(1, math.ceil(_GOOD_CELLS / count))
    chosen: list[Tensor] = []
    for some in pictures():
        chosen += [picture[torch.randperm(len(picture), generator=draw)[:taken]] for picture in some.cpu()]
    good = torch.cat(chosen)
    scale = good.double().std(dim=0)
    floor = SCALE_FLOOR * scale.square().mean().sqrt()
    inverse_scale = torch.where(scale > 0, 1 / torch.maximum(scale, floor), 0.0).float()
    mean = good.double().mean(dim=0).float()
    bad = torch.cat([cells.cpu() for cells in defective])
    share_of_each = torch.cat([torch.full((len(cells),), 1 / len(cells)) for cells in defective])
    layers = _learned((good - mean) * inverse_scale, (bad - mean) * inverse_scale, share_of_each, draw)
    none = torch.zeros(())
    head = DefectHead(mean, inverse_scale, *layers, usual=none, weight=none)
    highest, farthest = [], []
    for some in pictures():
        x = some.cpu()
        highest.append(head.logits(x).amax(dim=1))
        farthest.append(distances(x).cpu().amax(dim=1).clamp(min=_LEAST).log())
    logits, logs = torch.cat(highest).double(), torch.cat(farthest).double()
    weight = torch.tensor(_spread(logs) / _spread(logits, _USUAL_SPREAD))
    return DefectHead(mean, inverse_scale, *layers, usual=logits.mean().float(), weight=weight)


def _spread(values: Tensor, presumed: float = 0.0) -> float:
    """Standard deviation, by these and, where a spread is presumed, by so many that have it. (n,) -> number."""
    as_many = _AS_MANY if presumed else 0
    squares = float((values - values.mean()).square().sum()) + as_many * presumed**2
    return math.sqrt(squares / max(1, len(values) - 1 + as_many))


def _learned(good: Tensor, bad: Tensor, share_of_each: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Weights and bias of the first layer, and weights of the second, of standardised cells. good: (m, k); bad: (b, k),
    of which each is drawn by its share."""
    k = good.shape[1]
    hidden = (torch.randn(_HIDDEN, k, generator=draw) / math.sqrt(3 * k)).requires_grad_()
    last = (torch.randn(_HIDDEN, generator=draw) / math.sqrt(3 * _HIDDEN)).requires_grad_()
    bias, shift = torch.zeros(_HIDDEN, requires_grad=True), torch.zeros((), requires_grad=True)
    optimiser = torch.optim.AdamW([hidden, bias, last, shift], lr=_RATE, weight_decay=_DECAY)
    softplus = nn.functional.softplus
    for _ in range(_STEPS):
        some = good[torch.randint(len(good), (_GOOD_AT_ONCE,), generator=draw)]
        others = bad[torch.multinomial(share_of_each, _BAD_AT_ONCE, replacement=True, generator=draw)]
        of_good, of_bad = (torch.relu(x @ hidden.T + bias) @ last + shift for x in (some, others))
        optimiser.zero_grad()
        (softplus(of_good).mean() + softplus(-of_bad).mean()).backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    # `shift` is left: only differences of logits count
    return hidden.detach(), bias.detach(), last.detach()
