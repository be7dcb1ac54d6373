"""Trains in forked children that die by SIGKILL at a chosen call; imports once, so that many deaths stay cheap.

Usage: python -m tests.training.kill_driver FAMILY DATA UNDISTURBED [OUT POINT...]. Trains UNDISTURBED, unless it is
there, without any death. Each POINT is `module:attribute:call[:before|after]`: the child that trains OUT kills itself
around that call of that function. Prints, as JSON, what was seen after each death.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from kenpin.errors import RunError
from kenpin.files import partial_folder
from kenpin.models import get_family
from kenpin.models.contract import Task
from kenpin.predictor import load_predictor
from kenpin.training import job

LOADED_LATE = (
    "PIL.JpegImagePlugin", "datasets", "kornia.augmentation", "pandas", "pytorch_metric_learning.losses",
    "pytorch_metric_learning.miners", "sklearn.linear_model", "sklearn.model_selection", "torch.profiler",
)  # fmt: skip
"""What a training imports on its way; children of a process that has it need not."""

SETTINGS: dict[str, dict[str, Any]] = {
    "classifier": {
        "base": "toy",
        "tuning": "full",
        "epochs": 3,
        "batch_size": 8,
        "evaluate_every": 3,
        "save_total_limit": 1,
        "patience": 2,
        "rotate_degrees": 5.0,
        "learning_rate": 2e-3,
    },
    "florence2": {
        "base": "toy",
        "tuning": "lora",
        "epochs": 3,
        "batch_size": 2,
        "evaluate_every": 3,
        "learning_rate": 2e-3,
        "max_new_tokens": 20,
        "beams": 1,
    },
    "vlm": {
        "base": "toy",
        "tuning": "lora",
        "epochs": 3,
        "batch_size": 4,
        "evaluate_every": 3,
        "learning_rate": 2e-3,
        "max_new_tokens": 8,
    },
    # an objective with weights of its own, batches drawn by the inspector, and pictures kept in memory
    "embedder": {
        "base": "toy",
        "tuning": "full",
        "objective": "proxy-anchor",
        "dimension": 4,
        "pictures_per_class": 2,
        "brightness": 0.0,
        "contrast": 0.0,
        "epochs": 3,
        "batch_size": 8,
        "evaluate_every": 3,
        "save_total_limit": 1,
        "patience": 2,
        "learning_rate": 2e-3,
    },
}


def load_late(family: str) -> None:
    """Import what a training of this family would import on its way, to the network of its toy base."""
    for module in LOADED_LATE:
        importlib.import_module(module)
    chosen = get_family(family)
    options = chosen.Options.from_mapping({"data": "-", "out": "-", "base": "toy", "tuning": "full"})
    chosen.create(options, Task(("a", "b"), ("a",)))


def die_at(point: str) -> None:
    """From now on this process kills itself at this point."""
    module_name, attribute, call, when = point.split(":")
    owner: Any = importlib.import_module(module_name)
    *path, name = attribute.split(".")
    for part in path:
        owner = getattr(owner, part)
    original = getattr(owner, name)
    left = int(call)

    def deadly(*args: Any, **kwargs: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0 and when == "before":
            os.kill(os.getpid(), signal.SIGKILL)
        result = original(*args, **kwargs)
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, deadly)


def in_child(work: Callable[[], object]) -> int:
    """Run in a forked child; 0 for success, the signal's number where it was killed."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 - the parent must see it, whatever it is
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else -os.WEXITSTATUS(status)


def _train(family: str, data: str, out: Path, point: str | None, resume: bool) -> None:
    if point is not None:
        die_at(point)
    job.train(family, data=data, out=out, resume=resume, **SETTINGS[family])


def _loads(folder: Path) -> bool:
    try:
        load_predictor(folder)
    except RunError:
        return False
    return True


def main() -> None:
    """Train undisturbed; die at each point, resume after each death, and print what was found."""
    family, data, undisturbed, *rest = sys.argv[1:]
    load_late(family)
    finals = []
    if not Path(undisturbed).exists():
        finals.append(in_child(partial(_train, family, data, Path(undisturbed), None, False)))
    seen: list[dict[str, Any]] = []
    if rest:
        out = Path(rest[0])
        seen = _die_at_each(family, data, out, rest[1:])
        finals.append(0 if out.exists() else in_child(partial(_train, family, data, out, None, True)))
    print(json.dumps({"seen": seen, "finals": finals}))


def _die_at_each(family: str, data: str, out: Path, points: list[str]) -> list[dict[str, Any]]:
    seen: list[dict[str, Any]] = []
    for point in points:
        resume = bool(seen) and (partial_folder(out) / "options.json").exists()
        killed_by = in_child(partial(_train, family, data, out, point, resume))
        loads = _loads_in_child(out) or _loads_in_child(partial_folder(out))
        seen.append({"point": point, "killed_by": killed_by, "loads": loads, "exists": out.exists()})
    return seen


def _loads_in_child(folder: Path) -> bool:
    return in_child(lambda: os._exit(0 if _loads(folder) else 7)) == 0


if __name__ == "__main__":
    main()
