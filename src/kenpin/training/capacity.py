"""How much memory a run may take, what it surely holds, and which runs are refused for that alone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch
from torch import nn

from kenpin.errors import OptionError
from kenpin.models.bases import Announced

_OPTIMISER_STATES = {"adamw": 2, "sgd": 0}
"""Numbers that an optimiser holds for each trained parameter."""


def size(count: int) -> str:
    """Bytes, for people."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6)):
        if count >= factor:
            return f"{count / factor:.2f} {unit}" if unit == "GB" else f"{count / factor:.0f} {unit}"
    return f"{count / 1e3:.0f} kB"


def room_bytes(device: torch.device) -> int:
    """What this process may hold on a device: what is free there, and what it holds already."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device)
    return min(int(psutil.virtual_memory().available), *_free_in_groups(Path("/"))) + resident_bytes()


def resident_bytes() -> int:
    """Main memory that this process holds."""
    return int(psutil.Process().memory_info().rss)


def _free_in_groups(root: Path) -> Iterator[int]:
    """What the control groups of this process leave it: containers and batch systems set such limits."""
    try:
        groups = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return
    for _, controllers, path in (group.split(":", 2) for group in groups):
        if not controllers:  # the second version of control groups
            top, limit_file, used_file, cache = root / "sys/fs/cgroup", "memory.max", "memory.current", "inactive_file"
        elif "memory" in controllers.split(","):
            top, cache = root / "sys/fs/cgroup/memory", "total_inactive_file"
            limit_file, used_file = "memory.limit_in_bytes", "memory.usage_in_bytes"
        else:
            continue
        own = top / path.lstrip("/")
        for folder in (own, *own.parents):
            if not folder.is_relative_to(top):
                break
            try:
                limit = (folder / limit_file).read_text("utf-8").strip()
                used = int((folder / used_file).read_text("utf-8"))
                counts = dict(line.split() for line in (folder / "memory.stat").read_text("utf-8").splitlines())
            except OSError:  # within a container the host's folders are not there
                continue
            if limit != "max":
                yield int(limit) - used + int(counts.get(cache, 0))  # cached files give way


_DIVIDED = ("weights_bytes", "gradients_bytes", "optimiser_bytes")


@dataclass(frozen=True)
class Held:
    """What a training holds from its first step to its last, counted from shapes."""

    parameters: int
    trainable: int
    weights_bytes: int
    gradients_bytes: int
    optimiser_bytes: int
    largest_bytes: int
    """Of the tensors that train."""

    def divided(self, shards: int) -> Held:
        """What one of several processes holds of it, where it is divided among them."""
        each = {name: -(-getattr(self, name) // shards) for name in _DIVIDED}
        return replace(self, **each)

    @property
    def total_bytes(self) -> int:
        """Weights, gradients and the optimiser's states."""
        return self.weights_bytes + self.gradients_bytes + self.optimiser_bytes


def held(module: nn.Module, optimiser: str | None) -> Held:
    """The exact count for a network as it is about to train; without an optimiser nothing of it trains."""
    trained = [p for p in module.parameters() if p.requires_grad and optimiser is not None]
    gradients_bytes = sum(parameter.nbytes for parameter in trained)
    return Held(
        parameters=sum(parameter.numel() for parameter in module.parameters()),
        trainable=sum(parameter.numel() for parameter in trained),
        weights_bytes=sum(tensor.nbytes for tensor in (*module.parameters(), *module.buffers())),
        gradients_bytes=gradients_bytes,
        optimiser_bytes=0 if optimiser is None else gradients_bytes * _OPTIMISER_STATES[optimiser],
        largest_bytes=max((parameter.nbytes for parameter in trained), default=0),
    )


def refuse_unloadable(announced: Announced | None, room: int | None = None) -> None:
    """Refuse, before it is loaded, a base whose weights alone exceed main memory. announced: None where it says nothing
    of them; room: bytes of main memory, where they are known. Raises OptionError."""
    if announced is None:
        return
    room = room_bytes(torch.device("cpu")) if room is None else room
    if announced.total_bytes > room:
        raise OptionError(
            f"base {announced.base}: its {announced.weights / 1e6:,.0f} million weights alone take "
            f"{size(announced.total_bytes)} and {size(room)} of main memory can be had; take a --base of less than "
            f"{room / announced.bytes_each / 1e6:,.0f} million."
        )


def refuse_unfit(
    module: nn.Module, optimiser: str, device: torch.device, room: int | None = None, shards: int = 1
) -> None:
    """Refuse a training that surely cannot fit: its weights, gradients and optimiser's states alone exceed what there
    is. room: bytes on the device, where they are known; shards: into how many all of it is divided. Raises
    OptionError."""
    surely = held(module, optimiser).divided(shards)
    room = room_bytes(device) if room is None else room
    if surely.total_bytes > room:
        raise OptionError(
            f"weights, gradients and optimiser states alone take {size(surely.total_bytes)} and {device} has room for "
            f"{size(room)}; train less of the network with another --tuning, whose weights take "
            f"{size(surely.weights_bytes)}, or a smaller --base; --dry-run tells what fits."
        )
