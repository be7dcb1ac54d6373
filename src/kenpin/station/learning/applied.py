"""What the trail's entries about data sets and jobs mean for the store: nothing, as folders hold them."""

from __future__ import annotations

from sqlalchemy import Connection

from kenpin.station.store.applying import applies
from kenpin.station.trail import Entry

FROZEN, ORDERED, CANCELLED = "data-set-frozen", "job-ordered", "job-cancelled"


@applies(FROZEN)
@applies(ORDERED)
@applies(CANCELLED)
def fills_no_rows(connection: Connection, entry: Entry) -> None:
    """The data set and the job stand in their folders."""
