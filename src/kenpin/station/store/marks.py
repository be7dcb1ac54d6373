"""Marks of settled parts, as texts, for tables of parts."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence

from sqlalchemy import Connection, and_, select

from kenpin.station.store.opening import Store
from kenpin.station.store.review_tables import REVIEWS
from kenpin.station.store.view_tables import VIEWS

TextsOf = Callable[[Sequence[str]], Mapping[str, str]]
"""Texts on the parts with these keys, by key, such as their marks; parts without any are not in it."""


def settled_marks(connection: Connection, keys: Sequence[str]) -> dict[str, str]:
    """The marks that were settled on parts, as JSON, by key; those of parts by several pictures with the places of
    their views. Parts without any are not in it."""
    deciding = and_(VIEWS.c.key == REVIEWS.c.key, VIEWS.c.decides)
    counting = (
        select(REVIEWS.c.key, REVIEWS.c.marks, VIEWS.c.number)
        .outerjoin(VIEWS, deciding)
        .where(REVIEWS.c.marks_hold, REVIEWS.c.marks.is_not(None), REVIEWS.c.key.in_(keys))
    )
    return {row.key: _on_views(row.marks, row.number) for row in connection.execute(counting)}


def _on_views(marks: str, deciding: int | None) -> str:
    if deciding is None:
        return marks
    # until people could draw on each view, all that they drew was on the one that stands for the part
    values = [{**mark, "view": mark.get("view", deciding)} for mark in json.loads(marks)]
    return json.dumps(values, separators=(",", ":"))


def marks_in(store: Store) -> TextsOf:
    """The settled marks in a store, asked in a transaction each time. What it gives raises StoreError."""

    def marks_of(keys: Sequence[str]) -> Mapping[str, str]:
        with store.reading() as connection:
            return settled_marks(connection, keys)

    return marks_of
