"""What the trail's entries about sources and sinks mean for the store: nothing, as it is done at once or not at all."""

from __future__ import annotations

from kenpin.station.store.applying import fills_no_rows

SOURCE_TRIED, SINK_TRIED = "source-tried", "sink-tried"
SENT_AGAIN, GIVEN_UP = "messages-sent-again", "message-given-up"

fills_no_rows(SOURCE_TRIED, SINK_TRIED, SENT_AGAIN, GIVEN_UP)
