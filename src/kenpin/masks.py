"""Outlines as masks of pixels, and masks as outlines: the pixels of a polygon are those that pycocotools gives it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.outlines import Outline, Ring

Mask = NDArray[np.bool_]
Floats = NDArray[np.float64]

_MOST_NEAREST = 64
_FINE = 5  # cocoapi rounds corners to fifths of a pixel


def mask_of(outline: Outline, size_wh: tuple[int, int]) -> Mask:
    """Which pixels of a picture an outline covers, (h, w). Of runs, the picture has their size. Raises ShapeError."""
    width, height = size_wh
    if outline.runs is not None:
        if outline.size_wh != size_wh:
            raise ShapeError(f"the mask has {outline.size_wh} pixels, the picture {size_wh}")
        inside = np.arange(len(outline.runs)) % 2 == 1
        return np.repeat(inside, outline.runs).reshape(width, height).T
    mask = np.zeros((height, width), bool)
    for ring in outline.rings:
        mask |= _filled(ring, size_wh)
    return mask


def outline_of(mask: ArrayLike, at_xy: tuple[int, int] = (0, 0), size_wh: tuple[int, int] | None = None) -> Outline:
    """The runs of a mask, (h, w), whose upper left pixel lies at `at_xy` in a picture of this size, else in its own.

    Raises ShapeError where it reaches out of the picture, or the picture is too large.
    """
    pixels = np.asarray(mask, bool)
    (left, top), (below, across) = at_xy, pixels.shape
    width, height = size_wh or (across, below)
    if left < 0 or top < 0 or left + across > width or top + below > height:
        raise ShapeError(
            f"the mask of {across} × {below} pixels at ({left}, {top}) reaches out of its picture of "
            f"{width} × {height} pixels"
        )
    columns = np.pad(pixels.T, ((0, 0), (1, 1)))
    x, y = np.nonzero(columns[:, 1:] != columns[:, :-1])
    edges = (left + x) * height + top + y
    # a run that goes on in the next column ends where that begins; one up to the end has nothing behind it
    goes_on = np.diff(edges, append=width * height) == 0
    edges = edges[~(goes_on | np.append(False, goes_on[:-1])[: len(edges)])]
    runs = np.diff(edges, prepend=0, append=width * height)
    return Outline(runs=tuple(runs.tolist()), size_wh=(width, height))


def outline_of_rows(runs: Sequence[int], frame: tuple[int, int, int, int], size_wh: tuple[int, int]) -> Outline:
    """The outline of a mask whose runs go row by row, outside first, as CVAT has them.

    frame: its left, top, width and height in a picture of `size_wh`. Raises ShapeError.
    """
    left, top, width, height = frame
    rows = mask_of(Outline(runs=tuple(runs), size_wh=(height, width)), (height, width)).T
    return outline_of(rows, (left, top), size_wh)


def framed(outline: Outline, size_wh: tuple[int, int]) -> tuple[Mask, tuple[int, int]]:
    """The smallest mask that holds all pixels of an outline of runs, (h, w), and x and y of its upper left pixel.

    Raises ShapeError.
    """
    x1, y1, x2, y2 = map(int, outline.box_xyxy_px)
    return mask_of(outline, size_wh)[y1:y2, x1:x2], (x1, y1)


def stack_of(outlines: Sequence[Outline | None], size_wh: tuple[int, int]) -> Mask:
    """The mask of each outline, (n, h, w); empty where there is none. Raises ShapeError."""
    masks = np.zeros((len(outlines), size_wh[1], size_wh[0]), bool)
    for mask, outline in zip(masks, outlines, strict=True):
        if outline is not None:
            mask[:] = mask_of(outline, size_wh)
    return masks


def union_of(outlines: Iterable[Outline | None], size_wh: tuple[int, int]) -> Mask:
    """Which pixels of a picture any of the outlines covers, (h, w). Raises ShapeError."""
    mask = np.zeros(size_wh[::-1], bool)
    for outline in outlines:
        if outline is not None:
            mask |= mask_of(outline, size_wh)
    return mask


def area(outline: Outline, size_wh: tuple[int, int]) -> float:
    """Number of pixels that an outline covers."""
    if outline.runs is not None:
        return float(sum(outline.runs[1::2]))
    return float(mask_of(outline, size_wh).sum())


def rings_of(outline: Outline) -> tuple[Ring, ...]:
    """Polygons of the same pixels: of runs, one for each region (corners do not connect), along the pixels' edges.

    A hole becomes part of its region's polygon, by a cut that is gone to it and back.
    """
    if outline.runs is None or outline.size_wh is None:
        return outline.rings
    from scipy import ndimage

    x1, y1, x2, y2 = map(int, outline.box_xyxy_px)
    regions, _ = ndimage.label(mask_of(outline, outline.size_wh)[y1:y2, x1:x2])
    rings = []
    for number, (rows, columns) in enumerate(ndimage.find_objects(regions), start=1):
        around = _joined(_edges_of(regions[rows, columns] == number))
        rings.append(tuple((around + np.array([x1 + columns.start, y1 + rows.start])).reshape(-1).tolist()))
    return tuple(rings)


def joined_ring(outline: Outline, size_wh: tuple[int, int]) -> Ring:
    """One polygon of the same pixels, for formats that know no more: rings are joined by cuts, gone there and back.

    size_wh: of the picture. Empty for runs without a pixel inside.
    """
    corners: list[Floats] = []
    if len(outline.rings) > 1 and not _are_apart(outline.rings, size_wh):
        # what lies in two rings would lie outside of the joined one, so their pixels are outlined; tips thinner than a
        # pixel are lost in them, and cuts to the outermost corners keep the box
        every = np.concatenate([np.array(ring).reshape(-1, 2) for ring in outline.rings])
        corners = [every[[at]] for at in (*every.argmin(axis=0), *every.argmax(axis=0))]
        outline = outline_of(mask_of(outline, size_wh))
    rings = [*(np.array(ring).reshape(-1, 2) for ring in rings_of(outline)), *corners]
    joined = _joined(rings) if rings else np.zeros((0, 2))
    return tuple(joined.reshape(-1).tolist())


def _are_apart(rings: tuple[Ring, ...], size_wh: tuple[int, int]) -> bool:
    return bool(np.sum([_filled(ring, size_wh) for ring in rings], axis=0).max() < 2)


def _filled(ring: Ring, size_wh: tuple[int, int]) -> Mask:
    # rleFrPoly of cocoapi, common/maskApi.c: dense points along the border on a finer grid; where they cross the middle
    # of a column of pixels, the column changes between outside and inside
    width, height = size_wh
    corners = _within_reach(np.array(ring).reshape(-1, 2), size_wh)
    if len(corners) < 3:
        return np.zeros((height, width), bool)
    fine = (_FINE * corners + 0.5).astype(np.int64)
    points = _border(fine, np.roll(fine, -1, 0))
    (u, v), (last_u, last_v) = points[1:].T, points[:-1].T
    steps = u != last_u
    x = (np.minimum(u, last_u)[steps] + 0.5) / _FINE - 0.5
    y = (np.minimum(v, last_v)[steps] + 0.5) / _FINE - 0.5
    crossing = (np.floor(x) == x) & (x >= 0) & (x <= width - 1)
    at = x[crossing].astype(np.int64) * height + np.ceil(np.clip(y[crossing], 0, height)).astype(np.int64)
    changes = np.bincount(at, minlength=width * height + 1)[: width * height]
    return np.asarray(np.cumsum(changes) % 2 == 1).reshape(width, height).T


def _border(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Points of the lines between corners of the fine grid, line by line, both ends of each among them, (m, 2)."""
    lengths = np.abs(ends - starts)
    along = np.argmax(lengths, axis=1)  # the axis on which a line is longer, x where both are equal
    line = np.arange(len(starts))
    flipped = starts[line, along] > ends[line, along]
    first, last = np.where(flipped[:, None], ends, starts), np.where(flipped[:, None], starts, ends)
    most = lengths[line, along]
    slopes = (last - first)[line, 1 - along] / np.maximum(most, 1)
    of_line = np.repeat(line, most + 1)
    steps = np.arange(len(of_line)) - np.repeat(np.cumsum(most + 1) - most - 1, most + 1)
    steps = np.where(flipped[of_line], most[of_line] - steps, steps)
    points = np.empty((len(of_line), 2), np.int64)
    rows, axis = np.arange(len(of_line)), along[of_line]
    points[rows, axis] = first[of_line, axis] + steps
    points[rows, 1 - axis] = (first[of_line, 1 - axis] + slopes[of_line] * steps + 0.5).astype(np.int64)
    return points


