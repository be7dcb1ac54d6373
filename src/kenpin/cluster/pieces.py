"""Pieces of a data set through workers: each piece's result is a file, written once and whole, under a known name.

A worker is an actor of Ray Data that loads its tool, such as a run with its engine, once. It gets the rows of a piece
as an Arrow table, without the pictures of files, which it opens itself, and writes the result beside its final name
before it takes that. A worker that is killed is started again, and does its piece again unless the file is there. So a
job that is stopped goes on with the pieces that lack; a job of other data, or of another run, has another folder.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, TypeVar

import pyarrow as pa
import pyarrow.parquet as parquet

import kenpin.errors
from kenpin.cluster.starting import Cluster
from kenpin.data.dataset import Dataset
from kenpin.data.in_shards import file_of, file_system, is_address
from kenpin.data.reading.names import readable
from kenpin.data.rows import SCHEMA
from kenpin.errors import KenpinError, OptionError, OutputError
from kenpin.files import cannot_write, new_file, read_json, sole_writer, write_json
from kenpin.models.contract import Progress
from kenpin.models.networks.feature_store import default_folder

Tool = TypeVar("Tool")
_ROWS = 10_000  # hashed at a time
PIECE = 1_024
"""Pictures in a piece: the most that a killed worker does again."""
_IN_MEMORY_BYTES = 128 * 1024**2
_JOB = "job.json"
_NUMBER, _CONTENT = "piece", "content"


@dataclass(frozen=True)
class DataPiece:
    """Some rows of a data set, and the file of their result."""

    number: int
    rows: range
    file: Path


@dataclass(frozen=True)
class Work(Generic[Tool]):
    """What is done with each piece. Both functions are sent to the workers by their name."""

    open: Callable[[], Tool]
    """Loads the tool, once a worker."""
    write: Callable[[Tool, Dataset, Path], None]
    """Writes the result of a piece, a new file at this path."""


def pieces_of(dataset: Dataset, folder: Path, ending: str = ".parquet", each: int | None = None) -> list[DataPiece]:
    """The pieces of a data set in its order, by default of `PIECE` pictures; a file is named by the first row of its
    piece."""
    each = PIECE if each is None else each
    starts = range(0, len(dataset), each)
    return [
        DataPiece(number, range(start, min(start + each, len(dataset))), folder / f"{start:09d}{ending}")
        for number, start in enumerate(starts)
    ]


def work_through(
    cluster: Cluster,
    dataset: Dataset,
    pieces: Sequence[DataPiece],
    work: Work[Any],
    doing: str = "",
    progress: Progress | None = None,
) -> None:
    """Have the files of all pieces written that are not there. progress: told, as `doing`, of all pictures whose pieces
    have ended.

    The folder of the files must be one that all machines of the cluster share. Raises what the work raises, of
    kenpin's errors; OutputError where files do not come to be seen here.
    """
    lacking = [piece for piece in pieces if not piece.file.is_file()]
    total = sum(len(piece.rows) for piece in pieces)
    made = total - sum(len(piece.rows) for piece in lacking)
    if progress is not None:
        progress(doing, made, total)
    if not lacking:
        return
    _refuse_pictures_in_memory(dataset)
    for rows in _ray_through(cluster, dataset, lacking, work):
        made += rows
        if progress is not None:
            progress(doing, made, total)
    if unseen := [piece for piece in lacking if not piece.file.is_file()]:
        raise OutputError(
            f"{unseen[0].file}: a worker wrote it, and it is not seen here; choose a folder that all machines of the "
            "cluster share."
        )


def _ray_through(cluster: Cluster, dataset: Dataset, pieces: Sequence[DataPiece], work: Work[Any]) -> Iterator[int]:
    """Pictures of each piece, as it ends."""
    about = (dataset.classes, dataset.root, dataset.item_names)
    folder, ending = str(pieces[0].file.parent), pieces[0].file.suffix
    tables = [_table_of(dataset, piece) for piece in pieces]
    for batch in by_workers(cluster, tables, _Worker, work, folder, ending, about):
        for result in batch.to_pylist():
            if result["error"]:
                raise _error_of(result["error"], result["sentence"])
            yield result["rows"]


def by_workers(
    cluster: Cluster, tables: Sequence[pa.Table], worker: Callable[..., Callable[[pa.Table], pa.Table]], *about: Any
) -> Iterator[pa.Table]:
    """What workers make of tables, each by itself, as it ends. worker: a class, made of `about` in each process."""
    import ray.data

    results = ray.data.from_arrow([*tables]).map_batches(
        worker,
        fn_constructor_args=about,
        batch_size=None,  # a table is a block, and stays one
        batch_format="pyarrow",
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=min(cluster.workers, len(tables))),
    )
    yield from results.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0)


class _Worker:
    """In a process of its own: has its tool, and writes the result of each piece that it is given."""

    def __init__(self, work: Work[Any], folder: str, ending: str, about: tuple[Any, ...]) -> None:
        self._work, self._folder, self._ending, self._about = work, Path(folder), ending, about
        self._tool: Any = None
        self._has_tool = False

    def __call__(self, table: pa.Table) -> pa.Table:
        """-> one row: how many pictures were in the piece; of an error its kind and sentence."""
        first = table.column(_NUMBER)[0].as_py()
        target = self._folder / f"{first:09d}{self._ending}"
        kind, sentence = "", ""
        try:
            if not target.is_file():  # else it was killed between writing and saying so
                if not self._has_tool:
                    self._tool, self._has_tool = self._work.open(), True
                with new_file(target) as unfinished:
                    self._work.write(self._tool, _dataset_of(table, *self._about), unfinished)
        except KenpinError as error:
            kind, sentence = type(error).__name__, str(error)
        return pa.table({"rows": [len(table)], "error": [kind], "sentence": [sentence]})


def _table_of(dataset: Dataset, piece: DataPiece) -> pa.Table:
    """The rows of a piece, with the number of the first and, where they are known, their content hashes."""
    some = dataset.select(piece.rows)
    rows = some.arrow.cast(SCHEMA).combine_chunks()
    contents: list[str] | list[None] = some.hashed() or [None] * len(some)
    return rows.append_column(_NUMBER, pa.array([piece.rows.start] * len(some), pa.int64())).append_column(
        _CONTENT, pa.array(contents, pa.string())
    )


def _dataset_of(table: pa.Table, classes: Sequence[str], root: str, items: Sequence[str]) -> Dataset:
    contents = table.column(_CONTENT)
    dataset = Dataset(table.select(SCHEMA.names), classes=classes, root=root, item_names=items)
    return dataset if contents.null_count else dataset.with_contents(contents.to_pylist())


def _refuse_pictures_in_memory(dataset: Dataset) -> None:
    """Pictures that no worker can open would all go through the cluster's store, which is small. Raises OptionError."""
    import pyarrow.compute as pc

    held = pc.sum(pc.binary_length(pc.struct_field(dataset.arrow.column("image"), "bytes"))).as_py() or 0
    if held > _IN_MEMORY_BYTES:
        raise OptionError(
            f"{dataset.root or 'the data set'}: its {len(dataset):,} pictures lie in memory or in a mapped file of "
            f"{held:,} bytes, and a cluster opens pictures where they lie; give files, WebDataset shards, or Parquet "
            "files with --format parquet."
        )


