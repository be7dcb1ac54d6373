"""Places of a picture, polygons with a name, and whether a region lies in one or touches it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from kenpin.outlines import Ring
from kenpin.regions.region import DefectRegion

Floats = NDArray[np.float64]


def touches(region: DefectRegion, place: Ring) -> bool:
    """Whether any bit of the region lies in the place, a polygon in pixels.

    >>> square = DefectRegion(((0, 0, 4, 0, 4, 4, 0, 4),), (), (0, 0, 4, 4), (2, 2), 16, 4, 4)
    >>> touches(square, (3, 3, 9, 3, 9, 9)), touches(square, (5, 5, 9, 5, 9, 9))
    (True, False)
    """
    own = [_corners(ring) for ring in (*region.rings_px, *region.holes_px)]
    other = _corners(place)
    if (other.min(axis=0) > region.box_xyxy_px[2:]).any() or (other.max(axis=0) < region.box_xyxy_px[:2]).any():
        return False
    if any(_cross(ring, other) for ring in own):
        return True
    # no outline crosses another: one lies within the other, or they are apart
    return _within(own[0][:1], [other]) or _within(other[:1], own)


def _corners(ring: Ring) -> Floats:
    return np.array(ring, np.float64).reshape(-1, 2)


def _within(point: Floats, rings: Iterable[Floats]) -> bool:
    """Whether a point, (1, 2), lies within an odd number of the polygons."""
    x, y = point[0]
    crossings = 0
    for ring in rings:
        (x1, y1), (x2, y2) = ring.T, np.roll(ring, -1, 0).T
        spans = (y1 > y) != (y2 > y)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossings += int((spans & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))).sum())
    return crossings % 2 == 1


def _cross(first: Floats, second: Floats) -> bool:
    """Whether any side of one polygon meets one of the other."""
    a, b = first[:, None], np.roll(first, -1, 0)[:, None]
    c, d = second[None], np.roll(second, -1, 0)[None]
    c_side, d_side, a_side, b_side = _side(a, b, c), _side(a, b, d), _side(c, d, a), _side(c, d, b)
    apart = (c_side * d_side > 0) | (a_side * b_side > 0)
    on_one_line = (c_side == 0) & (d_side == 0)
    overlap = (np.minimum(a, b) <= np.maximum(c, d)).all(-1) & (np.minimum(c, d) <= np.maximum(a, b)).all(-1)
    return bool((~apart & (~on_one_line | overlap)).any())


def _side(start: Floats, end: Floats, point: Floats) -> Floats:
    """On which side of a line a point lies: -1, 0 or 1."""
    ahead, aside = end - start, point - start
    return np.asarray(np.sign(ahead[..., 0] * aside[..., 1] - ahead[..., 1] * aside[..., 0]), np.float64)
