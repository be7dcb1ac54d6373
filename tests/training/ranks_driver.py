"""Trains in groups of forked processes, as a launcher would start them; imports once, so that many groups stay cheap.

Usage: python -m tests.training.ranks_driver SCENARIOS, a JSON file: a list of objects with `family`, `ranks`, `values`
(the arguments of `train`), and perhaps `dies`, a rank and the point at which it kills itself, and `machines`, among
which a launcher would have divided them. Prints, as JSON, how the processes of each ended.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any

from kenpin.training import job
from tests.training.kill_driver import die_at, load_late

_PATIENCE_S = 100.0


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _one(scenario: dict[str, Any], rank: int, port: int) -> None:
    ranks = scenario["ranks"]
    if ranks > 1:
        each = ranks // scenario.get("machines", 1)
        there = {"RANK": rank, "LOCAL_RANK": rank % each, "WORLD_SIZE": ranks, "LOCAL_WORLD_SIZE": each}
        os.environ.update({name: str(value) for name, value in there.items()})
        os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    if scenario.get("dies") and scenario["dies"][0] == rank:
        die_at(scenario["dies"][1])
    job.train(scenario["family"], **scenario["values"])


def _carry_out(scenario: dict[str, Any]) -> list[Any]:
    """How each process ended: 0, the signal that killed it, or what it raised."""
    port, children, told = free_port(), [], []
    for rank in range(scenario["ranks"]):
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 0
            try:
                _one(scenario, rank, port)
            except BaseException as error:  # noqa: BLE001 - the parent must see it, whatever it is
                os.write(writing, f"{type(error).__name__}: {error}".encode()[:2000])
                status = 1
            os._exit(status)
        os.close(writing)
        children.append(child)
        told.append(reading)
    ended: dict[int, int] = {}
    until = time.monotonic() + _PATIENCE_S
    while len(ended) < len(children):
        for child in [one for one in children if one not in ended]:
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                ended[child] = status
            elif time.monotonic() > until:
                os.kill(child, signal.SIGKILL)
        time.sleep(0.02)
    found: list[Any] = []
    for child, reading in zip(children, told, strict=True):
        with os.fdopen(reading, "rb") as pipe:
            words = pipe.read().decode()
        status = ended[child]
        found.append(os.WTERMSIG(status) if os.WIFSIGNALED(status) else words or os.WEXITSTATUS(status))
    return found


def main() -> None:
    """Carry out all scenarios, one after the other."""
    scenarios = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    for family in {scenario["family"] for scenario in scenarios}:
        load_late(family)
    print(json.dumps([_carry_out(scenario) for scenario in scenarios]))


if __name__ == "__main__":
    main()
