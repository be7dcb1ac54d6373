"""What the trail's entries about removed pictures mean for the store: nothing, as folders hold the pictures."""

from __future__ import annotations

from kenpin.station.store.applying import fills_no_rows

PICTURES_REMOVED = "pictures-removed"

fills_no_rows(PICTURES_REMOVED)
