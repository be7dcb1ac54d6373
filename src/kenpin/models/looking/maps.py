"""From a grid of cells to a map: each cell's number in the frame of the displayed picture, without smoothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from kenpin.heat import WHOLE, Region, in_frame
from kenpin.records import Box, Map


def seen_region(processor: Any, size_wh: tuple[int, int]) -> Region:
    """The part of a picture of this size that an image processor of transformers does not crop."""
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


def map_of_cells(
    grid: ArrayLike,
    size_wh: tuple[int, int],
    shows: str,
    unit: str,
    *,
    region: Region = WHOLE,
    score: float | None = None,
    box: Box | None = None,
) -> Map:
    """The numbers of cells, (rows, columns), as a map of a picture of this size, of which they cover the region."""
    cells = np.asarray(grid, np.float32)
    return Map(in_frame(cells, size_wh, region), shows, unit, score, box, cells, region)
