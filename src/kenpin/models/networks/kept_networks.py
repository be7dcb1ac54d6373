"""Converted networks, kept on disk: each in a folder of its own by its key, complete or not at all, the oldest dropped
first."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from kenpin.models.networks.feature_store import default_folder
from kenpin.run.seal import file_hash

LIMIT_BYTES = 4 * 1024**3
_SUM = "sum"  # hash of the files beside it
_in_use: list[tempfile.TemporaryDirectory[str]] = []  # of this process, where the cache cannot be written


def kept_network(key: str, convert: Callable[[Path], None]) -> Path:
    """The folder of a converted network. `convert` writes it into an empty one where there is none that is as it was
    written; where the cache cannot be written, the folder lives as long as the process."""
    folder = default_folder() / "networks" / key
    if _is_whole(folder):
        with suppress(OSError):  # of a cache that may only be read
            os.utime(folder)
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".", dir=folder.parent))
    except OSError:
        _in_use.append(tempfile.TemporaryDirectory(prefix="kenpin-network-"))
        convert(Path(_in_use[-1].name))
        return Path(_in_use[-1].name)
    try:
        convert(made)
        (made / _SUM).write_text(_sum_of(made))
        shutil.rmtree(folder, ignore_errors=True)  # a damaged one
        try:
            made.rename(folder)
        except OSError:
            if not _is_whole(folder):  # else another process was first
                raise
        _drop_oldest(folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    return folder


def _is_whole(folder: Path) -> bool:
    try:
        return (folder / _SUM).read_text() == _sum_of(folder)
    except OSError:
        return False


def _sum_of(folder: Path) -> str:
    files = (file for file in sorted(folder.rglob("*")) if file.is_file() and file.name != _SUM)
    return " ".join(f"{file.relative_to(folder).as_posix()} {file_hash(file)}" for file in files)


def _drop_oldest(used: Path) -> None:
    """Remove the networks that were not used for longest, beyond the limit; never the one in use."""
    folders = sorted((f for f in used.parent.iterdir() if f != used), key=lambda f: f.stat().st_mtime, reverse=True)
    total_bytes = _bytes_of(used)
    for folder in folders:
        total_bytes += _bytes_of(folder)
        if total_bytes > LIMIT_BYTES and not folder.name.startswith("."):
            shutil.rmtree(folder, ignore_errors=True)


def _bytes_of(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
