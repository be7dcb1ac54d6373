"""From a grid of places to a map: each place's number stands in the displayed picture's frame as it is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kenpin.heat import WHOLE, Region, in_frame
from kenpin.records import Box, Map


def seen_region(processor: Any, size_wh: tuple[int, int]) -> Region:
    """The part of a picture of this size that an image processor of transformers leaves over."""
    if not getattr(processor, "do_center_crop", False):
        return WHOLE
    crop, size = processor.crop_size, processor.size
    shortest = size.get("shortest_edge")
    scales = [shortest / min(size_wh)] * 2 if shortest else [size["width"] / size_wh[0], size["height"] / size_wh[1]]
    x, y = (
        min(1.0, kept / (side * scale))
        for kept, side, scale in zip((crop["width"], crop["height"]), size_wh, scales, strict=True)
    )
    return (0.5 - x / 2, 0.5 - y / 2, 0.5 + x / 2, 0.5 + y / 2)


def map_of_places(
    grid: ArrayLike,
    size_wh: tuple[int, int],
    shows: str,
    unit: str,
    *,
    region: Region = WHOLE,
    score: float | None = None,
    box: Box | None = None,
) -> Map:
    """The numbers of places, (rows, columns), as a map of a picture of this size, of which they cover the region."""
    places = np.asarray(grid, np.float32)
    return Map(in_frame(places, size_wh, region), shows, unit, score, box, places, region)
