"""What several processes drop at random, and drop again where layers are computed again."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers.modeling_layers import GradientCheckpointingLayer

from kenpin.training.batches import BatchShare
from kenpin.training.step import recomputing
from kenpin.training.whole_batch import WholeBatch


class _Dropping(GradientCheckpointingLayer):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 5)

    def forward(self, x: Tensor) -> Tensor:
        return functional.dropout(self.linear(x), 0.5).tanh()


def _gradients(shares: list[BatchShare], ranks: int, *, recompute: bool) -> Tensor:
    """Of all shares of one batch together, each computed as its process does."""
    torch.manual_seed(0)
    network, x = nn.Sequential(_Dropping(), _Dropping()), torch.randn(6, 5)
    processes: Any = SimpleNamespace(world_size=ranks)
    whole = WholeBatch(SimpleNamespace(module=network), processes)
    for share in shares:
        torch.manual_seed(1)  # processes have the same random numbers
        rows = x[share.begin : share.end]
        if recompute:
            with recomputing(network, whole.drawing), whole.share(share):
                network(rows).square().sum().backward()
        else:
            with whole.share(share):
                network(rows).square().sum().backward()
    return torch.cat([parameter.grad.flatten() for parameter in network.parameters() if parameter.grad is not None])


@pytest.mark.parametrize("recompute", [False, True])
def test_processes_together_drop_what_one_drops_computed_again_or_not(recompute: bool) -> None:
    alone = _gradients([BatchShare(0, 6, 6)], 1, recompute=False)
    together = _gradients([BatchShare(0, 2, 6), BatchShare(2, 6, 6)], 2, recompute=recompute)
    torch.testing.assert_close(together, alone)
