"""`run.json`: the record of a run, which makes a folder a finished run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, SerializerFunctionWrapHandler, ValidationError, model_serializer

from kenpin.errors import OutputExistsError, RunError
from kenpin.files import (
    cannot_write,
    check_free,
    partial_folder,
    put_in_place,
    read_json,
    refuse_to_destroy,
    take_back,
    write_json,
)
from kenpin.run.layout import CALIBRATION, MODEL, RECORD
from kenpin.run.seal import REMEDY

SCHEMA_VERSION: Literal[2] = 2


class RunRecord(BaseModel):
    """`run.json`: training, data, base and decision of a run."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    schema_version: Literal[2] = SCHEMA_VERSION
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
    """Hash of every file that decisions and reports use."""
    parts: dict[str, Any] | None = None
    """A `PartViews`, where it judges parts by several pictures; None where each picture is judged by itself."""

    @model_serializer(mode="wrap")
    def _without_parts(self, values_of: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Records of pictures keep the hash that they had before there was such a field."""
        values: dict[str, Any] = values_of(self)
        if self.parts is None:
            values.pop("parts", None)
        return values


def check_run_free(out: Path, overwrite: bool, needed: Iterable[str | Path]) -> None:
    """Raises OutputExistsError where `out` must not be replaced: it is no run, or holds files that are still
    `needed`."""
    check_free(out, overwrite)
    empty = out.is_dir() and not out.is_symlink() and not any(out.iterdir())
    if os.path.lexists(out) and not empty and (out.is_symlink() or not (out / RECORD).is_file()):
        raise OutputExistsError(f"{out}: is not a run, and --overwrite replaces nothing else; choose another --out.")
    refuse_to_destroy(out, needed, overwrite=overwrite)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json`, sealed by a hash over its own content."""
    values = record.model_dump(mode="json")
    write_json(folder / RECORD, values | {"seal": seal_of(values)})


def finish(partial: Path, out: Path, overwrite: bool, needed: Iterable[str | Path] = ()) -> None:
    """Rename the complete folder to `out`; last, so that a half-written run never has this name. Raises
    OutputExistsError, OutputError."""
    check_run_free(out, overwrite, needed)
    with cannot_write(out):
        take_back(out)
        put_in_place(partial, out, overwrite=overwrite)


TOGETHER = " + "
"""Between the ids of several networks that are one base."""


def base_ids(record: RunRecord) -> tuple[str, ...]:
    """The id of each network of a run's base."""
    return tuple(record.base_id.split(TOGETHER)) if record.options.get("beside") else (record.base_id,)


def is_run(folder: Path) -> bool:
    """Whether the folder is a finished run."""
    return (folder / RECORD).is_file()


def record_hash(record: RunRecord) -> str:
    """Hash over a run's record, which holds the hashes of its files: it identifies the run."""
    return seal_of(record.model_dump(mode="json"))


def read_record(run: Path) -> RunRecord:
    """The record of a finished run. Raises RunError."""
    if not run.is_dir():
        if run.is_file():
            raise RunError(f"{run}: it is a file, and a run is a folder; give the folder that a training wrote.")
        remedy = "continue it with --resume" if partial_folder(run).exists() else "give the folder of a finished run"
        raise RunError(f"{run}: no such run; {remedy}.")
    if run.name.startswith(".") and run.name.endswith(".partial"):
        raise RunError(f"{run}: this run was interrupted; continue it with --resume.")
    if not is_run(run):
        raise RunError(
            f"{run}: holds no {RECORD}, so it is not a finished run; give the folder that a training wrote, or train "
            "again."
        )
    values = read_json(run / RECORD)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{run / RECORD}: has schema version {version}, this kenpin reads {SCHEMA_VERSION}; use the kenpin that "
            "trained it."
        )
    if values.pop("seal", None) != seal_of(values):
        raise RunError(f"{run / RECORD}: is not what the training wrote; {REMEDY}.")
    try:
        return RunRecord.model_validate(values)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{run / RECORD}: {field} is missing or wrong; restore the file or train again.") from error


def space_of(record: RunRecord) -> str:
    """Hash of all that determines a run's embeddings: its base and its trained weights. Heads, unit spaces, references
    and calibrations on top of the embeddings do not change it."""
    network = {
        name: digest
        for name, digest in record.files.items()
        if name.startswith(f"{MODEL}/") and not name.endswith((".npz", CALIBRATION))
    }
    base = (record.base_id, record.base_commit, record.base_probe, record.image_size_wh)
    identity = json.dumps([base, sorted(network.items())], ensure_ascii=False)
    return hashlib.blake2b(identity.encode(errors="surrogatepass"), digest_size=16).hexdigest()


def seal_of(values: Mapping[str, Any]) -> str:
    """Hash over the values of a record, whatever their order."""
    canonical = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(errors="surrogatepass"), digest_size=16).hexdigest()
