"""Batches that hold several pictures of each of several classes, so that there are pairs to learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def mixed_order(labels: Sequence[str], per_class: int | None, seed: int, epoch: int) -> list[int]:
    """Indices of as many pictures as there are, in runs of `per_class` of one class; each class comes once before any
    comes again. None: all pictures once, in any order.

    Sampled from (seed, epoch) alone, so that a resumed training and other processes read the same. Classes come equally
    often: pictures of a small class repeat, some of a large class wait for another epoch.
    """
    rng = np.random.default_rng((seed, epoch))
    count = len(labels)
    if per_class is None:
        return [int(index) for index in rng.permutation(count)]
    names, numbers = np.unique(np.asarray(labels), return_inverse=True)
    runs = -(-count // per_class)
    classes = np.concatenate([rng.permutation(len(names)) for _ in range(-(-runs // len(names)))])[:runs]
    order = np.empty((runs, per_class), np.int64)
    for number in range(len(names)):
        own = np.flatnonzero(numbers == number)
        at = np.flatnonzero(classes == number)
        rounds = -(-at.size * per_class // own.size)
        sampled = np.concatenate([rng.permutation(own) for _ in range(rounds)] or [own])
        order[at] = sampled[: at.size * per_class].reshape(-1, per_class)
    return [int(index) for index in order.ravel()[:count]]


def alone(numbers: Tensor, classes: Sequence[int]) -> Tensor:
    """Class numbers, (n,) int64, with each picture of these classes in a class of its own: no picture is pulled to it,
    and all others are pushed away."""
    if not classes:
        return numbers
    own = numbers.max() + 1 + torch.arange(len(numbers), device=numbers.device)
    return torch.where(torch.isin(numbers, numbers.new_tensor(classes)), own, numbers)
