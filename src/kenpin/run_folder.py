"""The run folder: the contract between training and everything that uses what was trained."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from zipfile import BadZipFile

import numpy as np
from pydantic import BaseModel, ConfigDict, ValidationError

from kenpin.data.lineage import NOTHING_SEEN, Lineage
from kenpin.data.loading import refuse_to_destroy
from kenpin.errors import OptionError, OutputExistsError, RunError

SCHEMA_VERSION: Literal[2] = 2
_RECORD = "run.json"
MODEL = "model"
"""Folder, below the run's, of everything that decides predictions: weights or adapter, processor, arrays."""
CHECKPOINTS = "checkpoints"
"""Folder, below the run's, of what had been learned on the way."""
CALIBRATION = "calibration.json"
"""File in it of the curve that makes scores probabilities."""


class RunRecord(BaseModel):
    """`run.json`: what was trained, on what, from what, and how it decides."""

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
    """Hash of every file that decisions and reports stand on."""


LINEAGE = "lineage.npz"
"""File of the lineage of a run, or of a network exported from one: content hashes of 32 ASCII bytes each, the role of
each, and the `names` of what it stands on."""
EXPORTED = "kenpin.json"
"""File of an exported network that names the run it comes from."""
_TRAINED_ON = "trained_on.npy"  # in its place in the first edition: of the last training's pictures alone
_EVALUATION, _THUMBNAILS, _MAPS, _VECTORS = "evaluation.json", "thumbnails.parquet", "maps.npz", "embedding.npz"
_SEALED = (f"{MODEL}/**/*", LINEAGE, _EVALUATION, _THUMBNAILS, _MAPS, _VECTORS, "metrics.jsonl",
           "evolution/**/*", f"{CHECKPOINTS}/*/*.safetensors", f"{CHECKPOINTS}/*/trainer_state.json")  # fmt: skip
_REMEDY = "restore it from a copy or train again"


@dataclass(frozen=True, slots=True)
class EvaluationFiles:
    """Where a run keeps an evaluation, and what its report shows of the pictures that were judged in it."""

    evaluation: Path
    thumbnails: Path
    maps: Path
    vectors: Path | None
    """None of a further evaluation: the plot of the vectors is of the run's own pictures."""

    def clear(self) -> None:
        """Remove them, the evaluation first: pictures without it are never read."""
        for file in (self.evaluation, self.thumbnails, self.maps, self.vectors):
            if file is not None:
                file.unlink(missing_ok=True)


def evaluation_files(run: Path, name: str | None = None) -> EvaluationFiles:
    """The files of the evaluation that was kept under this name; None: of the run's own, which are sealed."""
    if name is None:
        return EvaluationFiles(run / _EVALUATION, run / _THUMBNAILS, run / _MAPS, run / _VECTORS)
    evaluation, thumbnails, maps = (
        run / f"{file.stem}-{name}{file.suffix}" for file in map(Path, (_EVALUATION, _THUMBNAILS, _MAPS))
    )
    return EvaluationFiles(evaluation, thumbnails, maps, None)


def further_evaluations(run: Path) -> list[str]:
    """Names of the evaluations that were kept beside the run's own."""
    stem, suffix = Path(_EVALUATION).stem, Path(_EVALUATION).suffix
    return sorted(file.stem.removeprefix(f"{stem}-") for file in run.glob(f"{stem}-*{suffix}"))


def partial_folder(out: Path) -> Path:
    """Where a run is written until it is whole: a hidden sibling, so that the last step is one rename."""
    return out.with_name(f".{out.name}.partial")


def check_free(out: Path, overwrite: bool) -> None:
    """Raises OutputExistsError where `out` is there and must not be replaced."""
    if os.path.lexists(out) and not overwrite:
        raise OutputExistsError(f"{out} already exists; choose another name or allow it with --overwrite.")


def check_run_free(out: Path, overwrite: bool, needed: Iterable[str | Path]) -> None:
    """Raises OutputExistsError where a run must not be put: nothing but a run is ever replaced, and none that holds
    what is still `needed`."""
    check_free(out, overwrite)
    empty = out.is_dir() and not out.is_symlink() and not any(out.iterdir())
    if os.path.lexists(out) and not empty and (out.is_symlink() or not (out / _RECORD).is_file()):
        raise OutputExistsError(f"{out}: is not a run, and --overwrite replaces nothing else; choose another --out.")
    refuse_to_destroy(out, needed, overwrite=overwrite)


