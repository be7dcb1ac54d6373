"""What Windows lacks, taken away from this process before kenpin is loaded: POSIX locks, folders that can be opened.

A file that is opened as text without an encoding is an error, since Windows takes that of its country.

`python -m tests.as_on_windows` reads commands of kenpin from standard input, one a line, runs them in one process and
prints the exit status of each.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import importlib
import multiprocessing
import os
import pkgutil
import sys
import types
import warnings
from pathlib import Path
from typing import Any

ABSENT_MODULES = {"fcntl", "grp", "pwd", "resource", "termios", "tty", "pty", "syslog"}
ABSENT = (
    "O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "sync", "fork", "forkpty", "killpg", "getuid", "geteuid", "getpgid",
    "setsid", "mkfifo", "sysconf", "sched_getaffinity", "nice",
)  # fmt: skip


def _msvcrt() -> types.ModuleType:
    """Windows' locks of bytes, on those of POSIX."""
    module = types.ModuleType("msvcrt")
    found: Any = module
    found.LK_NBLCK = 2

    def locking(descriptor: int, mode: int, count: int) -> None:
        assert (mode, count) == (found.LK_NBLCK, 1)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise PermissionError(errno.EACCES, "Permission denied") from None

    found.locking = locking
    return module


def _os() -> types.ModuleType:
    """The module `os` with no more in it than on Windows, where folders are not opened."""
    module = types.ModuleType("os")
    found: Any = module
    found.__dict__.update({name: value for name, value in vars(os).items() if name not in ABSENT})

    def open_no_folder(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if Path(path).is_dir():
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return os.open(path, flags, *rest, **named)

    def fsync(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, "Bad file descriptor")
        os.fsync(descriptor)

    found.open, found.fsync = open_no_folder, fsync
    return module


def pretend() -> None:
    """From here on kenpin finds no more than Windows has; other libraries find their modules still."""
    assert sys.flags.warn_default_encoding, "run with -X warn_default_encoding"
    multiprocessing.set_start_method("spawn")
    warnings.filterwarnings("ignore", category=EncodingWarning)
    warnings.filterwarnings("error", category=EncodingWarning, module=r"kenpin\.")
    others, found = {"msvcrt": _msvcrt(), "os": _os()}, builtins.__import__

    def without(name: str, globals: Any = None, *rest: Any, **named: Any) -> Any:
        if str((globals or {}).get("__name__", "")).startswith("kenpin"):
            if name in ABSENT_MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in others:
                return others[name]
        return found(name, globals, *rest, **named)

    builtins.__import__ = without


def load_all() -> list[str]:
    """Import every module of kenpin; the names of those that could not be."""
    import kenpin

    failed = []
    for module in pkgutil.walk_packages(kenpin.__path__, "kenpin."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except (ImportError, AttributeError) as error:
                failed.append(f"{module.name}: {error}")
    return failed


def main() -> None:
    """Run the commands of standard input; `load all` imports every module."""
    commands = sys.stdin.buffer.read().decode().splitlines()
    pretend()
    from kenpin.cli import main as kenpin

    for line in commands:
        if line == "load all":
            print("@@", len(failed := load_all()), "load all", *failed, flush=True)
            continue
        try:
            kenpin(line.split())
        except SystemExit as end:
            print("@@", end.code or 0, *line.split()[:2], flush=True)


if __name__ == "__main__":
    main()
