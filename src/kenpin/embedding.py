"""Embeddings of a whole data set by a run, written in pieces that survive a kill, and read back."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from kenpin.cluster.pieces import PIECE, DataPiece, Work, contents_on, pieces_of, work_through
from kenpin.cluster.predicting import ClusterPredictor, error_values, set_aside
from kenpin.data.dataset import Dataset
from kenpin.data.loading import as_dataset
from kenpin.data.taking import DataSource
from kenpin.display import Shown
from kenpin.errors import DatasetError, ImageError, OutputExistsError, RunError
from kenpin.files import (
    cannot_write,
    check_writable,
    new_file,
    new_folder,
    partial_folder,
    read_json,
    refuse_to_destroy,
    sole_writer,
    write_json,
)
from kenpin.models.contract import Progress
from kenpin.plural import counted
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example
from kenpin.run.record import space_of
from kenpin.runtime.engines import EngineName
from kenpin.stored_arrays import first_array, mapped_array

PARQUET, NPZ = "vectors.parquet", "vectors.npz"
_RECORD, _SCHEMA = "embedding.json", 1
_ERROR = "error"
_COLUMNS = (("id", pa.string()), ("label", pa.string()), ("split", pa.string()))


@dataclass(frozen=True, slots=True, repr=False)
class Embedding(Shown):
    """Pictures with their embeddings, (n, d), in the data set's order."""

    ids: tuple[str, ...]
    labels: tuple[str | None, ...]
    splits: tuple[str | None, ...]
    vectors: NDArray[np.float32]
    space: str
    """Embeddings of equal spaces can be compared; those of another network cannot."""
    run: str
    """Folder of the run that made them."""
    not_opened: tuple[str, ...] = ()
    """Ids of pictures that could not be opened and have no embedding."""


def embed(
    run: str | Path | ClusterPredictor,
    dataset: DataSource,
    out: str | Path,
    *,
    device: str | None = None,
    engine: EngineName = "auto",
    overwrite: bool = False,
    progress: Progress | None = None,
    on_error: Callable[[Example, ImageError], None] | None = None,
) -> Embedding:
    """Write the embeddings of all pictures into the folder `out`: `vectors.parquet` (id, label, split, vector),
    `vectors.npz` (vectors, ids, labels, splits; a missing label or split is empty) and `embedding.json`.

    run: its folder, or its predictor on a cluster, of which workers write the pieces; `device` and `engine` are then
    the predictor's. Called again after an interruption it continues with the pieces that lack. Pictures that cannot be
    opened go to `on_error`, if given, and are left out. Raises KenpinError.
    """
    out, dataset = Path(out), as_dataset(dataset)
    on_cluster = run if isinstance(run, ClusterPredictor) else None
    where = str(run) if on_cluster is None else on_cluster.run
    _check_target(out, overwrite, (where, dataset.root, Path.cwd()))
    if not len(dataset):
        raise DatasetError(f"{dataset.root or 'the data set'}: there is no picture to embed; choose another split.")
    predictor: Predictor = on_cluster or load_predictor(where, device=device, engine=engine)
    if on_cluster is not None:
        dataset = contents_on(on_cluster.cluster, dataset)
    assert predictor.record is not None
    record = predictor.record
    job = {
        "schema": _SCHEMA,
        "run": where,
        "family": record.family,
        "base_id": record.base_id,
        "space": space_of(record),
        "dataset": {"path": dataset.root, "fingerprint": dataset.fingerprint()},
        "pictures": len(dataset),
        "piece": PIECE,
    }
    if predictor.engine != "torch":  # pieces of two engines differ by their rounding
        job["engine"] = predictor.engine
    partial = partial_folder(out)
    with cannot_write(out), sole_writer(partial), _removed_if_empty(partial):
        _take_up(partial, job, overwrite)
        pieces = pieces_of(dataset, partial)
        if on_cluster is not None:
            _write_on_cluster(on_cluster, dataset, pieces, progress, on_error)
        for piece in pieces:
            if not piece.file.is_file():
                shown = None if progress is None else _shifted(progress, piece.rows.start, len(dataset))
                with new_file(piece.file) as unfinished:
                    _write_piece(predictor, dataset.select(piece.rows), unfinished, shown, on_error)
        with new_folder(out, overwrite=overwrite) as folder:
            _join([piece.file for piece in pieces], folder, job)
        shutil.rmtree(partial)
    return read_embedding(out)


@contextmanager
def _removed_if_empty(partial: Path) -> Iterator[None]:
    """Remove the partial folder where no piece was finished."""
    try:
        yield
    finally:
        if not any(partial.glob("*.parquet")):
            shutil.rmtree(partial, ignore_errors=True)