def check_writable(place: Path, overwrite: bool, *, folder: bool = False) -> None:
    """Refuse before the work what could not be written after it: a file, or a `folder`.

    Raises OutputExistsError, OptionError.
    """
    check_free(place, overwrite)
    if place.is_dir() is not folder and (place.exists() or not place.name):
        is_what, wanted = ("a file", "a folder") if folder else ("a folder", "a file in it")
        raise OutputExistsError(f"{place}: is {is_what}; name {wanted}.")
    above = next(one for one in place.absolute().parents if one.exists())
    if not above.is_dir() or not os.access(above, os.W_OK):
        raise OptionError(f"{place}: {above} is not a folder that can be written to; choose another folder.")


def seal(folder: Path) -> dict[str, str]:
    """Hash of each file that decisions and reports stand on, by its path below the run folder, with forward slashes."""
    paths = sorted(path for pattern in _SEALED for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): _hash(path) for path in paths}


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `run.json`, sealed by a hash over its own content."""
    values = record.model_dump(mode="json")
    write_json(folder / _RECORD, values | {"seal": _seal_of(values)})


def finish(partial: Path, out: Path, overwrite: bool, needed: Iterable[str | Path] = ()) -> None:
    """Give the whole folder its name; last, so that a half-written run never has it. Raises OutputExistsError."""
    check_run_free(out, overwrite, needed)
    replaced = out.with_name(f".{out.name}.replaced")
    if out.exists():
        shutil.rmtree(replaced, ignore_errors=True)
        out.rename(replaced)
    partial.rename(out)
    shutil.rmtree(replaced, ignore_errors=True)


def is_run(folder: Path) -> bool:
    """Whether a finished run is there."""
    return (folder / _RECORD).is_file()


def record_hash(record: RunRecord) -> str:
    """Hash over a run's record, which holds those of its files: it tells a run from any other."""
    return _seal_of(record.model_dump(mode="json"))


def read_record(run: Path) -> RunRecord:
    """The record of a finished run. Raises RunError."""
    if not run.is_dir():
        remedy = "continue it with --resume" if partial_folder(run).exists() else "give the folder of a finished run"
        raise RunError(f"{run}: no such run; {remedy}.")
    if run.name.startswith(".") and run.name.endswith(".partial"):
        raise RunError(f"{run}: this run was interrupted; continue it with --resume.")
    if not is_run(run):
        raise RunError(f"{run}: holds no {_RECORD}, so it is not a finished run; train it again.")
    values = read_json(run / _RECORD)
    version = values.get("schema_version")
    if version != SCHEMA_VERSION:
        raise RunError(
            f"{run / _RECORD}: has schema version {version}, this kenpin reads {SCHEMA_VERSION}; use the kenpin that "
            "trained it."
        )
    if values.pop("seal", None) != _seal_of(values):
        raise RunError(f"{run / _RECORD}: is not what the training wrote; {_REMEDY}.")
    try:
        return RunRecord.model_validate(values)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise RunError(f"{run / _RECORD}: {place} is missing or wrong; restore the file or train again.") from error


def space_of(record: RunRecord) -> str:
    """Hash of what decides a run's vectors: its base and what was trained of it. What stands on the vectors, such as
    heads, unit spaces, references and calibrations, leaves the space as it is."""
    network = {
        name: digest
        for name, digest in record.files.items()
        if name.startswith(f"{MODEL}/") and not name.endswith((".npz", CALIBRATION))
    }
    base = (record.base_id, record.base_commit, record.base_probe, record.image_size_wh)
    told = json.dumps([base, sorted(network.items())], ensure_ascii=False)
    return hashlib.blake2b(told.encode(), digest_size=16).hexdigest()


def write_lineage(path: Path, lineage: Lineage, network: Lineage | None = None) -> None:
    """Keep it in a run's folder, or beside an exported network: in its folder, or next to its file.

    network: the lineage of the run's network, and so of its vectors; None: the same. Heads, unit spaces and thresholds
    are no network: nothing that stands on the run takes them.
    """
    contents = sorted(lineage.contents)
    of_network = lineage.contents if network is None else network.contents
    with open(_lineage_file(path), "wb") as file:
        np.savez(
            file,
            contents=np.array(contents, dtype="S32"),
            learned=np.array([content in lineage.learned for content in contents], dtype=bool),
            chosen=np.array([content in lineage.chosen for content in contents], dtype=bool),
            network=np.array([content in of_network for content in contents], dtype=bool),
            names=np.array(lineage.names, dtype=np.str_),
        )


