"""Reproducible random numbers from a seed, without a change to the global generator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Torch's CPU generator starts from `seed` in the context, and has its former state afterwards."""
    # without an accelerator, torch keeps each seed with its call stack for one that might be there later
    seed_all = torch.manual_seed if torch.accelerator.is_available() else torch.default_generator.manual_seed
    with torch.random.fork_rng(devices=[]):
        seed_all(seed)
        yield
