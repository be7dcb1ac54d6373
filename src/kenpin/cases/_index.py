"""The index over a library's vectors: none while looking at every case is fast, then partitions of like vectors.

Partitions (IVF, exact distances within them) were chosen before graphs and before shortened vectors: they are built in
seconds, and what they find is a matter of how many of them are looked at, which also holds where few cases are meant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kenpin.cases._table import condition
from kenpin.cases.case import CaseFilter, Metric

if TYPE_CHECKING:
    from lancedb.table import Table

EXACT_UP_TO = 20_000
"""Cases among which every one is looked at; also how many may be added before they are indexed."""
LOOKED_AT = 10_000
"""Cases, of those that are meant, that the partitions looked at hold between them, on average."""
_NAME = "vector_idx"
_FILES = 100
"""Files from which on they are joined: every addition makes one."""


def is_indexed(table: Table) -> bool:
    """Whether there is an index."""
    return table.index_stats(_NAME) is not None


def probes(table: Table, among: CaseFilter) -> int | None:
    """How many partitions to look at where these cases are meant; None: look at every case."""
    if len(table) <= EXACT_UP_TO or not is_indexed(table) or (meant := count(table, among)) <= EXACT_UP_TO:
        return None
    return math.ceil(_partitions(len(table)) * LOOKED_AT / meant)


def count(table: Table, among: CaseFilter) -> int:
    """How many cases are meant."""
    where = condition(among)
    if where is None:
        return len(table)
    if among == CaseFilter(verdicts=among.verdicts):
        return int(table.count_rows(where.to_sql()))
    # as a text, which is all that LanceDB counts by, a backslash of a label would end it
    return len(table.search().where(where).select(["verdict"]).to_arrow())


def tend_index(table: Table, metric: Metric) -> None:
    """Join files and index anew, where many cases or files came since it was last done."""
    from lancedb.index import Bitmap, BTree, IvfFlat

    index = table.index_stats(_NAME)
    waiting = len(table) if index is None else index.num_unindexed_rows
    if waiting <= EXACT_UP_TO and table.stats()["fragment_stats"]["num_fragments"] <= _FILES:
        return
    try:
        table.optimize()
        if len(table) > EXACT_UP_TO:
            # anew, and after the joining: an index that LanceDB brought up to date takes three times as long to search
            partitions = IvfFlat(distance_type=metric, num_partitions=_partitions(len(table)))
            for column, kind in {"verdict": Bitmap(), "label": BTree(), "lot": BTree(), "vector": partitions}.items():
                table.create_index(column, config=kind, replace=True)
    except RuntimeError as error:
        if "commit conflict" not in str(error):
            raise
        # another process wrote meanwhile; its tending, or the next, does it


def _partitions(cases: int) -> int:
    return math.isqrt(cases)
