"""One measurement in a process of its own: what ran before can neither warm it up nor weigh on its memory.

A process starts with its parent's peak memory as its own, so the parent must stay small: the modules here import heavy
packages inside the functions that run in the child.
"""

from __future__ import annotations

import importlib
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
Figures = dict[str, list[float]]
"""Each figure by its name, one value for each repetition."""


def in_fresh_process(measurement: Callable[..., Figures], **arguments: object) -> Figures:
    """What a function of a module gives when a new interpreter calls it. Raises RuntimeError with its traceback."""
    name = f"{measurement.__module__}.{measurement.__name__}"
    print(f"  {measurement.__name__} {' '.join(map(_short, arguments.values()))}", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", __name__, name, json.dumps(arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name}: the measurement failed.\n{done.stderr}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures


def seconds_of(work: Callable[[], object], repetitions: int) -> list[float]:
    """How long each call of `work` takes by the clock."""
    taken = []
    for _ in range(repetitions):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def peak_bytes() -> float:
    """The most memory that this process has had at a time."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else peak * 1024)


def _short(argument: object) -> str:
    return Path(argument).name if isinstance(argument, str) else str(argument)


def _main() -> None:
    module, _, function = sys.argv[1].rpartition(".")
    print(json.dumps(getattr(importlib.import_module(module), function)(**json.loads(sys.argv[2]))))


if __name__ == "__main__":
    _main()
