"""The index over a library's vectors: none while looking at every case is fast, then partitions of like vectors.

Partitions (IVF, exact distances within them) were chosen before graphs and before shortened vectors: they are built in
seconds, and what they find is a matter of how many of them are looked at, which also holds where few cases are meant.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from kenpin.cases.case import Metric

if TYPE_CHECKING:
    from lancedb.table import Table

EXACT_UP_TO = 20_000
"""Cases among which every one is looked at; also how many may be added before they are indexed."""
LOOKED_AT = 5_000
"""Cases, of those that are meant, that the partitions looked at hold between them, on average."""
_NAME = "vector_idx"
_FILES = 50
"""Small files from which on they are joined."""


def is_indexed(table: Table) -> bool:
    """Whether there is an index."""
    return table.index_stats(_NAME) is not None


def probes(table: Table, meant: int) -> int | None:
    """How many partitions to look at where so many cases are meant; None: look at every case."""
    if meant <= EXACT_UP_TO or (index := table.index_stats(_NAME)) is None:
        return None
    return math.ceil(_partitions(index.num_indexed_rows) * LOOKED_AT / meant)


def tend_index(table: Table, metric: Metric) -> None:
    """Join small files, index what is not."""
    from lancedb.index import IvfFlat

    index = table.index_stats(_NAME)
    waiting = len(table) if index is None else index.num_unindexed_rows
    try:
        if waiting > EXACT_UP_TO and index is None:
            table.create_index("vector", config=IvfFlat(distance_type=metric, num_partitions=_partitions(waiting)))
        elif waiting > EXACT_UP_TO or table.stats()["fragment_stats"]["num_small_fragments"] > _FILES:
            table.optimize()
    except RuntimeError as error:
        if "commit conflict" not in str(error):
            raise
        # another process wrote meanwhile; its tending, or the next, does it


def _partitions(cases: int) -> int:
    return math.isqrt(cases)
