"""What the trail's entries about accounts mean for the store: nothing, as accounts live there alone."""

from __future__ import annotations

from kenpin.station.store.applying import fills_no_rows
from kenpin.station.who.entries import ENTRY_KINDS

fills_no_rows(*ENTRY_KINDS)
