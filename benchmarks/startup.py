"""Start-up: how long the command line and the package take to be there, beside a bare interpreter."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.fresh import seconds_of
from benchmarks.scale import Scale
from benchmarks.tables import figure, table

_HELP = "from kenpin.cli import main\ntry: main(['--help'])\nexcept SystemExit: pass"


def section(scale: Scale) -> str:
    """Median start-up times and whether torch was loaded."""
    script = str(Path(sysconfig.get_path("scripts"), "kenpin"))
    python = [sys.executable, "-c"]
    cases = {
        "python -c pass": ([*python, "pass"], "pass"),
        "import kenpin": ([*python, "import kenpin"], "import kenpin"),
        "kenpin --help": ([script, "--help"], _HELP),
    }
    taken = {
        what: seconds_of(partial(subprocess.run, command, check=True, stdout=subprocess.DEVNULL), scale.starts)
        for what, (command, _) in cases.items()
    }
    bare = median(taken["python -c pass"])
    rows = [
        (
            what,
            figure(median(taken[what])),
            figure(min(taken[what])),
            figure(median(taken[what]) / bare),
            "yes" if _loads_torch(statement) else "no",
        )
        for what, (_, statement) in cases.items()
    ]
    head = ("start", f"seconds, median of {scale.starts}", "shortest", "times the bare interpreter", "torch loaded")
    return f"## Start-up\n\n{table(head, rows)}"


def _loads_torch(statement: str) -> bool:
    code = f"{statement}\nimport sys; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[-1] == "True"
