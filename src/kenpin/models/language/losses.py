"""Losses of answers: by token, or by example as in the reference."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor
from torch.nn import functional

IGNORED = -100
"""Target where nothing is to be learned: on prompts and on padding."""


def lengthened(batch: Mapping[str, Tensor], length: int) -> dict[str, Tensor]:
    """The batch with its `labels` as long, and whatever has their shape, by entries that count for nothing."""
    labels = batch["labels"]
    missing = (0, length - labels.shape[1])
    return {
        name: functional.pad(rows, missing, value=IGNORED if name == "labels" else 0)
        if rows.shape == labels.shape
        else rows
        for name, rows in batch.items()
    }


def token_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Negative log-likelihood of each target in nats, 0 where it is ignored. (n, t, v), (n, t) -> (n, t) float32."""
    return functional.cross_entropy(logits.float().transpose(1, 2), targets, reduction="none", ignore_index=IGNORED)


def example_losses(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss of each example's targets, 0 where it has none. (n, t, v), (n, t) -> (n,) float32."""
    return token_losses(logits, targets).sum(1) / (targets != IGNORED).sum(1).clamp(min=1)
