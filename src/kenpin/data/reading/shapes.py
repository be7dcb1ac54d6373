"""What annotation tools state of a picture and draw on it: its size, outlines as points, and the box around them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from kenpin.errors import ShapeError
from kenpin.outlines import Outline
from kenpin.records import Box

Point: TypeAlias = tuple[float, float]
"""x and y in pixels of the displayed picture."""
_CORNERS = 64  # of a circle
_LARGEST_SIDE = 2**31 - 1  # pixels; what is beyond is a mistake, and more than a table can hold


def stated_size(width: object, height: object) -> tuple[int, int] | None:
    """Width and height of a picture from numbers or their texts; None where they are none that a picture can have.

    >>> stated_size("64", 48.0), stated_size(0, 48), stated_size(None, 48)
    ((64, 48), None, None)
    """
    try:
        size = int(float(str(width))), int(float(str(height)))
    except (ValueError, OverflowError):
        return None
    return size if min(size) > 0 and max(size) <= _LARGEST_SIDE else None


def points_of(values: object) -> list[Point]:
    """Points from a list of pairs, from numbers or their texts; none where any of them is no pair of finite numbers.

    >>> points_of([["1", 2], (3.5, 4)])
    [(1.0, 2.0), (3.5, 4.0)]
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        return []
    points: list[Point] = []
    for pair in values:
        try:
            x, y = (float(value) for value in pair)
        except (TypeError, ValueError, OverflowError):
            return []
        if not (math.isfinite(x) and math.isfinite(y)):
            return []
        points.append((x, y))
    return points


def box_around(points: Iterable[Point]) -> Box | None:
    """x1, y1, x2, y2 of the box around points; None where there are none."""
    xs, ys = zip(*found, strict=True) if (found := list(points)) else ((), ())
    return (min(xs), min(ys), max(xs), max(ys)) if found else None


def corners_of(centre: Point, size_wh: tuple[float, float], radians: float) -> list[Point]:
    """The four corners of a box that is turned clockwise, as pixels are seen, around its centre."""
    (x, y), (width, height) = centre, size_wh
    cos, sin = math.cos(radians), math.sin(radians)
    halves = ((-width / 2, -height / 2), (width / 2, -height / 2), (width / 2, height / 2), (-width / 2, height / 2))
    return [(x + dx * cos - dy * sin, y + dx * sin + dy * cos) for dx, dy in halves]


def ellipse(centre: Point, radii: tuple[float, float]) -> list[Point]:
    """An ellipse as a polygon, whose box is exact."""
    angles = [2 * math.pi * number / _CORNERS for number in range(_CORNERS)]
    return [(centre[0] + radii[0] * math.cos(a), centre[1] + radii[1] * math.sin(a)) for a in angles]


def outline_of(parts: Sequence[Sequence[Point]], *, oriented: bool = False) -> Outline | None:
    """The outline of an object whose parts have these corners; None where one is no polygon.

    oriented: its only part is a rectangle that was drawn turned.

    >>> outline_of([[(1, 2), (9, 3), (8, 7)]]).box_xyxy_px
    (1, 2, 9, 7)
    """
    rings = tuple(tuple(value for point in part for value in point) for part in parts)
    try:
        return Outline(rings, oriented=oriented and [len(ring) for ring in rings] == [8])
    except ShapeError:
        return None
