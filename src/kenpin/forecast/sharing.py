"""What each of several processes of a training holds, and how long they take to exchange what they found."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn

from kenpin.training.capacity import Held
from kenpin.training.sharding import blocks_of

GIB_A_SECOND = {"cpu": 1.0, "cuda": 20.0}
"""Assumed between two processes of a machine, both ways at once: memory shared by gloo; PCIe 4 with sixteen lanes."""
_AT_ONCE = 2
"""Layers that are there as a whole: the one that computes, and the next one, which is fetched meanwhile."""


@dataclass(frozen=True)
class Sharing:
    """How many processes share the work, and whether they share what it takes, too."""

    processes: int
    shard: bool

    def pictures(self, batch: int) -> int:
        """Of a batch, the most that one process computes."""
        return -(-batch // self.processes)

    def held(self, whole: Held) -> Held:
        """What one process holds of weights, gradients and optimiser states."""
        return whole.divided(self.processes) if self.shard else whole

    def gathered_bytes(self, module: nn.Module) -> int:
        """Weights of others, and gradients for them, at the moment when most are there."""
        if not self.shard:
            return 0
        blocks = blocks_of(module)
        inner = {id(weight): weight for block in blocks for weight in block.parameters()}
        rest = sum(_with_gradient(weight) for weight in module.parameters() if id(weight) not in inner)
        largest = max((sum(map(_with_gradient, block.parameters())) for block in blocks), default=0)
        return (rest + _AT_ONCE * largest) * (self.processes - 1) // self.processes

    def exchanged_bytes(self, whole: Held) -> int:
        """Bytes that each process sends for a step.

        A ring of n sends (n - 1)/n of a tensor to gather it from n shards or to scatter its sum to them, and twice as
        much to hand the sum to all.
        # Patarasuk & Yuan 2009, Bandwidth optimal all-reduce algorithms for clusters of workstations
        """
        once = 2 * whole.weights_bytes + whole.gradients_bytes if self.shard else 2 * whole.gradients_bytes
        return once * (self.processes - 1) // self.processes

    def exchange_seconds(self, whole: Held, device: str) -> float:
        """Of a step, where nothing is computed meanwhile. device: the type of the processes' devices."""
        return self.exchanged_bytes(whole) / (GIB_A_SECOND.get(device, 1.0) * 2**30)


def _with_gradient(weight: nn.Parameter) -> int:
    return weight.nbytes * (2 if weight.requires_grad else 1)
