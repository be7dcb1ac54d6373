"""Outlines of regions on a picture, the largest ones with their sizes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from kenpin.drawing._lettering import Lettering
from kenpin.outlines import Ring
from kenpin.regions.region import DefectRegion, number

_LABELLED = 5
_COUNTS, _IGNORED, _HALO = "#56b4e9", "#bbbbbb", "#101010"


def size_labels(regions: Sequence[DefectRegion]) -> list[str]:
    """What stands beside the largest regions: their areas, lengths and widths."""
    return [_label(region) for region in regions[:_LABELLED]]


def told_title(regions: Sequence[DefectRegion]) -> str:
    """The title of a picture with regions: how fine the map is that they were found in, where it is a coarse one."""
    coarse = next((one for one in regions if one.resolution_px is not None and one.resolution_px > 1), None)
    if coarse is None:
        return "picture"
    if coarse.resolution_mm is not None:
        return f"picture, sizes by cells of {number(coarse.resolution_mm)} mm"
    return f"picture, sizes by cells of {number(coarse.resolution_px or 0)} px"


def draw_regions(canvas: Image.Image, regions: Sequence[DefectRegion], size_wh: tuple[int, int]) -> None:
    """Draw the outlines of regions of a picture of this size, which the canvas shows; grey where they do not count."""
    ink = ImageDraw.Draw(canvas)
    scale = canvas.width / size_wh[0], canvas.height / size_wh[1]
    line_px = max(2, max(canvas.size) // 300)
    for region in reversed(regions):  # the largest on top
        for ring in (*region.rings_px, *region.holes_px):
            points = _on_canvas(ring, scale)
            ink.line(points, fill=_HALO, width=line_px + 2, joint="curve")
            ink.line(points, fill=_IGNORED if region.ignored else _COUNTS, width=line_px, joint="curve")


def write_sizes(
    canvas: Image.Image, regions: Sequence[DefectRegion], size_wh: tuple[int, int], text: Lettering
) -> None:
    """Write the sizes of the largest regions beside them, none over another."""
    ink = ImageDraw.Draw(canvas)
    scale = canvas.width / size_wh[0], canvas.height / size_wh[1]
    taken: list[tuple[float, float, float, float]] = []
    for region, label in zip(regions, size_labels(regions), strict=False):
        label = text.fitted(label, "", canvas.width - 4)
        width, height = text.getlength(label) + 4, text.height_px + 2
        left = min(max(0.0, region.box_xyxy_px[0] * scale[0]), canvas.width - width)
        for top in (region.box_xyxy_px[1] * scale[1] - height - 3, region.box_xyxy_px[3] * scale[1] + 3):
            top = min(max(0.0, top), float(canvas.height - height))
            frame = (left, top, left + width, top + height)
            if not any(_overlap(frame, other) for other in taken):
                taken.append(frame)
                ink.rectangle(frame, fill=_HALO)
                ink.text((left + 2, top), label, fill=_IGNORED if region.ignored else "#ffffff", font=text)
                break


def _label(region: DefectRegion) -> str:
    name = f"{region.label}: " if region.label else ""
    if region.area_mm2 is not None and region.length_mm is not None and region.width_mm is not None:
        return f"{name}{number(region.area_mm2)} mm², {number(region.length_mm)} × {number(region.width_mm)} mm"
    return f"{name}{number(region.area_px)} px², {number(region.length_px)} × {number(region.width_px)} px"


def _on_canvas(ring: Ring, scale: tuple[float, float]) -> list[tuple[float, float]]:
    corners = np.array([*ring, *ring[:2]]).reshape(-1, 2) * scale - 0.5
    return [(float(x), float(y)) for x, y in corners]


def _overlap(first: tuple[float, float, float, float], second: tuple[float, float, float, float]) -> bool:
    return first[0] < second[2] and second[0] < first[2] and first[1] < second[3] and second[1] < first[3]
