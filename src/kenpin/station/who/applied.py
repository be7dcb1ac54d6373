"""What the trail's entries about accounts mean for the store: nothing, as accounts live there alone."""

from __future__ import annotations

from sqlalchemy import Connection

from kenpin.station.store.applying import applies
from kenpin.station.trail import Entry
from kenpin.station.who.entries import ENTRY_KINDS


def fills_no_rows(connection: Connection, entry: Entry) -> None:
    """Accounts, sessions and tokens are not filled from files."""


for _kind in ENTRY_KINDS:
    applies(_kind)(fills_no_rows)