def _error_of(kind: str, sentence: str) -> KenpinError:
    found = getattr(kenpin.errors, kind, KenpinError)
    return found(sentence) if isinstance(found, type) and issubclass(found, KenpinError) else KenpinError(sentence)


# ---- the folder of a job ----


@contextmanager
def job_folder(job: Mapping[str, Any], folder: Path | None = None) -> Iterator[Path]:
    """The folder of a job's files, the same for an equal job, so that it goes on where it was stopped; removed once the
    context ends without an error. folder: its parent; None: `cluster` in kenpin's cache, which all machines must
    share. Raises RunError where another process does the same job."""
    text = json.dumps(job, ensure_ascii=False, sort_keys=True)
    name = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    place = (default_folder() / "cluster" if folder is None else folder) / name
    with cannot_write(place), sole_writer(place, "working"):
        place.mkdir(parents=True, exist_ok=True)
        if not (place / _JOB).is_file() or read_json(place / _JOB) != job:
            write_json(place / _JOB, job)
        yield place
        shutil.rmtree(place)


# ---- contents ----


def contents_on(cluster: Cluster, dataset: Dataset, fewest: int = 10_000) -> Dataset:
    """The data set with the content hash of each picture, which workers read: from then on another picture under the
    same name is refused, here and there. fewest: pictures below which they are read here, before a worker had begun.
    Raises as `work_through`."""
    if len(dataset) < fewest and not dataset.item_names:
        return dataset.with_contents(dataset.contents()) if len(set(dataset.column("id"))) == len(dataset) else dataset
    if dataset.item_names or dataset.hashed() is not None or not len(dataset):
        return dataset
    with job_folder({"contents": state_of(dataset), "root": dataset.root, "pictures": len(dataset)}) as folder:
        pieces = pieces_of(dataset, folder, each=8 * PIECE)
        work_through(cluster, dataset, pieces, Work(no_tool, _write_contents))
        found = [parquet.read_table(piece.file).column(_CONTENT).to_pylist() for piece in pieces]
    return dataset.with_contents([content for some in found for content in some])


def state_of(dataset: Dataset) -> str:
    """Hash of all annotations, and of size and time of the files that hold the pictures: what a data set is without
    reading it, by which a job goes on where it was stopped. Pictures in memory are read."""
    digest = hashlib.blake2b(digest_size=16)
    names = [name for name in SCHEMA.names if name != "image"]
    digest.update(json.dumps([dataset.classes, dataset.item_names], ensure_ascii=False).encode())
    for start in range(0, len(dataset), _ROWS):
        some = dataset.select(range(start, min(start + _ROWS, len(dataset))))
        digest.update(json.dumps([some.column(name) for name in names], ensure_ascii=False).encode("utf-8", "replace"))
        paths = some.files()
        digest.update(json.dumps(list(map(readable, map(str, paths)))).encode())
        if None in paths:
            digest.update("".join(some.contents()).encode())
        for file in dict.fromkeys(file_of(path) for path in paths if path is not None):
            digest.update(repr(_state_of_file(file)).encode())
    return digest.hexdigest()


@lru_cache(maxsize=4_096)
def _state_of_shard(file: str, minute: float) -> tuple[int, str]:
    files, path = file_system(file)
    info = files.get_file_info(path)
    return info.size or 0, str(info.mtime)


def _state_of_file(file: str) -> tuple[int, Any]:
    if is_address(file):
        return _state_of_shard(file, time.time() // 60)
    try:
        status = Path(file).stat()
    except OSError:
        return -1, 0
    return status.st_size, status.st_mtime_ns


def no_tool() -> None:
    """Opens nothing, for work that takes pictures alone."""


def _write_contents(_: None, part: Dataset, file: Path) -> None:
    parquet.write_table(pa.table({_CONTENT: pa.array(part.contents(), pa.string())}), file, compression="none")
