"""Layout of the labels of boxes: inside the picture, near their boxes, and never over one another."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from kenpin.records import Box

_TOUCHING = 1e-6  # of a unit: labels side by side share an edge
_BESIDE, _INSIDE, _ASIDE = 1.0, 2.0, 0.02
"""What it costs to stand below a box rather than above it, within it, and a unit off its left edge."""


def lay_out(
    boxes: Sequence[Box], sizes_wh: Sequence[tuple[float, float]], frame_wh: tuple[float, float]
) -> list[Box | None]:
    """A rectangle for the label of each box, as near to it as earlier labels allow; None where no room is left.

    Above the box at its left edge where that is free, else below, within, or wherever is nearest. boxes: x1, y1, x2,
    y2; sizes_wh: of the labels; all in the units of the frame.
    """
    placed: list[Box] = []
    spots: list[Box | None] = []
    refused: list[tuple[float, float]] = []
    for box, (width, height) in zip(boxes, sizes_wh, strict=True):
        # a label as large as one without room has no room either: free room only shrinks
        hopeless = any(width >= wide and height >= high for wide, high in refused)
        spot = None if hopeless else _nearest(box, width, height, placed, frame_wh)
        if spot is None:
            refused.append((width, height))
        else:
            placed.append(spot)
        spots.append(spot)
    return spots


def _nearest(box: Box, width: float, height: float, placed: Sequence[Box], frame_wh: tuple[float, float]) -> Box | None:
    # if there is room at all, then also where the label touches an edge of the frame or of a label on two sides
    x1, y1, x2, y2 = box
    right, bottom = frame_wh[0] - width, frame_wh[1] - height
    if right < 0 or bottom < 0:
        return None
    taken = np.array(placed, np.float64).reshape(-1, 4)
    wanted_x = np.clip([x1, x2 - width], 0, right)
    wanted_y = np.clip([y1 - height, y2, y1, y2 - height], 0, bottom)
    xs = np.concatenate([wanted_x, [0, right], taken[:, 2], taken[:, 0] - width])
    ys = np.concatenate([wanted_y, [0, bottom], taken[:, 3], taken[:, 1] - height])
    xs, ys = np.unique(xs[(xs >= 0) & (xs <= right)]), np.unique(ys[(ys >= 0) & (ys <= bottom)])
    x, y = (axis.ravel() for axis in np.meshgrid(xs, ys))
    gap_x = np.maximum(0, np.maximum(x1 - (x + width), x - x2))
    gap_y = np.maximum(0, np.maximum(y1 - (y + height), y - y2))
    is_above, is_below = y + height <= y1 + _TOUCHING, y >= y2 - _TOUCHING
    cost = np.hypot(gap_x, gap_y) + np.select([is_above, is_below], [0.0, _BESIDE], _INSIDE) + _ASIDE * np.abs(x - x1)
    for spot in np.argsort(cost, kind="stable"):
        left, top = float(x[spot]), float(y[spot])
        if not _overlaps(left, top, left + width, top + height, taken):
            return left, top, left + width, top + height
    return None


def _overlaps(left: float, top: float, right: float, bottom: float, taken: NDArray[np.float64]) -> bool:
    across = (left < taken[:, 2] - _TOUCHING) & (taken[:, 0] < right - _TOUCHING)
    upright = (top < taken[:, 3] - _TOUCHING) & (taken[:, 1] < bottom - _TOUCHING)
    return bool((across & upright).any())
