"""No case is lost, doubled or half there: processes are killed at random moments, and several write at once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from kenpin.cases.library import CaseLibrary
from tests.cases.adder import CASES
from tests.cases.made import number_of, vectors
from tests.tree import ROOT


def _start(library: Path, seed: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.cases.adder", str(library), str(seed)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def _killed(library: Path, seed: int) -> set[int]:
    """The cases that a process told of before it was killed, at a moment drawn by lot."""
    lot = random.Random(seed)
    process = _start(library, seed)
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(lot.choice((0, 1, 10, 40)))]
    time.sleep(lot.uniform(0, 1.5) if not told else lot.uniform(0, 0.03))
    process.kill()
    rest, _ = process.communicate()
    # the pipe may end within a line
    return {int(line) for line in (*told, *rest.splitlines(keepends=True)) if line.endswith("\n")}


def _held(library: Path) -> list[int]:
    """The cases in the library, all of them checked to be whole."""
    found = CaseLibrary.find(str(library))
    if found is None:
        return []
    cases = found.cases()
    numbers = [number_of(case) for case in cases]
    assert all(case.picture == f"/pictures/{number}.png" for case, number in zip(cases, numbers, strict=True))
    if numbers:
        assert np.array_equal(found.vectors([case.id for case in cases]), vectors(numbers))
    return numbers


def _survives(library: Path, kills: int) -> None:
    told: set[int] = set()
    for seed in range(kills):
        told |= _killed(library, seed)
        held = _held(library)
        assert len(held) == len(set(held))
        assert told <= set(held)
    assert _start(library, kills).communicate()[0].count("\n") == CASES
    assert sorted(_held(library)) == list(range(CASES))


@pytest.mark.slow
def test_kills_lose_nothing(tmp_path: Path) -> None:
    _survives(tmp_path / "library", 2)


@pytest.mark.slow
@pytest.mark.parametrize("attempt", range(6))
def test_many_kills_lose_nothing(tmp_path: Path, attempt: int) -> None:
    for number in range(3):
        _survives(tmp_path / f"library {attempt} {number}", 8)


def test_processes_that_add_at_once_lose_and_double_nothing(tmp_path: Path) -> None:
    processes = [_start(tmp_path / "library", seed) for seed in range(2)]
    assert [process.communicate()[0].count("\n") for process in processes] == [CASES] * 2
    assert [process.returncode for process in processes] == [0] * 2
    assert sorted(_held(tmp_path / "library")) == list(range(CASES))
