"""The seal: hashes of the files that decisions and reports use, and their check.

It shows accidents, and changes by those who do not seal anew; it has no key, so it does not show who wrote a run.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kenpin.errors import RunError
from kenpin.run.layout import CHECKPOINTS, LINEAGE, MODEL, SEALED

REMEDY = "restore it from a copy or train again"


def seal(folder: Path) -> dict[str, str]:
    """Hash of each file that decisions and reports use, by its path below the run folder, with forward slashes."""
    paths = sorted(path for pattern in SEALED for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): file_hash(path) for path in paths}


def check_seal(run: Path, files: Mapping[str, str], *, deciding_alone: bool = False) -> None:
    """Raises RunError where a sealed file is missing or changed, where one was added to the decision files, or where a
    folder is a link.
    `deciding_alone`: check the files of predictions alone, since a run without its thumbnails can still inspect."""
    for folder, below, names in os.walk(run):
        for path in (Path(folder, name) for name in below):
            if path.is_symlink():
                raise RunError(f"{path}: is a link to another folder, which the seal does not cover; remove it.")
        for path in (Path(folder, name) for name in names):
            name = path.relative_to(run).as_posix()
            if name.startswith(f"{MODEL}/") and name not in files:
                raise RunError(f"{path}: was not written by the training; remove it.")
    for name, expected in files.items():
        if deciding_alone and not name.startswith((f"{MODEL}/", LINEAGE)):
            continue
        if not name.startswith(f"{CHECKPOINTS}/"):  # they may be removed, and are checked where one is used
            _check_file(run / name, expected)


def check_checkpoint(run: Path, files: Mapping[str, str], checkpoint: Path) -> None:
    """Raises RunError where a checkpoint of a run was changed after the training."""
    sealed = {name: expected for name, expected in files.items() if run / Path(name).parent == checkpoint}
    if not sealed:
        raise RunError(
            f"{checkpoint}: is not covered by the run's seal; train again with this version of kenpin to use it."
        )
    for name, expected in sealed.items():
        _check_file(run / name, expected)


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise RunError(f"{path}: is missing; {REMEDY}.")
    if file_hash(path) != expected:
        raise RunError(
            f"{path}: is not the file that was trained; {REMEDY}. A run from somebody else is to be trusted as far as "
            "its sender: the seal shows accidents, not intent."
        )


def file_hash(path: Path) -> str:
    """Hash of a file's content, 32 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, new_hash).hexdigest()


def new_hash() -> Any:
    """The hash of a sealed file, of nothing yet."""
    return hashlib.blake2b(digest_size=16)
