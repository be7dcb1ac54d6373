"""The device that an inspector's network is on: batches brought there, and as many pictures at a time as have room."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from typing import TypeVar

import torch
from torch import Tensor

from kenpin.errors import RunError
from kenpin.models.contract import Batch, Inspector
from kenpin.plural import counted

Outputs = TypeVar("Outputs")


def on_device(inspector: Inspector, batch: Mapping[str, Tensor]) -> Batch:
    """The batch where the inspector's module is."""
    device = device_of(inspector)
    return {name: values.to(device) for name, values in batch.items()}


def device_of(inspector: Inspector) -> torch.device:
    """Where the inspector's module is; the CPU, where it has no weights."""
    return next((weights.device for weights in inspector.module.parameters()), torch.device("cpu"))


class Room:
    """How many pictures at a time a device has room for: as many as come together, until it was too full once."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector, self._most = inspector, sys.maxsize

    def compute(self, work: Callable[[Batch], Outputs], batch: Batch, count: int) -> Iterator[tuple[slice, Outputs]]:
        """What `work` makes of a batch of `count` pictures on the CPU: of one part after the other, all of it at once
        where there is room. Raises RunError where there is none for the least part."""
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
