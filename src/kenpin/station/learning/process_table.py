"""Which processes live, told apart from later ones of the same number, by a service that may not have started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT = _PROC / "sys/kernel/random/boot_id"


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """A process that leads a session of its own, with what no later process of its number shares."""

    pid: int
    mark: str
    """When the machine was started, and when the process was; empty where neither can be told."""


def mark_of(pid: int) -> ProcessMark:
    """The mark of a living process."""
    return ProcessMark(pid, _mark(pid) or "")


def is_alive(process: ProcessMark) -> bool:
    """Whether the process, or another of its session, still runs. One that has ended counts as gone, whether or not
    its parent has asked for its status."""
    found = _mark(process.pid)
    if found is not None:
        return found == process.mark
    # its first process is gone: the system gives its number to no other while one of its session runs
    return process.mark.startswith(_boot()) and any(_session_members(process.pid))


def end(process: ProcessMark, *, at_once: bool = False) -> None:
    """Ask all processes of the session to end, or kill them. Does nothing where they are gone."""
    if sys.platform != "win32" and is_alive(process):
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL if at_once else signal.SIGTERM)


def _mark(pid: int) -> str | None:
    """None where no process of this number runs."""
    if sys.platform != "linux":
        words = ["ps", "-o", "stat=,lstart=", "-p", f"{pid}"]
        asked = subprocess.run(words, capture_output=True, text=True, check=False)
        state, _, began = asked.stdout.strip().partition(" ")
        return None if not began or state.startswith("Z") else began.strip()
    fields = _stat(pid)
    return None if fields is None or fields[0] in "ZX" else f"{_boot()} {fields[19]}"


def _session_members(pid: int) -> Iterator[int]:
    if sys.platform != "linux":
        return
    for entry in _PROC.iterdir():
        fields = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if fields is not None and int(fields[3]) == pid and fields[0] not in "ZX":
            yield int(entry.name)


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/PID/stat from the state on: 3 is the session, 19 the start in ticks."""
    try:
        text = (_PROC / str(pid) / "stat").read_text("ascii", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()  # a name may hold spaces and brackets


def _boot() -> str:
    try:
        return _BOOT.read_text("ascii").strip()
    except OSError:
        return ""
