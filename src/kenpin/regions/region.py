"""One region: its outline, its figures in pixels and millimetres, and a few words on it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from kenpin.errors import OptionError
from kenpin.outlines import Ring
from kenpin.records import Box

PxPerMm = tuple[float, float]
"""Pixels a millimetre, across and down, of the picture as it was taken and is displayed; not of one made smaller."""


@dataclass(frozen=True, slots=True)
class DefectRegion:
    """A connected part of a picture that is against the part, as far as a map, a mask or a box tells.

    Pixels are those of the displayed picture, as those of boxes. Length and width are the sides of the rectangle of
    least area around it: a bent scratch is as long as its rectangle. Figures in mm are None without a scale.
    """

    rings_px: tuple[Ring, ...]
    """Outer outlines, one but for a mask in pieces; simplified, while the figures are those of the exact outline."""
    holes_px: tuple[Ring, ...]
    """Outlines of what lies within and does not belong to it."""
    box_xyxy_px: Box
    centre_xy_px: tuple[float, float]
    """Centre of gravity, which may lie outside of a bent region."""
    area_px: float
    length_px: float
    width_px: float
    peak: float | None = None
    """Highest number of the map in it, or score of the detection."""
    label: str | None = None
    """Class of the detection."""
    resolution_px: float | None = None
    """Longer side of the map's cells: figures are not finer than this. 1 of a mask; None of a box, where it is
    unknown."""
    area_mm2: float | None = None
    length_mm: float | None = None
    width_mm: float | None = None
    centre_xy_mm: tuple[float, float] | None = None
    """From the picture's upper left corner."""
    resolution_mm: float | None = None
    places: tuple[str, ...] = ()
    """Names of the policy's places that it lies in, or touches."""
    ignored: bool = False
    """Whether it is smaller than what the policy counts."""
    view: str | None = None
    """The view that it is on, where a part is judged by several."""


def scale_of(px_per_mm: float | tuple[float, ...] | None) -> PxPerMm | None:
    """A scale from one number, or from two for across and down. Raises OptionError.

    >>> scale_of(20.0)
    (20.0, 20.0)
    """
    if px_per_mm is None:
        return None
    numbers = px_per_mm if isinstance(px_per_mm, tuple) else (px_per_mm,)
    if len(numbers) not in (1, 2) or not all(math.isfinite(number) and 1e-6 <= number <= 1e6 for number in numbers):
        raise OptionError(
            f"`px_per_mm` of {' '.join(map(str, numbers)) or 'no number'} is no scale; give one number of pixels a "
            "millimetre, above 0, or two, for across and down."
        )
    return numbers[0], numbers[-1]


def told_scale(scale: PxPerMm) -> str:
    """A scale as it is typed and told.

    >>> told_scale((20.0, 20.0)), told_scale((20.0, 12.5))
    ('20', '20 across and 12.5 down')
    """
    across, down = (f"{value:.6g}" for value in scale)
    return across if across == down else f"{across} across and {down} down"


def other_scale(given: PxPerMm | None, kept: PxPerMm | None, keeper: str) -> str | None:
    """A sentence where a scale is given in place of another one that is kept; None where they agree. keeper: what keeps
    it, as the user knows it."""
    if given is None or kept is None or given == kept:
        return None
    return (
        f"{keeper} keeps {told_scale(kept)} pixels a millimetre; sizes are by the {told_scale(given)} that were given "
        "in their place."
    )


def told_region(region: DefectRegion) -> str:
    """The region's size and place, in mm where they are known.

    >>> told_region(DefectRegion((), (), (0, 0, 4, 2), (2.0, 1.0), 8.0, 4.0, 2.0, resolution_px=16.0))
    '8 px², 4 × 2 px (cells of 16 px) at 2, 1 px'
    >>> told_region(DefectRegion((), (), (0, 0, 4, 2), (2.0, 1.0), 8.0, 4.0, 2.0, view="top"))
    '8 px², 4 × 2 px at 2, 1 px on view top'
    """
    x, y = (f"{value:.0f}" for value in region.centre_xy_px)
    on_view = "" if region.view is None else f" on view {region.view}"
    return f"{told_size(region)} at {x}, {y} px{on_view}"


def told_size(region: DefectRegion) -> str:
    """The region's area, length and width, and how fine its map is, where it is coarser than a pixel."""
    size, cell = sizes(region)
    return size if cell is None else f"{size} (cells of {cell})"


def sizes(region: DefectRegion) -> tuple[str, str | None]:
    """The region's area, length and width, and the side of a cell of its map where that is more than a pixel."""
    if region.area_mm2 is not None and region.length_mm is not None and region.width_mm is not None:
        size = f"{number(region.area_mm2)} mm², {number(region.length_mm)} × {number(region.width_mm)} mm"
        fineness, unit = region.resolution_mm, "mm"
    else:
        size = f"{number(region.area_px)} px², {number(region.length_px)} × {number(region.width_px)} px"
        fineness, unit = region.resolution_px, "px"
    coarse = region.resolution_px is not None and region.resolution_px > 1 and fineness is not None
    return size, f"{number(fineness or 0)} {unit}" if coarse else None


def number(value: float) -> str:
    """Three digits, whole numbers in full, without a power of ten.

    >>> [number(value) for value in (0.0123, 1.5, 1234.5)]
    ['0.0123', '1.5', '1234']
    """
    return f"{value:.0f}" if abs(value) >= 100 else f"{float(f'{value:.3g}'):f}".rstrip("0").rstrip(".")
