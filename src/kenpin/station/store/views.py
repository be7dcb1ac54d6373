"""The views of parts in the store: which pictures a part that is judged by several has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from kenpin.inspection.record import RecordedView
from kenpin.station.store.opening import Store
from kenpin.station.store.part_tables import PARTS
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


def add_views(connection: Connection, by_part: Mapping[str, Sequence[RecordedView]]) -> None:
    """Add the views of parts that are new in the store, by the keys of the parts; at least one."""
    rows = [
        {"key": key, "number": number, "name": view.name, "id": view.id, "picture_hash": view.picture_hash}
        for key, views in by_part.items()
        for number, view in enumerate(views)
    ]
    connection.execute(_INSERT, rows)


def views_of(connection: Connection, key: str) -> tuple[ViewRow, ...]:
    """The views of a part in the order of its record; none where it is of one picture."""
    wanted = select(VIEWS).where(VIEWS.c.key == key).order_by(VIEWS.c.number)
    return tuple(ViewRow(**row) for row in connection.execute(wanted).mappings())


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