def _within_reach(corners: Floats, size_wh: tuple[int, int]) -> Floats:
    """The polygon cut to a frame around the picture where it reaches far out, so that its border is never longer than
    the picture makes it."""
    for axis, size in enumerate(size_wh):
        for sign, limit in ((-1, size), (1, 2 * size)):  # keep what lies between -size and twice the size
            beyond = sign * corners[:, axis] > limit
            if len(corners) and beyond.any():
                corners = _cut(corners, beyond, axis, float(sign * limit))
    return corners


def _cut(corners: Floats, beyond: Mask, axis: int, at: float) -> Floats:
    """A polygon without what lies beyond a line (Sutherland & Hodgman 1974)."""
    following, following_beyond = np.roll(corners, -1, 0), np.roll(beyond, -1)
    crosses = beyond != following_beyond
    span = np.where(crosses, following[:, axis] - corners[:, axis], 1.0)
    crossings = corners + (following - corners) * ((at - corners[:, axis]) / span)[:, None]
    crossings[:, axis] = at
    kept = np.stack([~beyond, crosses], axis=1).reshape(-1)
    return np.asarray(np.stack([corners, crossings], axis=1).reshape(-1, 2)[kept], np.float64)


def _edges_of(region: Mask) -> list[Floats]:
    """Closed borders of a connected region along its pixels' edges, corners alone: the outer one, then its holes."""
    padded = np.pad(region, 1)
    follows: dict[tuple[int, int], list[tuple[int, int]]] = {}
    # directed so that the region lies to the right (y points down): along its upper edges to the right, and so on
    sides = (
        (padded & ~np.roll(padded, 1, 0), (0, 0), (1, 0)),
        (padded & ~np.roll(padded, -1, 1), (1, 0), (1, 1)),
        (padded & ~np.roll(padded, -1, 0), (1, 1), (0, 1)),
        (padded & ~np.roll(padded, 1, 1), (0, 1), (0, 0)),
    )
    for edges, (ax, ay), (bx, by) in sides:
        for y, x in np.argwhere(edges).tolist():
            follows.setdefault((x - 1 + ax, y - 1 + ay), []).append((x - 1 + bx, y - 1 + by))
    borders = []
    while follows:
        start = min(follows)
        border, at, direction = [start], start, (0, 0)
        while True:
            ends = follows[at]
            # where two pixels of the region touch at a corner, turn right, which stays on the same pixel
            right = (at[0] - direction[1], at[1] + direction[0])
            end = ends.pop(ends.index(right) if right in ends else 0)
            if not ends:
                del follows[at]
            new_direction = (end[0] - at[0], end[1] - at[1])
            if new_direction == direction:
                border[-1] = end
            else:
                border.append(end)
            at, direction = end, new_direction
            if at == start:
                break
        borders.append(np.array(border[:-1], np.float64))
    # the first one starts at the leftmost column, where only the outer border reaches
    return borders


def _joined(rings: Sequence[Floats]) -> Floats:
    """One ring that goes around each in turn, by cuts from the first one to the first corner of the others and back."""
    around, *others = rings
    if len(others) > _MOST_NEAREST:  # to look for near corners takes the square of their number
        cuts = [part for ring in others for part in (ring, ring[:1], around[:1])]
        return np.concatenate([around, around[:1], *cuts])
    for ring in others:
        near = int(np.argmin(((around - ring[0]) ** 2).sum(axis=1)))
        around = np.concatenate([around[: near + 1], ring, ring[:1], around[near:]])
    return around
