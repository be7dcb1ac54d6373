"""Checkpoints: the learned tensors under the network's own names, and which checkpoints are complete."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from kenpin.errors import RunError
from kenpin.files import read_json, write_json
from kenpin.models.bases import BaseRecord
from kenpin.models.contract import Inspector, Task
from kenpin.models.networks.pretrained import load_tensors
from kenpin.run.layout import CHECKPOINTS, OPTIONS

_PREFIX, _PARTIAL = "checkpoint-", ".partial"
_LEARNED = "learned.safetensors"
STATE = "trainer_state.json"
"""File of a checkpoint with the training's progress."""
_BEGUN = "begun.json"


def save_learned(module: nn.Module, folder: Path) -> None:
    """Write every tensor that training changes: trainable parameters and running statistics."""
    folder.mkdir(parents=True, exist_ok=True)
    # contiguous: safetensors refuses other memory layouts, and convolutions may have one
    save_file({name: value.contiguous() for name, value in learned_tensors(module).items()}, folder / _LEARNED)


def load_learned(module: nn.Module, folder: Path) -> None:
    """Load the tensors that `save_learned` wrote. Raises RunError where they are not the module's."""
    saved = read_learned(module, folder)
    with torch.no_grad():
        for name, value in learned_tensors(module).items():
            value.copy_(saved[name])


def read_learned(module: nn.Module, folder: Path) -> dict[str, Tensor]:
    """The tensors that `save_learned` wrote, by their names. Raises RunError where they are not the module's."""
    saved, own = load_tensors(folder / _LEARNED), learned_tensors(module)
    if saved.keys() != own.keys():
        wrong = sorted(saved.keys() ^ own.keys())
        raise RunError(f"{folder}: does not fit the network, first at {wrong[0]}; start the run again.")
    return saved


def take_learned(module: nn.Module, folder: Path) -> None:
    """Load what `save_learned` wrote into a finished run's module, which no longer trains. Raises RunError."""
    try:
        saved = load_tensors(folder / _LEARNED)
        own = dict(module.named_parameters()) | dict(module.named_buffers())
        with torch.no_grad():
            for name, value in saved.items():
                own[name].copy_(value)
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{folder}: does not fit the network of its run; take another checkpoint.") from error


def checkpoint_folder(folder: Path, step: int) -> Path:
    """The checkpoint of a step below `folder`."""
    return folder / f"{_PREFIX}{step}"


def half_written(checkpoint: Path) -> Path:
    """Folder of a checkpoint while it is written or removed, so that it is always complete under its own name."""
    return checkpoint.with_name(checkpoint.name + _PARTIAL)


def whole_checkpoints(folder: Path) -> dict[int, Path]:
    """The complete checkpoints below `folder`, by their steps."""
    return {
        int(path.name.removeprefix(_PREFIX)): path
        for path in folder.glob(f"{_PREFIX}*")
        if not path.name.endswith(_PARTIAL) and _is_readable(path)
    }


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest complete checkpoint below `folder`, None where there is none. Checkpoints that were being written or
    removed when the run died are removed."""
    complete = whole_checkpoints(folder)
    for path in set(folder.glob(f"{_PREFIX}*")) - set(complete.values()):
        shutil.rmtree(path)
    return complete[max(complete)] if complete else None


def find_checkpoint(run: Path, wanted: str) -> Path:
    """The checkpoint of a run, finished or not: by a step, `last`, `best` or its folder.

    Raises RunError where there is no such checkpoint, and names the others.
    """
    complete = whole_checkpoints(run / CHECKPOINTS)
    if not complete:
        raise RunError(
            f"{run}: keeps no checkpoint; a training by gradients leaves some, as many as --save-total-limit says."
        )
    if wanted == "last":
        return complete[max(complete)]
    if wanted == "best":
        step = read_json(complete[max(complete)] / STATE).get("best_global_step")
    else:
        folder = Path(wanted)
        step = next((n for n, path in complete.items() if wanted in (str(n), path.name) or _same(folder, path)), None)
    if step not in complete:
        steps = ", ".join(map(str, sorted(complete)))
        raise RunError(f"{run}: keeps no checkpoint {wanted}; there are those of steps {steps}, last and best.")
    return complete[step]


@dataclass(frozen=True)
class Begun:
    """The settings that an unfinished run was begun with."""

    family: str
    options: Mapping[str, Any]
    task: Task
    base: BaseRecord
    image_size_wh: tuple[int, int]


def write_begun(partial: Path, family: str, task: Task, inspector: Inspector) -> None:
    """Write what is needed, besides the options, to make the inspector that checkpoints are loaded into."""
    origin = {"family": family, "task": asdict(task), "base": asdict(inspector.base)}
    write_json(partial / _BEGUN, origin | {"image_size_wh": inspector.image_size_wh})


def read_begun(partial: Path, out: Path) -> Begun:
    """The files of `write_begun` and of the training's options, for a run with the folder `out`. Raises RunError."""
    if not (partial / _BEGUN).is_file():
        raise RunError(f"{out}: does not record the options it was started with; continue it with --resume.")
    origin, options = read_json(partial / _BEGUN), read_json(partial / OPTIONS)
    options.pop("fingerprint", None)
    task, base = ({name: _frozen(value) for name, value in origin[part].items()} for part in ("task", "base"))
    width, height = origin["image_size_wh"]
    return Begun(origin["family"], options | {"out": str(out)}, Task(**task), BaseRecord(**base), (width, height))


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _same(first: Path, second: Path) -> bool:
    return first.exists() and first.samefile(second)


def learned_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Every tensor that training changes, by its name: trainable parameters and running statistics."""
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return parameters | dict(module.named_buffers())


def _is_readable(checkpoint: Path) -> bool:
    """Whether weights can be loaded from it; the states of optimiser and random numbers are not needed for that."""
    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (checkpoint / _LEARNED).is_file()
