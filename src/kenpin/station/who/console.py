"""The trail of the console: commands on the machine of the station write it, one after the other."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kenpin.errors import RunError
from kenpin.files import cannot_write
from kenpin.locks import try_lock
from kenpin.station.folder import CONSOLE_NODE, StationFolder
from kenpin.station.trail import Trail

_LONGEST_WAIT_S = 10.0
_LOOKS_AGAIN_S = 0.05


@contextmanager
def console_trail(folder: StationFolder) -> Iterator[Trail]:
    """The trail of the console, while no other command writes it; the station may run, it writes one of its own.

    Raises RunError where another command takes too long, or where a line is damaged, OutputError.
    """
    path = folder.trail(CONSOLE_NODE)
    with cannot_write(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(f".{path.name}.lock")), closing(Trail(path, CONSOLE_NODE)) as trail:
            yield trail


@contextmanager
def _locked(lock: Path) -> Iterator[None]:
    until_s = time.monotonic() + _LONGEST_WAIT_S
    with lock.open("ab") as file:  # stays where it is: one that is removed could be locked twice
        while not try_lock(file.fileno()):
            if time.monotonic() > until_s:
                raise RunError(f"{lock}: another command is changing accounts; repeat it later.")
            time.sleep(_LOOKS_AGAIN_S)
        yield
