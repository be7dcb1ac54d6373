"""The views of parts in the store: which pictures a part that is judged by several has."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from sqlalchemy import Connection, select

from kenpin.inspection.record import PartRecord, first_map, first_score
from kenpin.station.store.marks import TextsOf
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.tables import as_number
from kenpin.station.store.view_tables import VIEWS

_INSERT = VIEWS.insert()
_PAGE = 10_000


@dataclass(frozen=True, slots=True)
class ViewRow:
    """A picture of a part that is judged by several."""

    key: str
    """Of its part."""
    number: int
    """Its place among the record's views, from 0."""
    name: str | None
    """Of the view, shortened where it is long; None where its picture names none."""
    id: str
    """Of its picture, shortened where it is long."""
    picture_hash: str
    """Empty where it could not be read."""
    width_px: int | None
    """Of the picture as displayed; None where it cannot be opened."""
    height_px: int | None
    score: float | None
    """Of the first run that has one."""
    map: str | None
    """File of the first run's map that was drawn, below the folder of the records."""
    decides: bool
    """Whether its picture stands for the part."""

    @property
    def size_wh(self) -> tuple[int, int] | None:
        """Of its picture as displayed; None where it cannot be opened."""
        return None if self.width_px is None or self.height_px is None else (self.width_px, self.height_px)


def add_views(connection: Connection, by_part: Mapping[str, PartRecord]) -> None:
    """Add the views of parts that are new in the store, from their records by their keys; at least one."""
    connection.execute(_INSERT, [row for key, record in by_part.items() for row in _rows(key, record)])


def _rows(key: str, record: PartRecord) -> Iterator[dict[str, Any]]:
    for number, view in enumerate(record.views):
        width_px, height_px = view.size_wh or (None, None)
        yield {
            "key": key,
            "number": number,
            "name": view.name,
            "id": view.id,
            "picture_hash": view.picture_hash,
            "width_px": width_px,
            "height_px": height_px,
            "score": as_number(first_score(view.answers)),
            "map": first_map(view.answers),
            "decides": view is record.deciding,
        }


def views_of(connection: Connection, key: str) -> tuple[ViewRow, ...]:
    """The views of a part in the order of its record; none where it is of one picture."""
    wanted = select(VIEWS).where(VIEWS.c.key == key).order_by(VIEWS.c.number)
    return tuple(ViewRow(**row) for row in connection.execute(wanted).mappings())


def views_in(store: Store) -> TextsOf:
    """The views of parts in a store as JSON by the parts' keys, for tables of parts, asked in a transaction each time.
    What it gives raises StoreError."""

    def texts_of(keys: Sequence[str]) -> Mapping[str, str]:
        with store.reading() as connection:
            found = connection.execute(select(VIEWS).where(VIEWS.c.key.in_(keys)).order_by(VIEWS.c.key, VIEWS.c.number))
            rows = [ViewRow(**row) for row in found.mappings()]
        return {key: json.dumps([_told(one) for one in of], ensure_ascii=False) for key, of in groupby(rows, _key)}

    return texts_of


def _key(view: ViewRow) -> str:
    return view.key


def _told(view: ViewRow) -> dict[str, Any]:
    return {"view": view.name, "picture_hash": view.picture_hash, "score": view.score, "decides": view.decides}


def stream_views(store: Store, product: str, *, size: int = _PAGE) -> Iterator[ViewRow]:
    """The views of all parts of a product, some at a time. Raises StoreError."""
    wanted = (
        select(VIEWS)
        .join(PARTS, PARTS.c.key == VIEWS.c.key)
        .where(PARTS.c.product == product)
        .order_by(VIEWS.c.key, VIEWS.c.number)
        .limit(size)
    )
    asked = wanted
    while True:
        with store.reading() as connection:
            rows = [ViewRow(**row) for row in connection.execute(asked).mappings()]
        yield from rows
        if len(rows) < size:
            return
        last = rows[-1]
        is_behind = (VIEWS.c.key > last.key) | ((VIEWS.c.key == last.key) & (VIEWS.c.number > last.number))
        asked = wanted.where(VIEWS.c.key >= last.key, is_behind)
