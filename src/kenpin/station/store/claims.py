"""Claims: of several nodes on one store, one alone judges a part."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import Connection, delete, select

from kenpin.station.clock import now_us
from kenpin.station.store.part_tables import CLAIMS, PARTS
from kenpin.station.store.tables import insert_into


def claim(connection: Connection, keys: Collection[str], node: str) -> set[str]:
    """Claim parts for a node, and return the keys of those that it may not judge: another node has claimed them, or has
    recorded them since they were looked for. keys: of `key_of`."""
    if not keys:
        return set()
    at = now_us()
    # in one order, so that two nodes with the same parts do not wait for one another
    rows = [{"key": key, "node": node, "claimed_us": at} for key in sorted(keys)]
    connection.execute(insert_into(connection, CLAIMS).on_conflict_do_nothing(), rows)
    own = select(CLAIMS.c.key).where(CLAIMS.c.key.in_(keys), CLAIMS.c.node == node)
    # asked last: whoever ends a claim adds the part in the same transaction
    recorded = select(PARTS.c.key).where(PARTS.c.key.in_(keys))
    owned = set(connection.execute(own).scalars())
    gone = set(connection.execute(recorded).scalars())
    if owned & gone:
        connection.execute(delete(CLAIMS).where(CLAIMS.c.key.in_(owned & gone)))
    return {*keys} - (owned - gone)


def release_all(connection: Connection, node: str) -> int:
    """End all claims of a node, which has no part in hand; returns how many they were."""
    return connection.execute(delete(CLAIMS).where(CLAIMS.c.node == node)).rowcount
