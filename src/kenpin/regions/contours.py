"""Outlines of connected samples on a grid: marching squares, by interpolation between the samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

_TOP, _RIGHT, _BOTTOM, _LEFT = range(4)
# Lorensen & Cline 1987 in two dimensions. A key adds 1 for the upper left sample, 2 for the upper right one, 4 for the
# lower right one, 8 for the lower left one; steps lead from edge to edge with the inside to the right (y points down).
# Where two samples touch at a corner alone, they are joined: a thin slanting scratch is one region.
_STEPS = {
    1: [(_TOP, _LEFT)], 2: [(_RIGHT, _TOP)], 4: [(_BOTTOM, _RIGHT)], 8: [(_LEFT, _BOTTOM)],
    3: [(_RIGHT, _LEFT)], 6: [(_BOTTOM, _TOP)], 12: [(_LEFT, _RIGHT)], 9: [(_TOP, _BOTTOM)],
    7: [(_BOTTOM, _LEFT)], 11: [(_RIGHT, _BOTTOM)], 13: [(_TOP, _RIGHT)], 14: [(_LEFT, _TOP)],
    5: [(_TOP, _RIGHT), (_BOTTOM, _LEFT)], 10: [(_LEFT, _TOP), (_RIGHT, _BOTTOM)],
}  # fmt: skip


def contours(inside: Mask, values: Floats | None = None, cut: float = 0.0) -> list[Floats]:
    """Closed outlines of the samples inside, (rows, columns), each (n, 2) of x and y in steps of the grid: outer ones
    clockwise as seen on a screen, holes counter-clockwise. No sample at the grid's border is inside.

    Between a sample inside and one outside an outline passes where the values reach the cut; halfway without values,
    and where the one outside has no finite one.
    """
    rows, columns = inside.shape
    keys = inside[:-1, :-1] * 1 + inside[:-1, 1:] * 2 + inside[1:, 1:] * 4 + inside[1:, :-1] * 8
    follows: dict[int, int] = {}
    for key, steps in _STEPS.items():
        at = np.argwhere(keys == key)
        if len(at):
            # names of the edges around each square: those that lie flat first, then those that stand
            top = at[:, 0] * columns + at[:, 1]
            left = top + rows * columns
            edges = (top, left + 1, top + columns, left)
            for start, end in steps:
                follows.update(zip(edges[start].tolist(), edges[end].tolist(), strict=True))
    rings = []
    while follows:
        start = next(iter(follows))
        ring = [start]
        while (edge := follows.pop(ring[-1])) != start:
            ring.append(edge)
        rings.append(_points(np.array(ring), inside, values, cut))
    return rings


def _points(edges: NDArray[np.int64], inside: Mask, values: Floats | None, cut: float) -> Floats:
    """Where the outline crosses the edges, (n, 2)."""
    rows, columns = inside.shape
    stands = edges >= rows * columns
    row, column = np.divmod(edges - stands * rows * columns, columns)
    further = row + stands, column + ~stands
    shares = np.full(len(edges), 0.5)
    if values is not None:
        first, last = values[row, column], values[further]
        known = np.isfinite(first) & np.isfinite(last) & (first != last)
        shares[known] = ((first - cut)[known] / (first - last)[known]).clip(0, 1)
    return np.stack([column + shares * ~stands, row + shares * stands], axis=1)
