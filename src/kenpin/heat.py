"""Numbers of cells as a picture: interpolated over their frame, and their colours."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Region = tuple[float, float, float, float]
"""x1, y1, x2, y2 as shares of the displayed picture's width and height."""
WHOLE: Region = (0.0, 0.0, 1.0, 1.0)

# inferno at 33 even steps: even in lightness, readable for colour-blind readers and in grey
# (Smith & van der Walt 2015, published as CC0)
_INFERNO = np.frombuffer(
    bytes.fromhex(
        "000004 040312 0b0724 150b37 210c4a 2e0a5a 3c0965 4a0c6b 57106d 63146e 70196e "
        "7d1e6d 89226a 962766 a32b61 af315c bb3755 c63e4d d14644 db4f3b e35932 eb6528 "
        "f1711e f67f14 f98d0a fb9c06 fcab0f fbba1f f9ca32 f5d949 f2e865 f3f586 fcffa4"
    ),
    np.uint8,
).reshape(-1, 3)
_THINNEST, _THICKEST = 0.25, 0.7


def colours(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours of numbers from 0 to 1. (...) -> (..., 3) from 0 to 255."""
    steps = np.linspace(0, 1, len(_INFERNO))
    return np.stack([np.interp(shares, steps, channel) for channel in _INFERNO.T], axis=-1)


def cover(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Opacity of the colour of numbers from 0 to 1: higher ones hide more. -> 0 to 1."""
    return _THINNEST + (_THICKEST - _THINNEST) * shares


def in_frame(grid: NDArray[Any], size_wh: tuple[int, int], region: Region = WHOLE) -> Floats:
    """A grid of cells, (rows, columns), interpolated over the region of a picture that they cover. -> (h, w), NaN
    outside.

    Linear between the pixels of the cells' centres. There each cell keeps its number, so that the map's maximum is the
    grid's; where several cells share a pixel, it is the highest.
    """
    across = _axis(grid.shape[1], size_wh[0], region[0], region[2])
    down = _axis(grid.shape[0], size_wh[1], region[1], region[3])
    values = np.maximum.reduceat(np.asarray(grid, np.float32), across.first_cells, axis=1)
    values = np.maximum.reduceat(values, down.first_cells, axis=0)
    frame = np.full(size_wh[::-1], np.nan, np.float32)
    frame[down.seen, across.seen] = down.weights @ values @ across.weights.T
    return frame


class _Axis(NamedTuple):
    """Interpolation of cells along one side of a picture."""

    seen: slice
    """The pixels that the cells cover."""
    first_cells: NDArray[np.int64]
    """Index of the first cell whose centre lies in a pixel, for each such pixel."""
    weights: Floats
    """(pixels seen, such pixels)."""


def _axis(count: int, pixels: int, start: float, end: float) -> _Axis:
    first = min(round(start * pixels), pixels - 1)
    past = max(min(round(end * pixels), pixels), first + 1)
    centres = first + (np.arange(count) + 0.5) * (past - first) / count
    knots, first_cells = np.unique(centres.astype(np.int64), return_index=True)
    seen = np.arange(first, past)
    weights = [np.interp(seen, knots, unit) for unit in np.eye(len(knots))]
    return _Axis(slice(first, past), first_cells, np.stack(weights, axis=1).astype(np.float32))