def read_lineage(path: Path, *, of_network: bool = False) -> Lineage:
    """What a run, or a network exported from one, has learned from and was chosen by at any depth; of_network: its
    network alone. Incomplete where the first edition wrote it, which recorded a run's own training pictures alone.

    Raises RunError.
    """
    file = _lineage_file(path)
    try:
        if not file.is_file() and (path / _TRAINED_ON).is_file():
            hashes = np.load(path / _TRAINED_ON, allow_pickle=False)
            return Lineage(frozenset(hashes.astype(str).tolist()), complete=False)
        with np.load(file, allow_pickle=False) as kept:
            contents, within = kept["contents"].astype(str), kept["network"] if of_network else True
            learned, chosen = (frozenset(contents[kept[role] & within].tolist()) for role in ("learned", "chosen"))
            return Lineage(learned, chosen, tuple(kept["names"].tolist()))
    except (OSError, ValueError, KeyError, IndexError, BadZipFile) as error:
        raise RunError(f"{file}: is missing or damaged; {_REMEDY}.") from error


def lineage_of(name: str | Path) -> Lineage:
    """What the network of the run, or the one exported from a run, that lies under this name has learned from, itself
    the last of its names: what stands on it has learned from that too. Nothing where kenpin did not train it.

    Raises RunError.
    """
    path = Path(name).expanduser()
    if not path.exists() and partial_folder(path).is_dir():
        path = partial_folder(path)  # a checkpoint of an interrupted run can be used
    if is_run(path) or _lineage_file(path).is_file():
        learned = read_lineage(path, of_network=True)
        return learned | Lineage(names=(str(name),)) if learned else NOTHING_SEEN
    if (path / EXPORTED).is_file():
        return Lineage(names=(str(name),), complete=False)
    return NOTHING_SEEN


def _lineage_file(path: Path) -> Path:
    return path.with_suffix(f".{LINEAGE}") if path.is_file() else path / LINEAGE


def check_seal(run: Path, files: Mapping[str, str], *, deciding_alone: bool = False) -> None:
    """Raises RunError where a sealed file is missing or not the one that the training wrote, or where one was added to
    what decides. `deciding_alone`: of those that predictions stand on, since a run without its thumbnails can still
    inspect."""
    for path in sorted((run / MODEL).rglob("*")):
        if path.is_file() and path.relative_to(run).as_posix() not in files:
            raise RunError(f"{path}: was not written by the training; remove it.")
    for name, expected in files.items():
        if deciding_alone and not name.startswith((f"{MODEL}/", LINEAGE)):
            continue
        if not name.startswith(f"{CHECKPOINTS}/"):  # they may be removed, and are checked where one is used
            _check_file(run / name, expected)


def check_checkpoint(run: Path, files: Mapping[str, str], checkpoint: Path) -> None:
    """Raises RunError where a checkpoint of a run is not as the training left it."""
    sealed = {name: expected for name, expected in files.items() if run / Path(name).parent == checkpoint}
    if not sealed:
        raise RunError(
            f"{checkpoint}: is not covered by the run's seal; train again with this version of kenpin to use it."
        )
    for name, expected in sealed.items():
        _check_file(run / name, expected)


def _check_file(path: Path, expected: str) -> None:
    if not path.is_file():
        raise RunError(f"{path}: is missing; {_REMEDY}.")
    if _hash(path) != expected:
        raise RunError(f"{path}: is not the file that was trained; {_REMEDY}.")


def write_json(path: Path, values: Mapping[str, Any]) -> None:
    """Write JSON under a temporary name and rename it, so that a reader never sees half of it."""
    temporary = path.with_name(f".{path.name}.partial")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False), encoding="utf-8")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise type(error)(error.errno, error.strerror, str(path)) from error  # the name that was asked for


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file of a run. Raises RunError."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read as JSON; restore it from a copy or make it again.") from error
    if not isinstance(values, dict):
        raise RunError(f"{path}: does not hold a JSON object; restore it from a copy or make it again.")
    return values


@contextmanager
def sole_writer(partial: Path, doing: str = "training") -> Iterator[None]:
    """Hold the partial folder: a second process that trains into it, or else is `doing` so, is refused.

    Raises RunError.
    """
    import fcntl

    name = partial.with_name(f"{partial.name}.lock")
    name.parent.mkdir(parents=True, exist_ok=True)
    with open(name, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.path.samestat(os.fstat(lock.fileno()), name.stat()):
                raise BlockingIOError  # opened just before its last holder removed it
        except OSError as error:
            raise RunError(f"{partial}: another process is {doing} into it; wait, or choose another --out.") from error
        try:
            yield
        finally:
            name.unlink(missing_ok=True)


def _seal_of(values: Mapping[str, Any]) -> str:
    canonical = json.dumps(values, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    return hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=16)).hexdigest()
