"""Checkpoints: what has been learned so far, under the network's own names, and which of them are whole."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kenpin.errors import RunError

CHECKPOINTS = "checkpoints"
"""Folder of the checkpoints, below the run's."""
_LEARNED = "learned.safetensors"


def save_learned(module: nn.Module, folder: Path) -> None:
    """Write every tensor that training changes: trainable parameters and running statistics."""
    folder.mkdir(parents=True, exist_ok=True)
    # contiguous: safetensors refuses other memory layouts, and convolutions may have one
    save_file({name: value.contiguous() for name, value in _learned(module).items()}, folder / _LEARNED)


def load_learned(module: nn.Module, folder: Path) -> None:
    """Put the tensors that `save_learned` wrote back in place. Raises RunError where they are not the module's.

    The Trainer's own way saves a network's published names and loads them leniently under its internal ones: where
    the two differ, as in ViT, it changes nothing and says nothing.
    """
    saved, own = load_file(folder / _LEARNED), _learned(module)
    if saved.keys() != own.keys():
        wrong = sorted(saved.keys() ^ own.keys())
        raise RunError(f"{folder}: does not fit the network, first at {wrong[0]}; start the run anew.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(saved[name])


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below `folder`; those that were being written or deleted when the run died are
    removed. None where there is none."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=lambda path: int(path.name.rpartition("-")[2]), default=None)


def _learned(module: nn.Module) -> dict[str, Tensor]:
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return parameters | dict(module.named_buffers())


def _is_whole(checkpoint: Path) -> bool:
    # the trainer writes its state after everything else; half-deleted ones may have kept it
    needed = (_LEARNED, "optimizer.pt", "scheduler.pt")
    try:
        json.loads((checkpoint / "trainer_state.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    # of several processes each leaves its own random state
    return all((checkpoint / name).is_file() for name in needed) and any(checkpoint.glob("rng_state*.pth"))
