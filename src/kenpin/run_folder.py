"""The run folder: the contract between training and everything that uses what was trained."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from kenpin.errors import OutputExistsError, RunError

SCHEMA_VERSION: Literal[1] = 1
_RECORD = "run.json"
MODEL = "model"
"""Folder, below the run's, of everything that decides predictions: weights or adapter, processor, arrays."""


class RunRecord(BaseModel):
    """`run.json`: what was trained, on what, from what, and how it decides."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: Literal[1] = SCHEMA_VERSION
    family: str
    base_id: str
    base_commit: str | None
    base_probe: tuple[float, ...]
    options: dict[str, Any]
    labels: tuple[str, ...]
    ok_labels: tuple[str, ...]
    image_size_wh: tuple[int, int]
    dataset: dict[str, Any]
    """Path, format, fingerprint, and numbers of pictures by split and class."""
    threshold: dict[str, Any] | None
    scores: dict[str, float | None]
    notes: tuple[str, ...]
    versions: dict[str, str]
    device: str
    precision: str
    created: str
    seconds: float
    files: dict[str, str]
    """Hash of every file that decides predictions."""


TRAINED_ON = "trained_on.npy"
"""File of the content hashes of the training pictures, 32 ASCII bytes each."""


def partial_folder(out: Path) -> Path:
    """Where a run is written until it is whole: a hidden sibling, so that the last step is one rename."""
    return out.with_name(f".{out.name}.partial")


def check_free(out: Path, overwrite: bool) -> None:
    """Raises OutputExistsError where `out` is there and must not be replaced."""
    if out.exists() and not overwrite:
        raise OutputExistsError(f"{out} already exists; choose another name or allow it with --overwrite.")


def seal(folder: Path) -> dict[str, str]:
    """Hash of each file that decides predictions, by its path below the run folder with forward slashes."""
    paths = sorted(path for path in (folder / MODEL).rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): _hash(path) for path in paths}


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json`."""
    write_json(folder / _RECORD, record.model_dump(mode="json"))


def finish(partial: Path, out: Path, overwrite: bool) -> None:
    """Give the whole folder its name; last, so that a half-written run never has it. Raises OutputExistsError."""
    check_free(out, overwrite)
    replaced = out.with_name(f".{out.name}.replaced")
    if out.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        out.rename(replaced)
    partial.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)


def read_record(run: Path) -> RunRecord:
    """The record of a finished run. Raises RunError."""
    if not run.is_dir():
        remedy = "continue it with --resume" if partial_folder(run).exists() else "give the folder of a finished run"
        raise RunError(f"{run}: no such run; {remedy}.")
    if run.name.startswith(".") and run.name.endswith(".partial"):
        raise RunError(f"{run}: this run was interrupted; continue it with --resume.")
    if not (run / _RECORD).is_file():
        raise RunError(f"{run}: holds no {_RECORD}, so it is no finished run; train it again.")
    values = read_json(run / _RECORD)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{run / _RECORD}: has schema version {version}, this kenpin reads {SCHEMA_VERSION}; use the kenpin that "
            "trained it."
        )
    try:
        return RunRecord.model_validate(values)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{run / _RECORD}: {place} is missing or wrong; restore the file or train again.") from error


def read_trained_on(run: Path) -> frozenset[str]:
    """Content hashes of the pictures that a run was trained on. Raises RunError."""
    try:
        hashes = np.load(run / TRAINED_ON, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise RunError(f"{run / TRAINED_ON}: is missing or damaged; restore it from a copy or train again.") from error
    return frozenset(hashes.astype(str).tolist())


def check_seal(run: Path, files: Mapping[str, str]) -> None:
    """Raises RunError where a file that decides predictions is missing or not the one that was trained."""
    for name, expected in files.items():
        path = run / name
        if not path.is_file():
            raise RunError(f"{path}: is missing; restore it from a copy or train again.")
        if _hash(path) != expected:
            raise RunError(f"{path}: is not the file that was trained; restore it from a copy or train again.")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON under a temporary name and rename it, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.partial")
    temporary.write_text(json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
    temporary.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run. Raises RunError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON; restore it from a copy or make it again.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: holds no JSON object; restore it from a copy or make it again.")
    return values


@contextmanager
def sole_writer(partial: Path) -> Iterator[None]:
    """Hold the partial folder: a second process that trains into it is refused. Raises RunError."""
    import fcntl

    partial.mkdir(parents=True, exist_ok=True)
    with open(partial.with_name(f"{partial.name}.lock"), "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(f"{partial}: another process is training into it; wait, or choose another --out.") from error
        yield
    Path(lock.name).unlink(missing_ok=True)


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
