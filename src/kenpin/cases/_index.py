"""The index of a library's embeddings: none while exact search is fast, then partitions of similar embeddings.

Partitions (IVF, exact distances within them) were preferred to graphs and to quantised vectors: they are built in
seconds, and their recall is set by the number of partitions searched, also where a filter selects few cases.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kenpin.cases._table import condition
from kenpin.cases.case import CaseFilter, Metric

if TYPE_CHECKING:
    from lancedb.table import Table

EXACT_UP_TO = 20_000
"""Most cases that are searched exactly; also how many may be added before they are indexed."""
LOOKED_AT = 10_000
"""Average number of selected cases in the searched partitions together."""
_NAME = "vector_idx"
_FILES = 100
"""Number of files from which they are compacted: every addition makes a file."""


def is_indexed(table: Table) -> bool:
    """Whether there is an index."""
    return table.index_stats(_NAME) is not None


def probes(table: Table, among: CaseFilter) -> int | None:
    """Number of partitions to search for these cases; None: search all cases exactly."""
    if len(table) <= EXACT_UP_TO or not is_indexed(table) or (selected := count(table, among)) <= EXACT_UP_TO:
        return None
    return math.ceil(_partitions(len(table)) * LOOKED_AT / selected)


def count(table: Table, among: CaseFilter) -> int:
    """Number of selected cases."""
    where = condition(among)
    if where is None:
        return len(table)
    if among == CaseFilter(verdicts=among.verdicts):
        return int(table.count_rows(where.to_sql()))
    # LanceDB counts by a text condition alone, which a backslash in a label would break
    return len(table.search().where(where).select(["verdict"]).to_arrow())


def tend_index(table: Table, metric: Metric) -> None:
    """Compact files and rebuild the index, once enough cases or files were added."""
    from lancedb.index import Bitmap, BTree, IvfFlat

    index = table.index_stats(_NAME)
    waiting = len(table) if index is None else index.num_unindexed_rows
    if waiting <= EXACT_UP_TO and table.stats()["fragment_stats"]["num_fragments"] <= _FILES:
        return
    try:
        table.optimize()
        if len(table) > EXACT_UP_TO:
            # rebuilt after the compaction: an index that LanceDB updates takes three times as long to search
            partitions = IvfFlat(distance_type=metric, num_partitions=_partitions(len(table)))
            for column, kind in {"verdict": Bitmap(), "label": BTree(), "lot": BTree(), "vector": partitions}.items():
                table.create_index(column, config=kind, replace=True)
    except RuntimeError as error:
        if "commit conflict" not in str(error):
            raise
        # another process wrote meanwhile; it, or the next call, will do this


def _partitions(cases: int) -> int:
    return math.isqrt(cases)
