"""How far a training is, and what it takes to go on from there: weights, optimiser, random numbers, history."""

from __future__ import annotations

import json
import random
import shutil
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from kenpin.errors import RunError
from kenpin.files import sync, sync_folder
from kenpin.models.checkpoints import (
    STATE,
    checkpoint_folder,
    half_written,
    load_learned,
    save_learned,
    whole_checkpoints,
)
from kenpin.training.processes import Processes
from kenpin.training.sharding import OPTIMISER, Sharded, divide_states, read_optimiser, write_optimiser
from kenpin.training.step import GradientStep

VERSION = 2
"""Of what a checkpoint holds besides the weights; the first was that of transformers' Trainer."""
_OPTIMISER = "optimiser.pt"


@dataclass
class TrainingState:
    """How far a training is; what a checkpoint's JSON file holds."""

    global_step: int = 0
    """Steps that were taken."""
    changes: int = 0
    """Steps that changed the weights: the learning rate follows its course by these."""
    epoch: float = 0.0
    best_metric: float | None = None
    """The least validation loss."""
    best_global_step: int | None = None
    evaluations_since_best: int = 0
    log_history: list[dict[str, float]] = field(default_factory=list)
    """Rows of metrics.jsonl."""

    def compare(self, loss: float) -> bool:
        """Note the loss of an evaluation; whether it is the least so far."""
        is_best = loss < (float("inf") if self.best_metric is None else self.best_metric)
        if is_best:
            self.best_metric, self.best_global_step = loss, self.global_step
        self.evaluations_since_best = 0 if is_best else self.evaluations_since_best + 1
        return is_best

    def log(self, **values: float) -> dict[str, float]:
        """Add a row to the history, and return it."""
        row = {**values, "epoch": self.epoch, "step": self.global_step}
        self.log_history.append(row)
        return row


def save_training(
    folder: Path, module: nn.Module, step: GradientStep, state: TrainingState, processes: Processes
) -> None:
    """Write a checkpoint, by the main process but for what the others alone have: their random numbers, and their
    shards of the optimiser's states. It gets its name when all of it is on the disk.

    module: whole.
    """
    partial = half_written(folder)
    if processes.is_main:
        shutil.rmtree(partial, ignore_errors=True)
        save_learned(module, partial)
        if not step.is_sharded:
            save_optimiser(partial, step)
    processes.wait()
    if step.is_sharded:
        write_optimiser(partial, step.module, step.optimiser)
    save_random(partial, processes.rank, processes.device)
    processes.wait()
    if processes.is_main:
        write_state(partial, state)
        sync(partial)
        partial.rename(folder)
        sync_folder(folder.parent)
    processes.wait()  # until it is there for all


def read_state(checkpoint: Path) -> TrainingState:
    """What `write_state` wrote. Raises RunError for a checkpoint that cannot be gone on from."""
    state = json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    if state.pop("schema_version", None) != VERSION or state.keys() != {item.name for item in fields(TrainingState)}:
        raise RunError(
            f"{checkpoint}: is of another version of kenpin, which this one cannot continue; start the run again with "
            "--overwrite, or use the checkpoint as it is with --checkpoint."
        )
    return TrainingState(**state)


def write_state(folder: Path, state: TrainingState) -> None:
    """Write how far the training is."""
    text = json.dumps({"schema_version": VERSION, **vars(state)})
    (folder / STATE).write_text(text + "\n", encoding="utf-8")


def save_optimiser(folder: Path, step: GradientStep) -> None:
    """Write what the optimiser remembers of earlier gradients."""
    state = {"optimiser": step.optimiser.state_dict(), "scaler": step.scaler.state_dict()}
    torch.save(state, folder / _OPTIMISER)


def save_random(folder: Path, rank: int, device: torch.device) -> None:
    """Write the state of every source of random numbers of one process."""
    numpy: Any = np.random.get_state(legacy=False)
    numpy["state"]["key"] = numpy["state"]["key"].tolist()
    states = {"python": random.getstate(), "numpy": numpy, "torch": torch.get_rng_state()}
    if device.type == "cuda":
        states["cuda"] = torch.cuda.get_rng_state(device)
    torch.save(states, _random_file(folder, rank))


def load_training(checkpoint: Path, module: nn.Module, step: GradientStep, sharded: Sharded | None = None) -> None:
    """Put weights and optimiser back, whether they were or are in shards. Raises RunError where they are not the
    module's."""
    if sharded is None:
        load_learned(module, checkpoint)
    else:
        sharded.load(checkpoint)
    if (checkpoint / OPTIMISER).is_dir():
        read_optimiser(checkpoint, step.module, step.optimiser)
        return
    device = next(step.module.parameters()).device
    state = torch.load(checkpoint / _OPTIMISER, map_location=device, weights_only=True)
    step.optimiser.load_state_dict(state["optimiser"])
    divide_states(step.optimiser)
    step.scaler.load_state_dict(state["scaler"])


def load_random(checkpoint: Path, rank: int, device: torch.device) -> None:
    """Take up the random numbers where `save_random` found them: those of the main process where there were fewer
    processes. Raises RunError."""
    file = _random_file(checkpoint, rank)
    if not file.is_file():
        file = _random_file(checkpoint, 0)
    if not file.is_file():
        raise RunError(f"{file}: is missing; start the run again, or use the checkpoint as it is with --checkpoint.")
    states = torch.load(file, map_location="cpu", weights_only=True)
    random.setstate(states["python"])
    numpy = states["numpy"]
    numpy["state"]["key"] = np.array(numpy["state"]["key"], np.uint32)
    np.random.set_state(numpy)
    torch.set_rng_state(states["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(states["cuda"], device)


def _random_file(folder: Path, rank: int) -> Path:
    return folder / f"random-{rank}.pt"


def rotate(folder: Path, limit: int | None, best_step: int | None) -> None:
    """Remove the oldest checkpoints but for `limit`, never the newest or the best."""
    steps = sorted(whole_checkpoints(folder))
    if limit is None or len(steps) <= limit:
        return
    needed = {steps[-1], best_step}
    for step in [step for step in steps if step not in needed][: len(steps) - max(limit, len(needed & set(steps)))]:
        remove_checkpoint(checkpoint_folder(folder, step))


def remove_checkpoint(folder: Path) -> None:
    """Remove a checkpoint, which is never there by half under its name."""
    shutil.rmtree(folder.rename(half_written(folder)))
