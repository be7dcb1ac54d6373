"""Several processes of one training, as `accelerate launch` starts them: the main one writes, all of them learn."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kenpin.predictor import best_device


@dataclass(frozen=True)
class Processes:
    """This process among those of the training."""

    device: torch.device
    is_main: bool = True
    _state: Any = None

    @property
    def world_size(self) -> int:
        """How many processes there are."""
        return 1 if self._state is None else int(self._state.num_processes)

    @property
    def rank(self) -> int:
        """Which of them this is, from 0."""
        return 0 if self._state is None else int(self._state.process_index)

    def total(self, values: Tensor) -> Tensor:
        """The sum of what each process gives."""
        if self.world_size > 1:
            values = values.to(self.device)
            torch.distributed.all_reduce(values)
        return values

    def wait(self) -> None:
        """Go on when all processes have come here."""
        if self._state is not None:
            self._state.wait_for_everyone()

    @contextmanager
    def main_first(self) -> Iterator[None]:
        """The main process does what is within first, the others after it."""
        if not self.is_main:
            self.wait()
        yield
        if self.is_main:
            self.wait()

    def leave(self) -> None:
        """Leave the others, when nothing more is learned together. A process that ends without it may be aborted while
        its threads still listen, and its launcher then ends them all, the main process among them."""
        if self._state is not None:
            from accelerate.state import AcceleratorState

            self._state.destroy_process_group()
            AcceleratorState._reset_state(reset_partial_state=True)


def is_main_process() -> bool:
    """Whether this process is the one that writes and prints, before any state of accelerate is made."""
    return os.environ.get("RANK", "0") == "0"


def join_processes(device: str | None) -> Processes:
    """The processes there are, each with its own GPU. Raises RunError."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return Processes(best_device(device))
    from accelerate import PartialState

    state = PartialState(cpu=best_device(device).type == "cpu")
    return Processes(state.device, is_main_process(), state)
