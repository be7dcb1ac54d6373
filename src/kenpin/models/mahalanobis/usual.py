"""How far good parts usually lie by one measure and another, so that several can be compared."""

from __future__ import annotations

import torch
from torch import Tensor

PRESUMED_SPREAD = 0.2
"""Spread of the logarithm of distances that is presumed, with the weight of `_AS_MANY` parts: two or three parts that
happen to be alike would else make all others infinitely far."""
_AS_MANY = 2


def usual(logarithms: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the logarithms of distances of parts, (parts, ...) float64 -> (...) each; of no
    part 0, and the spread that is presumed."""
    count = len(logarithms)
    if not count:
        shape = logarithms.shape[1:]
        return torch.zeros(shape, dtype=torch.float64), torch.full(shape, PRESUMED_SPREAD, dtype=torch.float64)
    centre = logarithms.mean(dim=0)
    squares = (logarithms - centre).square().sum(dim=0) + _AS_MANY * PRESUMED_SPREAD**2
    return centre, (squares / (count - 1 + _AS_MANY)).sqrt()
