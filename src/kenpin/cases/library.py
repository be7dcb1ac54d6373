"""The library: cases added, changed, searched, counted and removed, each time completely or not at all."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kenpin.cases._index import count, is_indexed, probes, tend_index
from kenpin.cases._table import COLUMNS, condition, find_table, in_a_sentence, make_table, on_disk, read_about
from kenpin.cases.case import (
    EVERY_CASE,
    NOT_UNWANTED,
    Case,
    CaseFilter,
    CaseStats,
    CaseVerdict,
    Found,
    Metric,
    VectorRun,
)
from kenpin.errors import CaseLibraryError, ShapeError
from kenpin.metrics.intervals import mean_measure
from kenpin.records import Measure

if TYPE_CHECKING:
    from lancedb.table import Table

Vectors = NDArray[np.float32]


class CaseLibrary:
    """Known cases with the embeddings of one run; several processes may use it at the same time."""

    def __init__(self, uri: str, table: Table) -> None:
        self.uri = uri
        self.run, self.metric = read_about(uri, table)
        self.dimension: int = table.schema.field("vector").type.list_size
        self._table = table

    @classmethod
    def find(cls, uri: str) -> CaseLibrary | None:
        """The library at this URI; None where there is none yet. Raises CaseLibraryError, MissingExtraError."""
        table = find_table(uri)
        return None if table is None else cls(uri, table)

    @classmethod
    def open(cls, uri: str) -> CaseLibrary:
        """The library at this URI. Raises CaseLibraryError, MissingExtraError."""
        library = cls.find(uri)
        if library is None:
            raise CaseLibraryError(f"{uri}: there is no library of cases; make one with kenpin cases add.")
        return library

    @classmethod
    def create(cls, uri: str, run: VectorRun, dimension: int, metric: Metric = "cosine") -> CaseLibrary:
        """A new empty library, or that of another process made meanwhile for the same run and metric.

        Raises CaseLibraryError, MissingExtraError.
        """
        library = cls(uri, make_table(uri, run, dimension, metric))
        library.check(run, metric)
        return library

    def check(self, run: VectorRun, metric: Metric | None = None) -> None:
        """Raises CaseLibraryError for embeddings of another run, or, with `metric`, for another metric."""
        if run.id != self.run.id:
            raise CaseLibraryError(
                f"{self.uri}: holds embeddings of run {self.run}, which cannot be compared with those of run {run}; "
                f"take the run in {self.run.path}, or another library."
            )
        if metric not in (None, self.metric):
            raise CaseLibraryError(
                f"{self.uri}: compares by {self.metric} since its first case; leave the metric out, or make another "
                "library."
            )

    def add(self, cases: Sequence[Case], vectors: Vectors) -> frozenset[str]:
        """Add the cases that are new, all of them or none, and return their ids. vectors: (n, dimension).

        When this returns they are on disk, even if the process is then killed. Raises ShapeError, CaseLibraryError.
        """
        self._check_vectors(vectors, len(cases))
        known = self.known([case.id for case in cases])
        new: dict[str, int] = {}
        for row, case in enumerate(cases):
            if case.id not in known:
                new.setdefault(case.id, row)
        if new:
            rows, now = [*new.values()], datetime.now(UTC)
            self._merge([_row(replace(cases[row], added=now)) for row in rows], vectors[rows], changing=False)
        return frozenset(new)

    def change(self, cases: Sequence[Case]) -> tuple[Case, ...]:
        """Update the known ones of these cases, all of them or none, and return them as they are now.

        A field that is None stays unchanged; an empty text removes its value. Raises CaseLibraryError.
        """
        changes = {case.id: case for case in cases}
        stored = self._rows(CaseFilter(ids=tuple(changes)), [*COLUMNS, "vector"]) if changes else None
        if not stored:
            return ()
        rows = [_row(_updated(case, changes[case.id])) for case in map(_case, stored.select(COLUMNS).to_pylist())]
        self._merge(rows, _matrix(stored["vector"]), changing=True)
        return tuple(map(_case, rows))

    def remove(self, among: CaseFilter) -> int:
        """Remove the selected cases, all at once, and return their number. Raises CaseLibraryError."""
        with in_a_sentence(self.uri):
            where = condition(among)
            removed = int(self._table.delete("true" if where is None else where).num_deleted_rows)
            on_disk(self.uri)
            return removed

    def tend(self) -> None:
        """Keep searching fast after many changes: compact small files and update the index. Results do not change.

        Raises CaseLibraryError.
        """
        with in_a_sentence(self.uri):
            tend_index(self._table, self.metric)

    def __len__(self) -> int:
        return self.count()

    def count(self, among: CaseFilter = EVERY_CASE) -> int:
        """Number of selected cases."""
        with in_a_sentence(self.uri):
            return count(self._table, among)

    def known(self, ids: Sequence[str]) -> frozenset[str]:
        """The ids that are in the library."""
        return frozenset(self._rows(CaseFilter(ids=tuple(ids)), ["id"])["id"].to_pylist()) if ids else frozenset()

    def cases(self, among: CaseFilter = EVERY_CASE) -> tuple[Case, ...]:
        """The selected cases, in the order in which they were added."""
        with in_a_sentence(self.uri):
            rows = self._rows(among, COLUMNS).sort_by([("added", "ascending"), ("id", "ascending")])
            return tuple(map(_case, rows.to_pylist()))

    def vectors(self, ids: Sequence[str]) -> Vectors:
        """Embeddings of cases in the order of these ids, (n, dimension) float32. Raises CaseLibraryError."""
        rows = self._rows(EVERY_CASE if len(ids) > _MANY else CaseFilter(ids=tuple(ids)), ["id", "vector"])
        row_of = {id: number for number, id in enumerate(rows["id"].to_pylist())}
        if missing := [id for id in ids if id not in row_of]:
            raise CaseLibraryError(f"{self.uri}: has no case {missing[0]}; it was removed, or never added.")
        return _matrix(rows["vector"])[[row_of[id] for id in ids]]

    def stats(self) -> CaseStats:
        """Counts of cases, by verdict, label and lot."""
        rows = self._rows(EVERY_CASE, ["verdict", "label", "lot"])
        verdicts, labels, lots = (dict(Counter(rows[name].to_pylist()).most_common()) for name in rows.column_names)
        return CaseStats(len(rows), verdicts, labels, lots, is_indexed(self._table))

    def search(
        self,
        vectors: Vectors,
        *,
        k: int = 5,
        among: CaseFilter = CaseFilter(verdicts=NOT_UNWANTED),  # noqa: B008 (frozen)
        exactly: bool = False,
    ) -> list[tuple[Found, ...]]:
        """The k nearest selected cases of each embedding, nearest first. vectors: (n, dimension).

        Cases are filtered before the search, so that others do not crowd them out. `exactly`: without the index,
        however many they are. Raises ShapeError, CaseLibraryError.
        """
        self._check_vectors(vectors, len(vectors))
        where = condition(among)
        with in_a_sentence(self.uri):
            looked_at = None if exactly else probes(self._table, among)
            return [self._nearest(vector, k, where, looked_at) for vector in vectors]

    def recall(self, *, k: int = 10, queries: int = 100, seed: int = 0) -> Measure:
        """Share of the k nearest other cases that a search finds, mean over sampled cases, with its interval."""
        ids = self._rows(EVERY_CASE, ["id"])["id"].to_pylist()
        sampled = random.Random(seed).sample(ids, min(queries, len(ids)))
        vectors = self.vectors(sampled)

        def others_found(exactly: bool) -> list[set[str]]:
            found = self.search(vectors, k=k + 1, among=EVERY_CASE, exactly=exactly)
            return [{one.case.id for one in nearest} - {id} for id, nearest in zip(sampled, found, strict=True)]

        pairs = zip(others_found(exactly=True), others_found(exactly=False), strict=True)
        return mean_measure([len(wanted & found) / len(wanted) for wanted, found in pairs if wanted], seed=seed)

    def _nearest(self, vector: Vectors, k: int, where: Any, looked_at: int | None) -> tuple[Found, ...]:
        """The k nearest cases of one embedding. looked_at: partitions of the index to search; None: no index."""
        query = self._table.search(vector, vector_column_name="vector").distance_type(self.metric).limit(k)
        # 0: no limit, so that further partitions are searched where these hold fewer than k
        query = (
            query.bypass_vector_index() if looked_at is None else query.minimum_nprobes(looked_at).maximum_nprobes(0)
        )
        if where is not None:
            query = query.where(where, prefilter=True)
        rows = query.select([*COLUMNS, "_distance"]).to_arrow().to_pylist()
        # LanceDB returns the square of L2; rounding may leave a cosine distance slightly below 0
        found = ((max(row.pop("_distance"), 0.0), _case(row)) for row in rows)
        return tuple(Found(case, far**0.5 if self.metric == "l2" else far) for far, case in found)

    def _rows(self, among: CaseFilter, columns: Sequence[str]) -> pa.Table:
        with in_a_sentence(self.uri):
            query = self._table.search().select(list(columns))
            where = condition(among)
            return (query if where is None else query.where(where)).to_arrow()

    def _merge(self, rows: list[dict[str, Any]], vectors: Vectors, *, changing: bool) -> None:
        """Write rows in one commit: when this returns all are on disk, before that none is."""
        schema = pa.schema([self._table.schema.field(name) for name in COLUMNS])
        numbers = pa.array(np.ascontiguousarray(vectors, np.float32).ravel())
        table = pa.Table.from_pylist(rows, schema=schema).append_column(
            self._table.schema.field("vector"), pa.FixedSizeListArray.from_arrays(numbers, self.dimension)
        )
        merge = self._table.merge_insert("id")
        merge = merge.when_matched_update_all() if changing else merge.when_not_matched_insert_all()
        with in_a_sentence(self.uri):  # where another process writes at the same moment, LanceDB tries again
            merge.execute(table)
            on_disk(self.uri)

    def _check_vectors(self, vectors: Vectors, count: int) -> None:
        if vectors.shape != (count, self.dimension):
            raise ShapeError(f"{self.uri}: embeddings of shape {vectors.shape}; give {(count, self.dimension)}.")
        if not np.isfinite(vectors).all():
            raise ShapeError(f"{self.uri}: an embedding holds a number that is not finite; leave its picture out.")
        if self.metric == "cosine" and not vectors.any(axis=1).all():
            raise ShapeError(f"{self.uri}: an embedding of zeros has no direction; leave its picture out, or take l2.")


_MANY = 10_000
"""Number of ids from which all rows are read, since a condition of so many ids is slower."""


def _row(case: Case) -> dict[str, Any]:
    optional = {name: getattr(case, name) or None for name in ("label", "note", "lot", "thumbnail")}
    verdict = case.verdict or CaseVerdict.UNKNOWN
    return {"id": case.id, "picture": case.picture, "verdict": verdict.value, "added": case.added, **optional}


def _case(row: dict[str, Any]) -> Case:
    return Case(**row | {"verdict": CaseVerdict(row["verdict"])})


def _updated(case: Case, change: Case) -> Case:
    values = {name: getattr(change, name) for name in ("picture", "verdict", "label", "note", "lot", "thumbnail")}
    return replace(case, **{name: value for name, value in values.items() if value is not None})


def _matrix(column: pa.ChunkedArray) -> Vectors:
    return np.asarray(column.combine_chunks().flatten(), np.float32).reshape(len(column), -1)
