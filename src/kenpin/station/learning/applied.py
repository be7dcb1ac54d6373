"""What the trail's entries about data sets, jobs and removed pictures mean for the store: nothing, as folders hold
them."""

from __future__ import annotations

from sqlalchemy import Connection

from kenpin.station.store.applying import applies
from kenpin.station.trail import Entry

FROZEN, ORDERED, CANCELLED = "data-set-frozen", "job-ordered", "job-cancelled"
PICTURES_REMOVED = "pictures-removed"


@applies(FROZEN)
@applies(ORDERED)
@applies(CANCELLED)
@applies(PICTURES_REMOVED)
def fills_no_rows(connection: Connection, entry: Entry) -> None:
    """Data sets, jobs and pictures stand in their folders."""
