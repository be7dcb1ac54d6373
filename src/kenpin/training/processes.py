"""The processes of one training: the main one writes and speaks, all of them learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor
from torch.distributed import Store  # type: ignore[attr-defined]

from kenpin.errors import OptionError
from kenpin.plural import counted
from kenpin.predictor import best_device

_PATIENCE = timedelta(days=1)
"""How long one process waits for another: the main one scores and writes alone, and whoever dies is noticed anyhow."""


@dataclass(frozen=True)
class Processes:
    """This process among those of the training."""

    device: torch.device
    rank: int = 0
    """Which of them this is, from 0."""
    world_size: int = 1
    """How many there are."""
    per_machine: int = 1
    """How many of them are on each machine."""

    @property
    def is_main(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def shards(self) -> int:
        """Into how many a network is divided: those of a machine, or all where each machine has one."""
        return self.world_size if self.per_machine == 1 or self.world_size % self.per_machine else self.per_machine

    def total(self, values: Tensor) -> Tensor:
        """The sum of what each process gives, on the CPU where there are several."""
        if self.world_size > 1:
            values = values.detach().cpu().clone()
            torch.distributed.all_reduce(values)
        return values

    def largest(self, count: int) -> int:
        """The largest of the numbers that the processes give."""
        if self.world_size == 1:
            return count
        values = torch.tensor(count)
        torch.distributed.all_reduce(values, torch.distributed.ReduceOp.MAX)
        return int(values)

    def wait(self) -> None:
        """Go on when all processes have come here."""
        # on the CPU: a barrier of a GPU's library keeps the GPU busy
        self.total(torch.zeros(()))

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process does what is within first, the others after it."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def draw_as_main(self) -> None:
        """Take up the random numbers of the main process, which may have drawn some alone."""
        if self.world_size == 1:
            return
        state = torch.get_rng_state()
        torch.distributed.broadcast(state, 0)
        torch.set_rng_state(state)
        if self.device.type == "cuda":
            state = torch.cuda.get_rng_state(self.device)
            torch.distributed.broadcast(state, 0)
            torch.cuda.set_rng_state(state, self.device)

    def leave(self) -> None:
        """Leave the others, when nothing more is learned together. A process that ends without it may be aborted while
        its threads still listen, and its launcher then ends them all, the main process among them."""
        if self.world_size > 1 and torch.distributed.is_initialized():
            self.wait()
            torch.distributed.destroy_process_group()


def started_by_launcher() -> int:
    """How many processes a launcher such as torchrun has started, this one among them; 1 without any."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_main_process() -> bool:
    """Whether this process is the one that writes and prints, before it joins the others."""
    return os.environ.get("RANK", "0") == "0"


def take_own_gpu() -> None:
    """Let a process of a launcher load networks onto its own GPU."""
    rank = int(os.environ.get("LOCAL_RANK", "0"))
    if started_by_launcher() > 1 and rank < torch.cuda.device_count():
        torch.cuda.set_device(rank)


def device_for(wanted: str | None, local_rank: int, world_size: int) -> torch.device:
    """The device of one of several processes of a machine: a GPU of its own, or the CPU. Raises OptionError,
    RunError."""
    device: torch.device = best_device(wanted)
    if world_size == 1 or device.type != "cuda":
        return device
    if wanted is not None and ":" in wanted:
        raise OptionError(
            f"option `device`: {wanted} is one GPU, and each of {world_size} processes takes one of its own; give "
            "cuda, or cpu."
        )
    if local_rank >= (there := torch.cuda.device_count()):
        raise OptionError(
            f"option `processes`: this machine has {counted(there, 'GPU')}, and each process takes one of its own; "
            f"start {there} here, or take --device cpu."
        )
    return torch.device("cuda", local_rank)


def join(device: torch.device, rank: int, world_size: int, store: Store | None = None) -> Processes:
    """Join the others, who exchange numbers of the CPU by gloo and those of GPUs by NCCL.

    store: where they find one another; None: where the launcher's environment says.
    """
    backend = "gloo" if device.type == "cpu" else "cpu:gloo,cuda:nccl"
    if device.type == "cuda":
        torch.cuda.set_device(device)
    torch.distributed.init_process_group(backend, store=store, rank=rank, world_size=world_size, timeout=_PATIENCE)
    return Processes(device, rank, world_size, int(os.environ.get("LOCAL_WORLD_SIZE", "1")))
