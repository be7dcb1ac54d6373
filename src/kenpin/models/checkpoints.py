"""Checkpoints: what has been learned so far, under the network's own names, and which of them are whole."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from kenpin.errors import RunError
from kenpin.files import read_json, write_json
from kenpin.models.contract import BaseRecord, Inspector, Task
from kenpin.run.layout import CHECKPOINTS

OPTIONS = "options.json"
"""File of a run's options, written when it begins."""
_LEARNED = "learned.safetensors"
_STATE = "trainer_state.json"
_BEGUN = "begun.json"


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
        raise RunError(f"{folder}: does not fit the network, first at {wrong[0]}; start the run again.")
    with torch.no_grad():
        for name, value in own.items():
            value.copy_(saved[name])


def take_learned(module: nn.Module, folder: Path) -> None:
    """Put what `save_learned` wrote into a finished run's module, of which nothing trains any more. Raises RunError."""
    try:
        saved = load_file(folder / _LEARNED)
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        with torch.no_grad():
            for name, value in saved.items():
                own[name].copy_(value)
    except (OSError, KeyError, RuntimeError, SafetensorError) as error:
        raise RunError(f"{folder}: does not fit the network of its run; take another checkpoint.") from error


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below `folder`; those that were being written or deleted when the run died are
    removed. None where there is none."""
    whole = []
    for path in folder.glob("checkpoint-*"):
        if _is_whole(path):
            whole.append(path)
        else:
            shutil.rmtree(path)
    return max(whole, key=_step, default=None)


def find_checkpoint(run: Path, wanted: str) -> Path:
    """The checkpoint of a run, finished or not, that is meant by a step, `last`, `best` or its folder.

    Raises RunError where it is not there, with those that are.
    """
    whole = {_step(path): path for path in (run / CHECKPOINTS).glob("checkpoint-*") if _is_readable(path)}
    if not whole:
        raise RunError(
            f"{run}: keeps no checkpoint; a training by gradients leaves some, as many as --save-total-limit says."
        )
    if wanted == "last":
        return whole[max(whole)]
    if wanted == "best":
        step = read_json(whole[max(whole)] / _STATE).get("best_global_step")
    else:
        folder = Path(wanted)
        step = next((n for n, path in whole.items() if wanted in (str(n), path.name) or _same(folder, path)), None)
    if step not in whole:
        kept = ", ".join(map(str, sorted(whole)))
        raise RunError(f"{run}: keeps no checkpoint {wanted}; there are those of steps {kept}, last and best.")
    return whole[step]


@dataclass(frozen=True)
class Begun:
    """What a run that is not finished was begun with."""

    family: str
    options: Mapping[str, Any]
    task: Task
    base: BaseRecord
    image_size_wh: tuple[int, int]


def write_begun(partial: Path, family: str, task: Task, inspector: Inspector) -> None:
    """Keep what it takes, besides the options, to make the inspector that checkpoints are loaded into."""
    told = {"family": family, "task": asdict(task), "base": asdict(inspector.base)}
    write_json(partial / _BEGUN, told | {"image_size_wh": inspector.image_size_wh})


def read_begun(partial: Path, out: Path) -> Begun:
    """What `write_begun` and the training's options say of a run that was to be `out`. Raises RunError."""
    if not (partial / _BEGUN).is_file():
        raise RunError(f"{out}: does not record the options it was started with; continue it with --resume.")
    told, options = read_json(partial / _BEGUN), read_json(partial / OPTIONS)
    options.pop("fingerprint", None)
    task, base = ({name: _frozen(value) for name, value in told[part].items()} for part in ("task", "base"))
    width, height = told["image_size_wh"]
    return Begun(told["family"], options | {"out": str(out)}, Task(**task), BaseRecord(**base), (width, height))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


def _step(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def _learned(module: nn.Module) -> dict[str, Tensor]:
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return parameters | dict(module.named_buffers())


def _is_readable(checkpoint: Path) -> bool:
    """Whether weights can be taken from it, of which the states of optimiser and chance are no part."""
    try:
        json.loads((checkpoint / _STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (checkpoint / _LEARNED).is_file()


def _is_whole(checkpoint: Path) -> bool:
    # the trainer writes its state after everything else; half-deleted ones may have kept it
    needed = ("optimizer.pt", "scheduler.pt")
    # of several processes each leaves its own random state
    return (
        _is_readable(checkpoint)
        and all((checkpoint / name).is_file() for name in needed)
        and any(checkpoint.glob("rng_state*.pth"))
    )
