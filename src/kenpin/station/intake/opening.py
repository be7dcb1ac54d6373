"""Opening what arrived: a picture, or the pictures of a part one after the other, together bounded in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from kenpin.errors import ImageError
from kenpin.inspection.part_pictures import OpenedPart, PartPictures, View
from kenpin.inspection.pictures import Opened, as_text
from kenpin.inspection.read_ahead import held_bytes
from kenpin.station.arrival import Arrival, PartArrival

Opening = Callable[[Arrival], Opened]
"""Opens a picture; what it cannot open is in its result."""
_MOST_BYTES = 2 * 1024**3
"""Of the pictures of a part in memory; the last one that is opened may exceed it, as a single picture may."""


def opened_part(arrival: Arrival | PartArrival, opening: Opening, most_bytes: int = _MOST_BYTES) -> OpenedPart:
    """The pictures of a part, each opened by itself. One for which no memory is left is an error of its view, so that a
    person must look. opening: also keeps the picture's file."""
    if isinstance(arrival, Arrival):
        return opening(arrival)
    views, held = list[View](), 0
    for view, picture in zip(arrival.views, arrival.pictures(), strict=True):
        opened = opening(picture)
        held += held_bytes(opened)
        if held - held_bytes(opened) >= most_bytes:
            why = f"the part's other pictures take {most_bytes:,} bytes in memory already. Send smaller ones."
            opened = replace(opened, image=None, look=None, error=ImageError(f"{opened.seen.id}: {why}"))
        views.append(View(None if view.name is None else as_text(view.name), opened))
    return PartPictures.of(as_text(arrival.id), views)
