"""The order in which objects are written into an answer: as one reads, from top to bottom and then left to right."""

from __future__ import annotations

from kenpin.boxes import quantise
from kenpin.codecs._decoded import chosen
from kenpin.records import Detections


def in_reading_order(detections: Detections, size_wh: tuple[int, int], bins: int) -> Detections:
    """The same detections by their boxes' top edge, then left, bottom and right edge; equal boxes as they stood.

    Edges are compared as bins, since that is how the answer tells them: an order by fractions of a bin, or by the
    annotator's habit, could not be learned.

    >>> found = Detections(((50, 50, 60, 60), (10, 50, 20, 60), (70, 0, 80, 9)), ("c", "b", "a"))
    >>> in_reading_order(found, (100, 100), bins=1000).labels
    ('a', 'b', 'c')
    """
    edges_xyxy = quantise(detections.boxes_xyxy_px, size_wh, bins).tolist()

    def reading(index: int) -> tuple[int, int, int, int]:
        left, top, right, bottom = edges_xyxy[index]
        return top, left, bottom, right

    return chosen(detections, sorted(range(len(detections)), key=reading))
