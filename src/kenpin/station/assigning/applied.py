"""What the trail's entries about assigned parts mean for the store."""

from __future__ import annotations

from sqlalchemy import Connection

from kenpin.station.assigning.deciding import ASSIGNED
from kenpin.station.store.adding import move
from kenpin.station.store.applying import applies
from kenpin.station.trail import Entry


@applies(ASSIGNED)
def part_assigned(connection: Connection, entry: Entry) -> None:
    """From now on the part stands under that product."""
    move(connection, entry.about["part"], entry.about["product"])
