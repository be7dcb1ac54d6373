"""Where regions are found: in maps from a cut on, in masks, and in the boxes and outlines of detections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from kenpin.errors import ShapeError
from kenpin.heat import WHOLE, Region
from kenpin.masks import framed, mask_of
from kenpin.outlines import Outline, Ring
from kenpin.records import Detections, Map
from kenpin.regions.contours import Floats, Mask, contours
from kenpin.regions.figures import centre_of, sides_of_rectangle, signed_area, simpler
from kenpin.regions.region import DefectRegion, PxPerMm

MOST_REGIONS = 1000
"""Largest regions that are measured; of noise there may be any number."""
_CORNERS = 100  # of an outline at most; a record holds them
_HOLES = 20
_MOST_STEPS = 200_000  # of all outlines of a region: who sees more sees noise, which is measured by its box
_SAMPLES = 256  # along a side of a map, between which an outline is straight
_FINEST = 16  # samples a cell
_TOLERANCE_PX = 0.05
_STAIRS_PX = 0.8  # beyond the steps of a slanting edge of pixels
_TOUCHING = np.ones((3, 3), bool)  # at a corner too


def regions_of_map(map_: Map, cut: float, px_per_mm: PxPerMm | None = None) -> tuple[DefectRegion, ...]:
    """Regions in which the map's numbers, interpolated between the centres of its cells, reach the cut; the largest
    first. At most MOST_REGIONS, the largest. Raises ShapeError for a cut that is not finite."""
    height, width = map_.values.shape
    if map_.grid is None:
        return regions_of_grid(map_.values, (width, height), cut, px_per_mm=px_per_mm)
    return regions_of_grid(map_.grid, (width, height), cut, region=map_.region, px_per_mm=px_per_mm)


def regions_of_grid(
    grid: ArrayLike,
    size_wh: tuple[int, int],
    cut: float,
    *,
    region: Region = WHOLE,
    px_per_mm: PxPerMm | None = None,
) -> tuple[DefectRegion, ...]:
    """As `regions_of_map`, from the cells, (rows, columns), that cover this region of a picture of this size.

    >>> grid = np.zeros((4, 4))
    >>> grid[1:3, 1:3] = 2.0
    >>> [found.length_px for found in regions_of_grid(grid, (400, 400), 1.0)]
    [200.0]
    """
    if not math.isfinite(cut):
        raise ShapeError(f"the cut {cut} is not finite, so no region can be told from the rest")
    cells = np.asarray(grid, np.float64)
    if cells.ndim != 2 or not cells.size:
        raise ShapeError(f"the map has the shape {cells.shape}; give rows and columns")
    if not (cells >= cut).any():
        return ()
    shown = np.where(np.isnan(cells), -np.inf, np.minimum(cells, 1e30))  # a number between it and others is finite
    columns = _axis(cells.shape[1], size_wh[0], region[0], region[2])
    rows = _axis(cells.shape[0], size_wh[1], region[1], region[3])
    samples = _interpolated(_interpolated(shown, rows[1]), columns[1], axis=1)
    inside = samples >= cut
    # in front and behind lies nothing, at the same pixels: there an outline follows the map's own border
    samples, inside = np.pad(samples, 1, constant_values=-np.inf), np.pad(inside, 1)
    xs, ys = np.pad(columns[0], 1, mode="edge"), np.pad(rows[0], 1, mode="edge")
    resolution = max(
        (region[2] - region[0]) * size_wh[0] / cells.shape[1], (region[3] - region[1]) * size_wh[1] / cells.shape[0]
    )
    found = []
    for own, (top, left) in _connected(inside):
        values = samples[top : top + own.shape[0], left : left + own.shape[1]]
        rings = [_at(ring + np.array([left, top]), xs, ys) for ring in _outlines(own, values, cut)]
        peak = float(values[own].max())
        measured = _measured(rings, px_per_mm, resolution)
        found.append(replace(measured, peak=math.inf if peak >= 1e30 else peak))
    return tuple(sorted(found, key=lambda one: -one.area_px))


def regions_of_mask(mask: ArrayLike, px_per_mm: PxPerMm | None = None) -> tuple[DefectRegion, ...]:
    """Regions of a mask of a picture, (h, w), pixels that touch at a corner together; the largest first. Their areas
    are numbers of pixels."""
    found = [
        replace(_of_pixels([(own, at)], px_per_mm), resolution_px=1.0)
        for own, at in _connected(np.pad(np.asarray(mask, bool), 1), at_xy=(-1, -1))
    ]
    return tuple(sorted(found, key=lambda one: -one.area_px))


def regions_of_detections(
    detections: Detections, size_wh: tuple[int, int], cut: float | None = None, px_per_mm: PxPerMm | None = None
) -> tuple[DefectRegion, ...]:
    """One region for each detection whose score reaches the cut, by its outline, else by its box; all without a cut,
    or where they have no scores. The largest first; without an area there is no region. Raises ShapeError."""
    found = []
    scores = detections.scores or (None,) * len(detections)
    outlines = detections.outlines or (None,) * len(detections)
    boxes = zip(detections.boxes_xyxy_px, detections.labels, scores, outlines, strict=True)
    for box, label, score, outline in boxes:
        if cut is None or score is None or score >= cut:
            measured = _of_detection(box, outline, size_wh, px_per_mm)
            if measured is not None:
                found.append(replace(measured, peak=score, label=label))
    return tuple(sorted(found, key=lambda one: -one.area_px))[:MOST_REGIONS]


def _of_detection(
    box: tuple[float, float, float, float], outline: Outline | None, size_wh: tuple[int, int], scale: PxPerMm | None
) -> DefectRegion | None:
    if outline is not None and (outline.runs is not None or len(outline.rings) > 1):
        # polygons may lie over one another, so their pixels count
        if outline.runs is not None:
            mask, (left, top) = framed(outline, size_wh)
        else:
            mask, (left, top) = mask_of(outline, size_wh), (0, 0)
        pieces = [*_connected(np.pad(mask, 1), at_xy=(left - 1, top - 1))]
        return replace(_of_pixels(pieces, scale), resolution_px=1.0) if pieces else None
    if outline is None:
        x1, y1, x2, y2 = box
        ring = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]], np.float64)
    else:
        ring = np.array(outline.rings[0], np.float64).reshape(-1, 2)
    area = signed_area(ring)
    if not math.isfinite(area) or not area:
        return None
    return _measured([ring if area > 0 else ring[::-1]], scale, None)


def _connected(inside: Mask, at_xy: tuple[int, int] = (0, 0)) -> list[tuple[Mask, tuple[int, int]]]:
    """The largest connected parts, each with a border of samples outside, and row and column of its corner in the
    frame whose origin lies at `at_xy` before it. The outermost samples are outside."""
    labels, count = ndimage.label(inside, _TOUCHING)
    if not count:
        return []
    sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
    frames = ndimage.find_objects(labels)
    found = []
    for index in np.argsort(-sizes, kind="stable")[:MOST_REGIONS].tolist():
        rows, columns = frames[index]
        top, left = rows.start - 1, columns.start - 1
        own = labels[top : rows.stop + 1, left : columns.stop + 1] == index + 1
        found.append((own, (top + at_xy[1], left + at_xy[0])))
    return found


def _of_pixels(pieces: Sequence[tuple[Mask, tuple[int, int]]], scale: PxPerMm | None) -> DefectRegion:
    """The figures of pieces of pixels: the area is their number."""
    rings = [ring + np.array([left + 0.5, top + 0.5]) for own, (top, left) in pieces for ring in _outlines(own)]
    edges = []  # pixels at the edge and next to it
    for own, (top, left) in pieces:
        rows, columns = np.nonzero(own & ~ndimage.binary_erosion(own, iterations=2))
        edges.append(np.stack([columns + left + 0.5, rows + top + 0.5], axis=1))
    centres, area = np.concatenate(edges), float(sum(int(own.sum()) for own, _ in pieces))
    measured = replace(_measured(rings, scale, 1.0), area_px=area)
    if len(centres) < _MOST_STEPS:
        length, width = sides_of_rectangle(centres, (1.0, 1.0))
        measured = replace(measured, length_px=length, width_px=width)
    if scale is None:
        return measured
    lengths_mm = measured.length_mm or 0.0, measured.width_mm or 0.0
    if len(centres) < _MOST_STEPS:
        lengths_mm = sides_of_rectangle(centres / scale, (1 / scale[0], 1 / scale[1]))
    return _in_mm(measured, scale, *lengths_mm)


def _outlines(own: Mask, values: Floats | None = None, cut: float = 0.0) -> list[Floats]:
    """Its contours; the box around it where they would have too many steps."""
    steps = np.count_nonzero(own[1:] != own[:-1]) + np.count_nonzero(own[:, 1:] != own[:, :-1])
    if steps <= _MOST_STEPS:
        return contours(own, values, cut)
    bottom, right = own.shape[0] - 1.5, own.shape[1] - 1.5
    return [np.array([[0.5, 0.5], [right, 0.5], [right, bottom], [0.5, bottom]])]


def _measured(rings: Sequence[Floats], scale: PxPerMm | None, resolution_px: float | None) -> DefectRegion:
    """The figures of a region with these outlines, exact; outer ones run clockwise, holes the other way."""
    areas = [signed_area(ring) for ring in rings]
    ordered = [ring for _, ring in sorted(zip(areas, rings, strict=True), key=lambda pair: -abs(pair[0]))]
    outer = [ring for ring in ordered if signed_area(ring) >= 0] or ordered[:1]
    holes = [ring for ring in ordered if signed_area(ring) < 0][:_HOLES]
    points = np.concatenate(outer)
    length, width = sides_of_rectangle(points)
    (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    tolerance = max(_TOLERANCE_PX if resolution_px != 1 else _STAIRS_PX, length / 400)
    measured = DefectRegion(
        rings_px=tuple(_ring(simpler(ring, tolerance, _CORNERS)) for ring in outer[:_HOLES]),
        holes_px=tuple(_ring(simpler(ring, tolerance, _CORNERS)) for ring in holes),
        box_xyxy_px=(x1, y1, x2, y2),
        centre_xy_px=centre_of(rings),
        area_px=max(0.0, sum(areas)),
        length_px=length,
        width_px=width,
        resolution_px=resolution_px,
    )
    return measured if scale is None else _in_mm(measured, scale, *sides_of_rectangle(points / scale))


def _in_mm(region: DefectRegion, scale: PxPerMm, length_mm: float, width_mm: float) -> DefectRegion:
    (x, y), (across, down) = region.centre_xy_px, scale
    return replace(
        region,
        area_mm2=region.area_px / (across * down),
        length_mm=length_mm,
        width_mm=width_mm,
        centre_xy_mm=(x / across, y / down),
        resolution_mm=None if region.resolution_px is None else region.resolution_px / min(scale),
    )


def _ring(corners: Floats) -> Ring:
    return tuple(np.round(corners, 2).reshape(-1).tolist())


def _axis(count: int, pixels: int, start: float, end: float) -> tuple[Floats, Floats]:
    """Where a map is sampled along a side: in pixels, and in cells from the centre of the first one.

    Every centre of a cell is a sample, so that the highest sample is the highest cell. In front of the first and behind
    the last one the numbers stay the same.
    """
    per_cell = (end - start) * pixels / count
    steps = max(1, min(_FINEST, _SAMPLES // count, math.floor(per_cell)))
    between = np.arange((count - 1) * steps + 1) / steps
    positions = start * pixels + (between + 0.5) * per_cell
    around = np.array([start * pixels]), positions, np.array([end * pixels])
    return np.concatenate(around), np.concatenate([[0.0], between, [count - 1.0]])


def _interpolated(cells: NDArray[np.float64], at: Floats, axis: int = 0) -> NDArray[np.float64]:
    """Numbers between cells along an axis, linear; -inf beside one that is not known."""
    low = np.minimum(at.astype(np.int64), cells.shape[axis] - 1)
    high = np.minimum(low + 1, cells.shape[axis] - 1)
    share = (at - low).reshape((-1, 1) if axis == 0 else (1, -1))
    first, last = cells.take(low, axis), cells.take(high, axis)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(share == 0, first, first + share * (last - first)), np.float64)


def _at(ring: Floats, xs: Floats, ys: Floats) -> Floats:
    """Steps of the grid of samples as pixels of the picture."""
    steps = (np.interp(axis, np.arange(len(at)), at) for axis, at in zip(ring.T, (xs, ys), strict=True))
    return np.stack([*steps], axis=1)
