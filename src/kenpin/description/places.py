"""Places in a picture by name: the nine fields of a 3 × 3 grid, of a box, a map or a mask."""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kenpin.boxes import area, clip, intersection
from kenpin.errors import ShapeError
from kenpin.records import Box


class Place(StrEnum):
    """A field of the grid over a displayed picture, row by row from its top."""

    UPPER_LEFT = "upper left"
    UPPER_MIDDLE = "upper middle"
    UPPER_RIGHT = "upper right"
    MIDDLE_LEFT = "middle left"
    CENTRE = "centre"
    MIDDLE_RIGHT = "middle right"
    LOWER_LEFT = "lower left"
    LOWER_MIDDLE = "lower middle"
    LOWER_RIGHT = "lower right"


_PLACES = tuple(Place)
_SIDE = 3
_MUCH = 0.25  # of a box or of a field: with so much of one in the other, the box lies in the field
_NEARLY = 0.9  # of a map's peak: as hot as the peak to the eye


def places_of_box(box_xyxy_px: Box, size_wh: tuple[int, int]) -> tuple[Place, ...]:
    """The fields of a box: that of its centre first, then fields that it covers by a quarter, or that hold a quarter of
    it. A box without any area lies in the field of its centre."""
    width, height = size_wh
    ((x1, y1, x2, y2),) = clip([box_xyxy_px], size_wh)
    first = _place((x1 + x2) / 2 / width, (y1 + y2) / 2 / height)
    fields = [(x * width / 3, y * height / 3, (x + 1) * width / 3, (y + 1) * height / 3) for y, x in np.ndindex(3, 3)]
    (shared,) = intersection([(x1, y1, x2, y2)], fields)
    box_area, field_area = area([(x1, y1, x2, y2)])[0], width * height / _SIDE**2
    much = shared >= _MUCH * min(box_area, field_area) if box_area else np.zeros(len(fields), bool)
    return _first(first, much)


def places_of_map(values: NDArray[np.floating]) -> tuple[Place, ...]:
    """The hottest fields of a map, (h, w): that of its peak first, then fields that reach nine tenths of the peak;
    empty for a map without numbers, or with equal ones alone. Raises ShapeError."""
    fields = [field[np.isfinite(field)] for field in _fields(values)]
    numbers = np.concatenate(fields)
    if not len(numbers) or numbers.min() == numbers.max():
        return ()
    peaks = np.array([field.max() if len(field) else -np.inf for field in fields])
    low, peak = min(numbers.min(), 0.0), peaks.max()
    return _first(_PLACES[int(peaks.argmax())], peaks - low >= _NEARLY * (peak - low))


def place_of_mask(defective: NDArray[np.bool_]) -> Place | None:
    """The field that holds most of a mask's defective pixels, (h, w); None where there is none. Raises ShapeError."""
    counts = [int(field.sum()) for field in _fields(defective)]
    return _PLACES[int(np.argmax(counts))] if any(counts) else None


def _place(x_share: float, y_share: float) -> Place:
    # the right and lower edges of a picture belong to its last fields
    column, row = (min(int(share * _SIDE), _SIDE - 1) for share in (x_share, y_share))
    return _PLACES[row * _SIDE + column]


def _first(first: Place, others: NDArray[np.bool_]) -> tuple[Place, ...]:
    return (first, *(place for place, counts in zip(_PLACES, others, strict=True) if counts and place is not first))


def _fields(values: NDArray[np.generic]) -> Iterator[NDArray[np.generic]]:
    """The numbers of each field; a pixel belongs to the field of its centre."""
    if values.ndim != 2:
        raise ShapeError(f"an array of shape {values.shape} is not a map of a picture; give (h, w).")
    rows, columns = (((np.arange(n) + 0.5) / n * _SIDE).astype(int) for n in values.shape)
    for row, column in np.ndindex(_SIDE, _SIDE):
        yield values[np.ix_(rows == row, columns == column)]
