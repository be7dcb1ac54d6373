"""What the trail's entries about references mean for the store."""

from __future__ import annotations

from sqlalchemy import Connection, func, insert, select

from kenpin.station.monitoring.references import REFERENCE_SET
from kenpin.station.store.applying import applies
from kenpin.station.store.reference_tables import REFERENCE_STRETCHES
from kenpin.station.store.tables import micros_of
from kenpin.station.trail import Entry


@applies(REFERENCE_SET)
def reference_set(connection: Connection, entry: Entry) -> None:
    """A person chose the reference of a version, or its beginning again."""
    product, table = entry.about["product"], REFERENCE_STRETCHES
    last = select(func.coalesce(func.max(table.c.number), 0)).where(table.c.product == product)
    connection.execute(
        insert(table).values(
            product=product,
            number=connection.execute(last).scalar_one() + 1,
            version=entry.about["version"],
            from_us=entry.about["from_us"],
            to_us=entry.about["to_us"],
            who=entry.who,
            at_us=micros_of(entry.at),
            reason=entry.about["reason"],
        )
    )