def read_embedding(folder: str | Path) -> Embedding:
    """The embedding that `embed` wrote. Raises RunError."""
    folder = Path(folder)
    record = read_json(folder / _RECORD)
    if record.get("schema") != _SCHEMA:
        raise RunError(f"{folder / _RECORD}: is not of a form that this kenpin reads; embed the pictures again.")
    try:
        vectors = mapped_array(folder / NPZ, "vectors")
        names = [name for name, _ in _COLUMNS]
        table = pq.read_table(folder / PARQUET, columns=names if vectors is not None else None)
        if vectors is None:
            vectors = _matrix(table)
        ids, labels, splits = (tuple(table.column(name).to_pylist()) for name, _ in _COLUMNS)
    except (OSError, pa.ArrowException, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise RunError(f"{folder}: cannot be read; embed the pictures again.") from error
    return Embedding(ids, labels, splits, vectors, record["space"], record["run"], tuple(record["not_opened"]))


def _check_target(out: Path, overwrite: bool, needed: tuple[str | Path, ...]) -> None:
    check_writable(out, overwrite, folder=True)
    if out.is_dir() and any(out.iterdir()) and not (out / _RECORD).is_file():
        raise OutputExistsError(
            f"{out}: holds no embeddings, and --overwrite replaces nothing else; choose another name."
        )
    refuse_to_destroy(out, needed, overwrite=overwrite)


def _take_up(partial: Path, job: dict[str, Any], overwrite: bool) -> None:
    """Prepare the partial folder for this job, or continue in the existing one. Raises OutputExistsError."""
    saved = partial / _RECORD
    if saved.is_file():
        if read_json(saved) == job:
            return
        if not overwrite:
            raise OutputExistsError(
                f"{partial}: embeddings by another run or of another data set are half written there; finish them with "
                "that command, or discard them with --overwrite."
            )
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_json(saved, job)


def _shifted(progress: Progress, start: int, total: int) -> Progress:
    return lambda doing, done, _: progress("embedding", start + done, total)


def _write_piece(
    predictor: Predictor,
    part: Dataset,
    piece: Path,
    progress: Progress | None,
    on_error: Callable[[Example, ImageError], None] | None,
) -> None:
    """Write a piece to a file. A picture that could not be opened has no embedding, and the error is beside it."""
    not_opened: list[str] = []
    errors: list[str] = []

    def set_aside(example: Example, error: ImageError) -> None:
        if on_error is None:
            raise error
        on_error(example, error)
        not_opened.append(example.id)
        errors.append(json.dumps(error_values(error)))

    batches = list(predictor.embed(part, progress=progress, on_error=set_aside))
    examples = [example for batch, _ in batches for example in batch]
    rows = {name: [getattr(example, name) for example in examples] + [None] * len(not_opened) for name, _ in _COLUMNS}
    rows["id"] = [example.id for example in examples] + not_opened
    vectors = [vector for _, batch in batches for vector in batch] + [None] * len(not_opened)
    table = pa.table(
        {name: pa.array(rows[name], kind) for name, kind in _COLUMNS}
        | {"vector": pa.array(vectors, pa.list_(pa.float32()))}
        | {_ERROR: pa.array([None] * len(examples) + errors, pa.string())}
    )
    pq.write_table(table, piece, compression="none")


def _write_on_cluster(
    predictor: ClusterPredictor,
    dataset: Dataset,
    pieces: list[DataPiece],
    progress: Progress | None,
    on_error: Callable[[Example, ImageError], None] | None,
) -> None:
    """Have workers write the pieces; tell of all pictures that could not be opened, of pieces from before too."""
    work_through(predictor.cluster, dataset, pieces, Work(predictor.load, _write_in_worker), "embedding", progress)
    for piece in pieces:
        table = pq.read_table(piece.file, columns=["id", _ERROR])
        if table.column(_ERROR).null_count < len(table):
            examples = {example.id: example for example in dataset.select(piece.rows)}
            for id, error in zip(table.column("id").to_pylist(), table.column(_ERROR).to_pylist(), strict=True):
                if error is not None:
                    set_aside(examples[id], json.loads(error), on_error)


def _write_in_worker(predictor: Predictor, part: Dataset, piece: Path) -> None:
    _write_piece(predictor, part, piece, None, lambda example, error: None)


def _join(pieces: list[Path], folder: Path, job: dict[str, Any]) -> None:
    """The pieces as one Parquet file and one .npz file, with only one of them in memory at a time."""
    count, dimension, not_opened = 0, 0, []
    for table in map(pq.read_table, pieces):
        sound = table.filter(table.column("vector").is_valid())
        not_opened += table.filter(table.column("vector").is_null()).column("id").to_pylist()
        count += len(sound)
        dimension = dimension or (len(sound.column("vector")[0]) if len(sound) else 0)
    if not count:
        raise DatasetError(f"{job['dataset']['path']}: none of {counted(len(not_opened), 'picture')} can be opened.")
    schema = pa.schema([*_COLUMNS, ("vector", pa.list_(pa.float32(), dimension))])
    columns: dict[str, list[str]] = {name: [] for name, _ in _COLUMNS}
    with (
        pq.ParquetWriter(folder / PARQUET, schema, compression="none") as writer,  # vectors do not compress
        zipfile.ZipFile(folder / NPZ, "w") as archive,
    ):
        with first_array(archive, "vectors", (count, dimension)) as file:
            for table in map(pq.read_table, pieces):
                sound = table.filter(table.column("vector").is_valid())
                file.write(_matrix(sound).tobytes())
                for name, values in columns.items():
                    values += [value or "" for value in sound.column(name).to_pylist()]
                writer.write_table(sound.select(schema.names).cast(schema))
        for name, values in columns.items():
            with archive.open(f"{name}s.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.array(values, np.str_))
    record = job | {"pictures": count, "dimension": dimension, "not_opened": not_opened}
    write_json(folder / _RECORD, {name: value for name, value in record.items() if name != "piece"})


def _matrix(table: pa.Table) -> NDArray[np.float32]:
    flat = [chunk.flatten().to_numpy(zero_copy_only=False) for chunk in _chunks(table)]
    return np.concatenate([np.empty(0, np.float32), *flat]).astype(np.float32).reshape(len(table), -1)


def _chunks(table: pa.Table) -> Iterator[Any]:
    yield from table.column("vector").chunks
