"""What an inspector offers where several processes compute its batches in parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from torch import Tensor

from kenpin.models.contract import Batch, Sampled, Trainable

Gather = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""Embeddings (n, d) and class numbers (n,) of a part of a batch -> those of the whole batch."""


@runtime_checkable
class Compares(Sampled, Protocol):
    """An inspector that can compare the pictures of a batch with those that other processes compute."""

    def compare_over(self, gather: Gather | None) -> None:
        """From now on compare all that `gather` brings together; None: what is in the batch."""


@runtime_checkable
class Padded(Trainable, Protocol):
    """An inspector whose targets are rows of tokens, as long as the longest of the batch."""

    def padded(self, batch: Batch, length: int) -> Batch:
        """The batch with its `labels`, and what goes with them, as long, by entries that count for nothing."""
