"""Marks of settled parts, as texts, for tables of parts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, select

from kenpin.station.store.opening import Store
from kenpin.station.store.review_tables import REVIEWS

TextsOf = Callable[[Sequence[str]], Mapping[str, str]]
"""Texts on the parts with these keys, by key, such as their marks; parts without any are not in it."""


def settled_marks(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """The marks that were settled on parts, as JSON, by key. Parts without any are not in it."""
    counting = select(REVIEWS.c.key, REVIEWS.c.marks).where(REVIEWS.c.marks_hold, REVIEWS.c.marks.is_not(None))
    return {row.key: row.marks for row in connection.execute(counting.where(REVIEWS.c.key.in_(keys)))}


def marks_in(store: Store) -> TextsOf:
    """The settled marks in a store, asked in a transaction each time. What it gives raises StoreError."""

    def marks_of(keys: Sequence[str]) -> Mapping[str, str]:
        with store.reading() as connection:
            return settled_marks(connection, keys)

    return marks_of
