"""Data, two runs and a policy for trials of whole commands, and the command line as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.pictures import write_parts


def kenpin(folder: Path, *words: str) -> tuple[int, str]:
    """Exit status and standard error of a command."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "kenpin", *words]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stderr


def write_small_runs(folder: Path) -> Path:
    """Data, runs and a policy; returns the folder."""
    write_parts(folder / "parts", count=20)
    for words in (
        "train classifier --data parts --out run --base toy --tuning full --epochs 1 --brightness 0",
        "train embedder --data parts --out vectors --base toy --epochs 1",
    ):
        status, told = kenpin(folder, *words.split())
        assert status == 0, told
    (folder / "policy.yaml").write_text("runs:\n  look: run\nrules:\n  - FAIL if look FAIL\n  - PASS if look PASS\n")
    return folder
