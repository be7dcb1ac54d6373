"""The doctor on a cluster: workers open the pictures, measure them and look for near-duplicates; the findings are those
of one machine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as parquet
from numpy.typing import NDArray

from kenpin.cluster.pieces import DataPiece, Work, by_workers, job_folder, no_tool, pieces_of, state_of, work_through
from kenpin.cluster.starting import Cluster
from kenpin.data.dataset import Dataset
from kenpin.data.doctor.examination import Examination, examine_dataset
from kenpin.data.doctor.pictures import Look, look_at
from kenpin.data.doctor.subject import Subject
from kenpin.data.duplicates import connected, links_of_share
from kenpin.data.streaming import stream
from kenpin.models.contract import Progress
from kenpin.records import Example, Finding
from kenpin.records_json import from_json, to_json

_LOOK, _HASH = "look", "perceptual"
_IN_JSON = [field.name for field in fields(Look) if field.name != _HASH]
_FEWEST_HASHES = 10_000  # fewer are compared here before a task begins


def examine_on(
    cluster: Cluster, dataset: Dataset, findings: Iterable[Finding] = (), progress: Progress | None = None
) -> Examination:
    """Examine a data set that was read, as `examine_dataset` does. findings: those of its reader. What is known of a
    picture comes back from the workers, a few hundred bytes each, and is held here. Raises as `work_through`."""
    if dataset.item_names or not len(dataset):
        return examine_dataset(dataset, findings)
    job = {"looks": state_of(dataset), "root": dataset.root, "pictures": len(dataset)}
    with job_folder(job) as folder:
        pieces = pieces_of(dataset, folder)
        work_through(cluster, dataset, pieces, Work(no_tool, _write_looks), "examining", progress)
        subject = Subject(dataset)
        subject.clusters_of = _clusters_by(cluster)
        return examine_dataset(dataset, findings, subject=subject, looks=_looks(dataset, pieces))


def _write_looks(_: None, part: Dataset, file: Path) -> None:
    looks = [look for _, look in stream(look_at, part)]
    texts = [json.dumps({name: to_json(getattr(look, name)) for name in _IN_JSON}) for look in looks]
    hashes = [look.perceptual for look in looks]
    parquet.write_table(pa.table({_LOOK: pa.array(texts, pa.string()), _HASH: pa.array(hashes, pa.binary())}), file)


def _looks(dataset: Dataset, pieces: Iterable[DataPiece]) -> Iterator[tuple[Example, Look]]:
    examples = iter(dataset)
    for piece in pieces:
        for row in parquet.read_table(piece.file).to_pylist():
            look = from_json(Look, json.loads(row[_LOOK]), str(piece.file))
            yield next(examples), replace(look, perceptual=row[_HASH])


def _clusters_by(cluster: Cluster) -> Callable[[NDArray[np.uint64]], list[tuple[int, ...]]]:
    def clusters_of(hashes: NDArray[np.uint64]) -> list[tuple[int, ...]]:
        return near_duplicates_on(cluster, hashes)

    return clusters_of


def near_duplicates_on(
    cluster: Cluster, hashes: NDArray[np.uint64], shares: int | None = None
) -> list[tuple[int, ...]]:
    """`near_duplicate_clusters` by workers, each of which compares the hashes of its share of every band. hashes: (n,
    words); shares: None for one a worker, and for one where hashes are few."""
    distinct, of_each = np.unique(hashes, axis=0, return_inverse=True)
    count = (cluster.workers if len(distinct) >= _FEWEST_HASHES else 1) if shares is None else shares
    blocks = [links_of_share(distinct, 0, 1)] if count == 1 else _links_on(cluster, distinct, count)
    members: dict[int, list[int]] = {}
    for index, number in enumerate(connected(len(distinct), blocks)[of_each.ravel()].tolist()):
        members.setdefault(number, []).append(index)
    return [tuple(indices) for indices in members.values() if len(indices) > 1]


def _links_on(cluster: Cluster, hashes: NDArray[np.uint64], shares: int) -> list[NDArray[np.int64]]:
    import ray

    held = ray.put(hashes)  # of which the workers of a machine read one copy
    tables = [pa.table({"share": [share]}) for share in range(shares)]
    return [
        np.stack([batch.column(name).to_numpy() for name in ("first", "second")], axis=1)
        for batch in by_workers(cluster, tables, _Links, [held], shares)
        if len(batch)
    ]


class _Links:
    """In a process of its own: the links of shares."""

    def __init__(self, held: list[Any], shares: int) -> None:
        import ray

        (reference,) = held  # in a list, since one by itself would be handed over as what it stands for
        self._hashes, self._shares = ray.get(reference), shares

    def __call__(self, table: pa.Table) -> pa.Table:
        """One share -> its links."""
        (share,) = table.column("share").to_pylist()
        links = links_of_share(self._hashes, share, self._shares)
        return pa.table({"first": links[:, 0], "second": links[:, 1]})
