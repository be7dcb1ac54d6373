"""Runs a command in forked children that die by SIGKILL at random moments; imports once, so that deaths stay cheap.

Usage: python -m tests.kill_commands SEED DEATHS WORD... The words are a command's; `{number}` in them is `trial` in a
first call that nobody kills, and then `killed`. Prints, as JSON, how the children ended; the last one is left alone.
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import random
import signal
import sys
import time

import kenpin
from kenpin.cli import main as command_line


def run_in_child(words: list[str], deadline_s: float | None) -> tuple[int, float]:
    """Exit status, or minus the signal, and seconds."""
    started = time.monotonic()
    child = os.fork()
    if child == 0:
        try:
            command_line(words)
        except SystemExit as ending:
            sys.stdout.flush()
            os._exit(int(ending.code or 0))
        os._exit(0)
    if deadline_s is not None:
        time.sleep(deadline_s)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), time.monotonic() - started


def main() -> None:
    """Die, die again, and then finish."""
    seed, deaths, words = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
    for module in pkgutil.walk_packages(kenpin.__path__, "kenpin."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    trial = [word.replace("{number}", "trial") for word in words]
    status, whole_s = run_in_child(trial, None)
    assert status in (0, 3, 4), f"undisturbed it ended with {status}"
    chance = random.Random(seed)
    words = [word.replace("{number}", "killed") for word in words]
    ended = [run_in_child(words, chance.uniform(0, whole_s))[0] for _ in range(deaths)]
    last, _ = run_in_child(words, None)
    print(json.dumps({"ended": ended, "last": last}))


if __name__ == "__main__":
    main()
