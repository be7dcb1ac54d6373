"""The speed of a disk, tried out by writing to it, and that of the hashes that seal what lies on it."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryFile
from time import perf_counter

from kenpin.files import cannot_write
from kenpin.run.seal import new_hash

_TRIED_BYTES = 64 * 1024**2
_HASHED_BYTES = 8 * 1024**2


def writing_seconds(target: Path, size_bytes: int) -> float:
    """Estimate of the seconds to write so many bytes to the target's disk, by writing some and removing them.

    Raises OutputError.
    """
    folder = next(parent for parent in target.absolute().parents if parent.is_dir())
    some = os.urandom(min(size_bytes, _TRIED_BYTES))
    with cannot_write(target), TemporaryFile(dir=folder) as file:
        started = perf_counter()
        file.write(some)
        file.flush()
        os.fsync(file.fileno())
        return (perf_counter() - started) * size_bytes / max(len(some), 1)


def sealing_seconds(size_bytes: int) -> float:
    """Estimate of the seconds to hash so many bytes, by hashing some."""
    some = bytes(min(size_bytes, _HASHED_BYTES))
    started = perf_counter()
    new_hash().update(some)
    return (perf_counter() - started) * size_bytes / max(len(some), 1)
