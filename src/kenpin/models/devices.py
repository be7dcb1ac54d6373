"""The device of an inspector's network: batches moved to it, and batch sizes that fit its memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import TypeVar

import torch
from threadpoolctl import ThreadpoolController
from torch import Tensor

from kenpin.errors import RunError
from kenpin.models.contract import Batch, Inspector
from kenpin.plural import counted

Outputs = TypeVar("Outputs")
_READERS = 16
"""Threads at most that open and prepare pictures for a GPU."""


def on_device(inspector: Inspector, batch: Mapping[str, Tensor]) -> Batch:
    """The batch on the device of the inspector's module."""
    device = device_of(inspector)
    return {name: values.to(device) for name, values in batch.items()}


def device_of(inspector: Inspector) -> torch.device:
    """The device of the inspector's module; the CPU where it has no weights."""
    return next((weights.device for weights in inspector.module.parameters()), torch.device("cpu"))


def is_far(inspector: Inspector) -> bool:
    """Whether the network computes beside the processor: then many threads open pictures and prepare each as well,
    since a GPU takes them faster than one thread does. On a CPU they would take the network's cores, and to prepare a
    batch at once costs less."""
    return device_of(inspector).type != "cpu"


def reading_threads() -> int:
    """Threads that open and prepare pictures for a GPU."""
    return min(_READERS, os.cpu_count() or 1)


def compute_alone() -> None:
    """Let this thread compute by itself: else each of many readers asks for a thread of every core for each picture's
    arithmetic, and they wait for one another."""
    torch.get_num_threads()  # or PyTorch would set the number itself, at its first work in this thread
    _openmp().limit(limits=1)


@cache
def _openmp() -> ThreadpoolController:
    return ThreadpoolController().select(user_api="openmp")


class Room:
    """How many pictures fit on a device at a time: whole batches, until one did not fit."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector, self._most = inspector, sys.maxsize

    def compute(self, work: Callable[[Batch], Outputs], batch: Batch, count: int) -> Iterator[tuple[slice, Outputs]]:
        """Outputs of `work` for a batch of `count` pictures on the CPU, slice by slice, or at once where it fits.
        Raises RunError where not even the smallest slice fits."""
        begin = 0
        while begin < count:
            part = slice(begin, min(begin + self._most, count))
            outputs = self._tried(work, {name: rows[part] for name, rows in batch.items()})
            if outputs is not None:
                yield part, outputs
                begin = part.stop
                continue
            pictures = part.stop - begin
            # of some chat models a picture is as many rows as it has pieces
            if pictures == 1 or any(len(rows) != count for rows in batch.values()):
                raise RunError(
                    f"{device_of(self._inspector)}: has no room to look at {counted(pictures, 'picture')}; end what "
                    "else is using it, or take --device cpu."
                )
            self._most = pictures // 2

    def _tried(self, work: Callable[[Batch], Outputs], batch: Batch) -> Outputs | None:
        try:
            with torch.inference_mode():
                return work(on_device(self._inspector, batch))
        except torch.OutOfMemoryError:  # what it held is freed once this has returned
            return None
