"""New files that have no name until they are on disk: a kill leaves nothing, and nobody needs to look for remains."""

from __future__ import annotations

import errno
import os
from contextlib import suppress
from pathlib import Path
from shutil import copyfile

from kenpin.files import cannot_write, new_file

_WITHOUT = {errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL, errno.ENOENT, errno.EXDEV}
"""What file systems, or systems, say that have no files without names, or cannot name them afterwards."""


def write_once(target: Path, data: bytes) -> None:
    """Write a file whose name tells its content, into a folder that exists; when this returns it is on disk.

    One that another writer wrote meanwhile stays. Raises OutputError.
    """
    with cannot_write(target):
        if not _written_without_name(target, data):
            with new_file(target) as path:
                path.write_bytes(data)


def take_once(target: Path, source: Path) -> None:
    """Give a complete file a further name, which tells its content; when this returns it is on disk.

    One that another writer wrote meanwhile stays. Raises OutputError.
    """
    with cannot_write(target):
        try:
            _flush(source, os.O_RDWR)
            os.link(source, target)
        except FileExistsError:
            return
        except OSError:  # another disk, or one without links
            with new_file(target) as path:
                copyfile(source, path)
            return
        if hasattr(os, "O_DIRECTORY"):
            _flush(target.parent, os.O_RDONLY | os.O_DIRECTORY)


def _flush(path: Path, flags: int) -> None:
    """Have a file or folder on disk."""
    opened = os.open(path, flags)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


def _written_without_name(target: Path, data: bytes) -> bool:
    """Whether this system can; else nothing was written. Raises OSError."""
    if not hasattr(os, "O_TMPFILE"):
        return False
    folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        file = os.open(".", os.O_TMPFILE | os.O_WRONLY, 0o666, dir_fd=folder)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(file, rest) :]
            os.fsync(file)
            # with a folder's descriptor, for else Python's link names the link and not the file
            with suppress(FileExistsError):
                os.link(f"/proc/self/fd/{file}", target.name, dst_dir_fd=folder, follow_symlinks=True)
        finally:
            os.close(file)
        os.fsync(folder)
    except OSError as error:
        if error.errno in _WITHOUT:
            return False
        raise
    finally:
        os.close(folder)
    return True
