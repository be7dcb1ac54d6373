"""From a grid of places to a map: each place's number stands in the displayed picture's frame as it is."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 as shares of the displayed picture's width and height."""
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)


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


def in_frame(grid: NDArray[Any], size_wh: tuple[int, int], region: Region = WHOLE) -> Floats:
    """A grid of places, (rows, columns), spread over the region of a picture that they cover. -> (h, w), NaN outside.

    Linear between the pixels in which the places' centres lie. There each place keeps its number, so that the map's
    maximum is the grid's; where several places share a pixel, it is the highest.
    """
    across = _axis(grid.shape[1], size_wh[0], region[0], region[2])
    down = _axis(grid.shape[0], size_wh[1], region[1], region[3])
    values = np.maximum.reduceat(np.asarray(grid, np.float32), across.places, axis=1)
    values = np.maximum.reduceat(values, down.places, axis=0)
    frame = np.full(size_wh[::-1], np.nan, np.float32)
    frame[down.seen, across.seen] = down.weights @ values @ across.weights.T
    return frame


class _Axis(NamedTuple):
    """How places lie along one side of a picture."""

    seen: slice
    """The pixels that the places cover."""
    places: NDArray[np.int64]
    """First of the places whose centres lie in one pixel, for each such pixel."""
    weights: Floats
    """(pixels seen, such pixels)."""


def _axis(count: int, pixels: int, start: float, end: float) -> _Axis:
    first = min(round(start * pixels), pixels - 1)
    past = max(min(round(end * pixels), pixels), first + 1)
    centres = first + (np.arange(count) + 0.5) * (past - first) / count
    knots, places = np.unique(centres.astype(np.int64), return_index=True)
    seen = np.arange(first, past)
    weights = [np.interp(seen, knots, one) for one in np.eye(len(knots))]
    return _Axis(slice(first, past), places, np.stack(weights, axis=1).astype(np.float32))
