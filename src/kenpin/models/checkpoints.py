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
_PREFIX, _PARTIAL = "checkpoint-", ".partial"
_LEARNED = "learned.safetensors"
STATE = "trainer_state.json"
"""File of a checkpoint that says how far the training was."""
_BEGUN = "begun.json"


def save_learned(module: nn.Module, folder: Path) -> None:
    """Write every tensor that training changes: trainable parameters and running statistics."""
    folder.mkdir(parents=True, exist_ok=True)
    # contiguous: safetensors refuses other memory layouts, and convolutions may have one
    save_file({name: value.contiguous() for name, value in _learned(module).items()}, folder / _LEARNED)


def load_learned(module: nn.Module, folder: Path) -> None:
    """Put the tensors that `save_learned` wrote back in place. Raises RunError where they are not the module's."""
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


def checkpoint_folder(folder: Path, step: int) -> Path:
    """The checkpoint of a step below `folder`."""
    return folder / f"{_PREFIX}{step}"


def half_written(checkpoint: Path) -> Path:
    """Where a checkpoint lies while it is written or removed, so that under its name it is always whole."""
    return checkpoint.with_name(checkpoint.name + _PARTIAL)


def whole_checkpoints(folder: Path) -> dict[int, Path]:
    """The checkpoints below `folder` that weights can be taken from, by their steps."""
    return {
        int(path.name.removeprefix(_PREFIX)): path
        for path in folder.glob(f"{_PREFIX}*")
        if not path.name.endswith(_PARTIAL) and _is_readable(path)
    }


def latest_checkpoint(folder: Path) -> Path | None:
    """The newest whole checkpoint below `folder`; those that were being written or removed when the run died are
    removed. None where there is none."""
    whole = whole_checkpoints(folder)
    for path in set(folder.glob(f"{_PREFIX}*")) - set(whole.values()):
        shutil.rmtree(path)
    return whole[max(whole)] if whole else None


def find_checkpoint(run: Path, wanted: str) -> Path:
    """The checkpoint of a run, finished or not, that is meant by a step, `last`, `best` or its folder.

    Raises RunError where it is not there, with those that are.
    """
    whole = whole_checkpoints(run / CHECKPOINTS)
    if not whole:
        raise RunError(
            f"{run}: keeps no checkpoint; a training by gradients leaves some, as many as --save-total-limit says."
        )
    if wanted == "last":
        return whole[max(whole)]
    if wanted == "best":
        step = read_json(whole[max(whole)] / STATE).get("best_global_step")
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


def _learned(module: nn.Module) -> dict[str, Tensor]:
    parameters = {name: value for name, value in module.named_parameters() if value.requires_grad}
    return parameters | dict(module.named_buffers())


def _is_readable(checkpoint: Path) -> bool:
    """Whether weights can be taken from it, of which the states of optimiser and chance are no part."""
    try:
        json.loads((checkpoint / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return (checkpoint / _LEARNED).is_file()
