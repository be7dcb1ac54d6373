"""What the trail's entries about data sets and jobs mean for the store: nothing, as they stand in their folders."""

from __future__ import annotations

from kenpin.station.store.applying import fills_no_rows

FROZEN, ORDERED, CANCELLED = "data-set-frozen", "job-ordered", "job-cancelled"

fills_no_rows(FROZEN, ORDERED, CANCELLED)
