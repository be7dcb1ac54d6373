"""Claims: of several nodes on one store, one alone judges a part."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Executable, Select, bindparam, delete, false, or_, select

from kenpin.inspection.record import PartKey
from kenpin.station.clock import now_us
from kenpin.station.store.part_tables import CLAIMS, PARTS, key_of, key_of_any
from kenpin.station.store.tables import insert_of, is_postgresql, short_text


@dataclass(frozen=True, slots=True)
class RecordPlace:
    """Where the record of a part stands."""

    key: str
    """Of the part in its product."""
    product: str
    node: str
    version: int
    offset_bytes: int


def claim(
    connection: Connection, parts: Collection[PartKey], node: str, product: str | None, first: str | None = None
) -> tuple[dict[PartKey, RecordPlace], set[PartKey]]:
    """Claim parts of a product for a node, and return those that it need not judge, as they have a record, and those
    that it may not judge, as another node has claimed them. product: None for parts of any, whatever they are recorded
    as; first: the product whose record of a part is preferred then."""
    if not parts:
        return {}, set()
    at = now_us()
    keys = {(key_of_any(part) if product is None else key_of(product, part)): part for part in parts}
    # in one order, so that two nodes with the same parts do not wait for one another
    rows = [{"key": key, "node": node, "claimed_us": at} for key in sorted(keys)]
    insert = _insert_free(postgres=is_postgresql(connection))
    added = connection.execute(insert, rows, execution_options={"preserve_rowcount": True}).rowcount
    owned = {*keys}
    if added != len(keys):
        own = select(CLAIMS.c.key).where(CLAIMS.c.key.in_(keys), CLAIMS.c.node == node)
        owned = set(connection.execute(own).scalars())
    # asked last: whoever ends a claim adds the part in the same transaction
    recorded = (
        connection.execute(_RECORDED, {"keys": [*keys], "first": product})
        if product is not None
        else connection.execute(_recorded(are(parts, None)), {"first": first})
    )
    there = {(id, content): RecordPlace(*place) for *place, id, content in recorded}
    found = {part: there[stored(part)] for part in keys.values() if stored(part) in there}
    needless = {key for key in owned if keys[key] in found}
    if needless:
        connection.execute(delete(CLAIMS).where(CLAIMS.c.key.in_(needless)))
    return found, {part for key, part in keys.items() if key not in owned and part not in found}


def _recorded(which: ColumnElement[bool]) -> Select[Any]:
    """Where the records of parts stand; of several of one part the last row counts: that of the preferred product, else
    the first that was recorded."""
    columns = (PARTS.c[name] for name in ("key", "product", "node", "version", "offset_bytes", "id", "content"))
    return select(*columns).where(which).order_by(PARTS.c.product == bindparam("first"), PARTS.c.seq.desc())


_RECORDED = _recorded(PARTS.c.key.in_(bindparam("keys", expanding=True)))


@cache
def _insert_free(*, postgres: bool) -> Executable:
    return insert_of(CLAIMS, postgres=postgres).on_conflict_do_nothing()


def release_all(connection: Connection, node: str) -> int:
    """End all claims of a node, which has no part in hand; returns how many they were."""
    return connection.execute(delete(CLAIMS).where(CLAIMS.c.node == node)).rowcount


def are(parts: Collection[PartKey], product: str | None) -> ColumnElement[bool]:
    """Whether a row is one of these parts, of a product, or with None of any."""
    if product is not None:
        return PARTS.c.key.in_([key_of(product, part) for part in parts])
    return or_(false(), *((PARTS.c.id == id) & (PARTS.c.content == content) for id, content in parts))


def stored(part: PartKey) -> PartKey:
    """Id and content as the store keeps them."""
    return short_text(part[0]), short_text(part[1])
