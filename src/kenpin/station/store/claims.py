"""Claims: of several nodes on one store, one alone judges a part."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, Connection, delete, false, or_, select

from kenpin.inspection.record import PartKey
from kenpin.station.clock import now_us
from kenpin.station.store.part_tables import CLAIMS, PARTS, key_of, key_of_any
from kenpin.station.store.tables import insert_into, short_text


def claim(connection: Connection, parts: Collection[PartKey], node: str, product: str | None) -> set[PartKey]:
    """Claim parts of a product for a node, and return those that it may not judge: another node has claimed them, or
    has recorded them since they were looked for. product: None for parts of any, whatever they are recorded as."""
    if not parts:
        return set()
    at = now_us()
    keys = {(key_of_any(part) if product is None else key_of(product, part)): part for part in parts}
    # in one order, so that two nodes with the same parts do not wait for one another
    rows = [{"key": key, "node": node, "claimed_us": at} for key in sorted(keys)]
    connection.execute(insert_into(connection, CLAIMS).on_conflict_do_nothing(), rows)
    own = select(CLAIMS.c.key).where(CLAIMS.c.key.in_(keys), CLAIMS.c.node == node)
    # asked last: whoever ends a claim adds the part in the same transaction
    recorded = select(PARTS.c.id, PARTS.c.content).where(are(parts, product))
    owned = set(connection.execute(own).scalars())
    there = {(row.id, row.content) for row in connection.execute(recorded)}
    gone = {key for key, part in keys.items() if stored(part) in there}
    if owned & gone:
        connection.execute(delete(CLAIMS).where(CLAIMS.c.key.in_(owned & gone)))
    return {keys[key] for key in {*keys} - (owned - gone)}


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
