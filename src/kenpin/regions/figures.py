"""Figures of polygons: area, centre of gravity, the rectangle of least area, and simpler polygons."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import ConvexHull, QhullError

Floats = NDArray[np.float64]

_NEARLY_LEAST = 16  # rectangles around the centres of pixels, of which that around their edges may be another


def signed_area(ring: Floats) -> float:
    """Area of a polygon, (n, 2); above 0 where it runs clockwise as seen on a screen, on which y points down."""
    x, y = (ring - ring[0]).T  # from its own corner: far away, products of large numbers would be rounded
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def centre_of(rings: Sequence[Floats]) -> tuple[float, float]:
    """Centre of gravity of polygons whose holes run the other way; that of their corners where they have no area."""
    origin = rings[0][0]
    total, moments = 0.0, np.zeros(2)
    for ring in rings:
        start, end = ring - origin, np.roll(ring - origin, -1, 0)
        cross = start[:, 0] * end[:, 1] - end[:, 0] * start[:, 1]
        total += float(cross.sum()) / 2
        moments += ((start + end) * cross[:, None]).sum(axis=0) / 6
    if abs(total) < 1e-9:
        x, y = np.concatenate(rings).mean(axis=0).tolist()
    else:
        x, y = (origin + moments / total).tolist()
    return x, y


def sides_of_rectangle(points: Floats, steps_wh: tuple[float, float] | None = None) -> tuple[float, float]:
    """The longer and the shorter side of the rectangle of least area around points, (n, 2).

    steps_wh: width and height of a pixel, where the points are the centres of pixels: a shape's edge lies then beyond
    the outermost ones, on average half as far as those lie beyond the next ones.

    # Freeman & Shapira 1975: one of its sides lies on a side of the convex hull
    """
    try:
        hull = points[ConvexHull(points - points.mean(axis=0)).vertices]
        sides = np.roll(hull, -1, 0) - hull
        sides /= np.hypot(*sides.T)[:, None]
    except (QhullError, ValueError):  # all on one line, or too few
        start = points[np.argmin(points[:, 0])]
        far = points[np.argmax(((points - start) ** 2).sum(axis=1))] - start
        length = float(np.hypot(*far))
        hull, sides = points, np.array([far / length if length else (1.0, 0.0)])
    across = np.stack([-sides[:, 1], sides[:, 0]], axis=1)
    areas = np.ptp(hull @ sides.T, axis=0) * np.ptp(hull @ across.T, axis=0)
    nearly = np.argsort(areas, kind="stable")[:_NEARLY_LEAST].tolist()
    extents = [(_extent(points, sides[one], steps_wh), _extent(points, across[one], steps_wh)) for one in nearly]
    # of two rectangles with one area, the longer: which comes first hangs on how the region lies
    first, second = min(extents, key=lambda pair: (float(f"{pair[0] * pair[1]:.9g}"), -max(pair)))
    return max(first, second), min(first, second)


def _extent(points: Floats, along: Floats, steps_wh: tuple[float, float] | None) -> float:
    """How far points reach along a direction."""
    reach = points @ along
    low, high = float(reach.min()), float(reach.max())
    if steps_wh is None:
        return high - low
    most = float(np.max(np.abs(along) * steps_wh))
    margin = 1e-6 * most
    below, above = reach[reach < high - margin], reach[reach > low + margin]
    gaps = (high - float(below.max()), float(above.min()) - low) if len(below) and len(above) else (most, most)
    return high - low + sum(min(gap, most) / 2 for gap in gaps)


def simpler(ring: Floats, tolerance: float, most: int) -> Floats:
    """The polygon with fewer corners, none of the old ones farther from it than the tolerance, which is doubled until
    there are at most so many.

    # Douglas & Peucker 1973, from two far corners, for the polygon is closed
    """
    if len(ring) < 4:
        return ring
    first = int(np.argmin(ring[:, 0]))
    ring = np.roll(ring, -first, 0)
    far = int(np.argmax(((ring - ring[0]) ** 2).sum(axis=1)))
    closed = np.concatenate([ring, ring[:1]])
    while True:
        kept = np.zeros(len(closed), bool)
        kept[[0, far]] = True
        waiting = [(0, far), (far, len(closed) - 1)]
        while waiting:
            start, end = waiting.pop()
            between = closed[start + 1 : end]
            if not len(between):
                continue
            distances = _distances(between, closed[start], closed[end])
            farthest = int(np.argmax(distances))
            if distances[farthest] > tolerance:
                middle = start + 1 + farthest
                kept[middle] = True
                waiting += [(start, middle), (middle, end)]
        if kept.sum() <= most:
            break
        tolerance *= 2
    found = closed[:-1][kept[:-1]]
    return found if len(found) >= 3 else ring[[0, len(ring) // 3, 2 * len(ring) // 3]]


def _distances(points: Floats, start: Floats, end: Floats) -> Floats:
    """From a stretch between two points, (n,)."""
    along = end - start
    length = float(along @ along)
    shares = ((points - start) @ along / length).clip(0, 1) if length else np.zeros(len(points))
    return np.asarray(np.hypot(*(points - start - shares[:, None] * along).T), np.float64)
