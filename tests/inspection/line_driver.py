"""Inspects a watched folder in forked children that die by SIGKILL; imports once, so that many deaths stay cheap.

Usage: python -m tests.inspection.line_driver POLICY WATCH OUT DEATH... Each DEATH is a number of seconds, or a point of
`tests.training.kill_driver`. A last child inspects until nothing comes any more. Prints the lines of all of them.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

os.environ["CUDA_VISIBLE_DEVICES"] = ""  # a child that is forked cannot use a GPU that its parent used

from kenpin.cli import main
from kenpin.inspection.judging import Judges
from kenpin.inspection.policy import read_policy
from tests.training.kill_driver import die_at, in_child

IDLE_S = 1.0


def _inspect(words: list[str], death: str | None) -> None:
    if death is not None and ":" in death:
        die_at(death)
    elif death is not None:
        seconds = float(death)

        def die() -> None:
            time.sleep(seconds)
            os.kill(os.getpid(), signal.SIGKILL)

        threading.Thread(target=die, daemon=True).start()
    try:
        main(words)
    except SystemExit as ended:
        if ended.code == 2:  # misuse; 3 and 4 tell of parts
            raise


if __name__ == "__main__":
    policy, watch, out, *deaths = sys.argv[1:]
    words = ["inspect", policy, "--watch", watch, "--out", out]
    Judges(read_policy(Path(policy)))  # loads what the children would load anew each time
    for death in deaths:
        killed_by = in_child(lambda death=death: _inspect(words, death))  # type: ignore[misc]
        assert killed_by == signal.SIGKILL, f"{death} was not reached: {killed_by}"
    assert in_child(lambda: _inspect([*words, "--until-idle", str(IDLE_S)], None)) == 0
