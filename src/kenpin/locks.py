"""Locks of open files between processes, on POSIX and on Windows; what a process holds ends with it."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path

HOLDS_FOLDERS = hasattr(os, "O_DIRECTORY")
"""Whether a folder can be opened, and so be locked and synced itself. On Windows a file beside it stands for it."""
_NO_LINK = getattr(os, "O_NOFOLLOW", 0)  # Windows has none, and lets few people make links
_LOCKED_BY_ANOTHER = {errno.EACCES, errno.EDEADLK, errno.EAGAIN}


def try_lock(descriptor: int) -> bool:
    """Lock an open file, or a folder where those can be opened, until its descriptor is closed; False where another
    process has the lock. Raises OSError where the file system has no locks."""
    try:
        import fcntl
    except ImportError:
        return _try_lock_a_byte(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)  # type: ignore[attr-defined, unused-ignore]
    except BlockingIOError:
        return False
    return True


def _try_lock_a_byte(descriptor: int) -> bool:
    """On Windows: its first byte, whether or not the file has one."""
    import msvcrt

    os.lseek(descriptor, 0, os.SEEK_SET)
    try:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined, unused-ignore]
    except OSError as error:
        if error.errno not in _LOCKED_BY_ANOTHER:
            raise
        return False
    return True


def hold(path: Path, *, folder: bool = True, locked: bool = True) -> int | None:
    """Lock a `folder`, or a file that is made for it, until `let_go` or the end of this process.

    None where another process has the lock, or has removed the path meanwhile; where the file system has no locks, only
    if `locked`.
    """
    # network shares lock a file only where it is opened for writing
    flags = os.O_WRONLY | os.O_CREAT
    if folder and HOLDS_FOLDERS:
        flags = os.O_RDONLY | getattr(os, "O_DIRECTORY", 0)
    path = _lock_of(path) if folder else path
    try:
        descriptor = os.open(path, flags | _NO_LINK, 0o666)
    except (FileNotFoundError, NotADirectoryError):  # the latter for a link to a folder, too
        return None
    try:
        is_it = try_lock(descriptor) and os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        is_it = False
    except OSError:
        is_it = not locked
    if is_it:
        return descriptor
    os.close(descriptor)
    return None


def let_go(folder: Path, descriptor: int) -> None:
    """End the lock of a folder."""
    os.close(descriptor)
    if not HOLDS_FOLDERS:
        with suppress(OSError):  # another writer of the name may hold it by now
            _lock_of(folder).unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    """What is locked for a folder: itself, or a file beside it."""
    return folder if HOLDS_FOLDERS else folder.with_name(f"{folder.name}.lock")
