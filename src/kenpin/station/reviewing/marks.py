"""Marks: where people say that a part is defective, as boxes and regions in pixels of the displayed picture."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from kenpin.errors import OptionError
from kenpin.outlines import Outline, Ring
from kenpin.records import Box, Detections
from kenpin.strict_json import parse_json

MOST_MARKS, MOST_CORNERS, MOST_CORNERS_TOGETHER = 200, 500, 2_500
"""Of a review: its marks, the corners of one region, and those of all regions."""
MOST_LETTERS = 131_072
"""Of the marks that a form sends: more than as many corners take."""
_FINE = 16
"""Coordinates are kept to a sixteenth of a pixel: finer than hands and networks, and sums of such numbers are exact."""
_LARGEST_PX = 1e9
_LEAST_PX = 1.0  # of width and height, and of a region's area in its square


class MarksError(OptionError):
    """What somebody drew on a part cannot be kept."""


@dataclass(frozen=True, slots=True)
class DefectMark:
    """Where a part is defective."""

    label: str | None
    """Class of the defect; None: that of the part."""
    box_xyxy_px: Box
    """Of a region the box around it."""
    ring_px: Ring | None = None
    """x and y of each corner of a region in turn; None: the box is all that was drawn."""
    view: int | None = None
    """Of a part by several pictures, the place among its views of the one that it is on, from 0; None of a part by one
    picture, and of what was drawn when only the picture that stands for the part could be drawn on."""


Sizes = Mapping[int | None, tuple[int, int] | None]
"""Width and height, as displayed, of each picture of a part by its view, or by None of its only one; None where it
cannot be opened."""


def marks_of_text(text: str) -> tuple[DefectMark, ...]:
    """The marks in the JSON that a form sends; none in an empty text. Raises MarksError.

    >>> marks_of_text('[{"label": "dent", "box": [1, 2, 9.5, 8]}]')
    (DefectMark(label='dent', box_xyxy_px=(1.0, 2.0, 9.5, 8.0), ring_px=None, view=None),)
    """
    if not text.strip():
        return ()
    if len(text) > MOST_LETTERS:
        raise MarksError(f"marks: are {len(text):,} letters, more than the {MOST_LETTERS:,} that may be; draw fewer.")
    try:
        values = parse_json(text.encode())
    except ValueError as error:
        raise MarksError(f"marks: are not JSON ({error}); draw them on the page.") from error
    return marks_of_values(values)


def kept_marks(text: str | None) -> tuple[DefectMark, ...]:
    """The marks in a text of JSON that the store keeps; none where it keeps none. Raises MarksError, ValueError where
    something else wrote it."""
    return () if text is None else marks_of_values(json.loads(text))


def marks_of_values(values: object) -> tuple[DefectMark, ...]:
    """The marks that JSON holds: a list, in which each is `{"label": TEXT or null, "box": [x1, y1, x2, y2]}`, or with
    `"corners": [x, y, x, y, …]` in place of the box, and on a view with `"view": PLACE`. Raises MarksError."""
    if not isinstance(values, list):
        raise MarksError("marks: are not a list; draw them on the page.")
    if len(values) > MOST_MARKS:
        raise MarksError(f"marks: are {len(values):,}, and a part has at most {MOST_MARKS}; draw fewer, or a region.")
    return tuple(_mark(value, f"mark {number}") for number, value in enumerate(values, start=1))


def values_of_marks(marks: Iterable[DefectMark]) -> list[dict[str, Any]]:
    """The inverse of `marks_of_values`."""
    return [
        {
            "label": mark.label,
            **({"box": [*mark.box_xyxy_px]} if mark.ring_px is None else {"corners": [*mark.ring_px]}),
            **({} if mark.view is None else {"view": mark.view}),
        }
        for mark in marks
    ]


def on_views(marks: Iterable[DefectMark], deciding: int | None) -> tuple[DefectMark, ...]:
    """Marks with the views that they are on. deciding: place of the view whose picture stands for the part, which marks
    without a view are on; None of a part by one picture."""
    return tuple(replace(mark, view=deciding) if mark.view is None else mark for mark in marks)


def check_marks(marks: Sequence[DefectMark], sizes_wh: Sizes, classes: Sequence[str]) -> None:
    """Raises MarksError where a mark is not within its picture or holds no pixel, its class is none of these, or a
    region has too many corners."""
    if marks and not any(sizes_wh.values()):
        raise MarksError("marks: the part has no picture to draw them on; say without them what it is.")
    if len(marks) > MOST_MARKS:
        raise MarksError(f"marks: are {len(marks):,}, and a part has at most {MOST_MARKS}; draw fewer, or a region.")
    if sum(len(mark.ring_px or ()) for mark in marks) > 2 * MOST_CORNERS_TOGETHER:
        raise MarksError(f"marks: have more than {MOST_CORNERS_TOGETHER:,} corners together; draw simpler regions.")
    for number, mark in enumerate(marks, start=1):
        if mark.view not in sizes_wh:
            raise MarksError(f"mark {number}: is on a view that the part does not have; draw it again.")
        size_wh = sizes_wh[mark.view]
        if size_wh is None:
            raise MarksError(f"mark {number}: is on a view without a picture to draw on; remove it.")
        _check(mark, f"mark {number}", size_wh)
        if mark.label is not None and mark.label not in classes:
            raise MarksError(
                f"mark {number}: {mark.label!r:.60} is none of the classes that the line tells apart; choose one of "
                "them, or none."
            )


def detections_of_marks(marks: Iterable[DefectMark]) -> Detections | None:
    """Marks as boxes with the outlines of regions, a mark without a class labelled with the empty text; None where
    there are none."""
    some = tuple(marks)
    if not some:
        return None
    outlines = tuple(None if mark.ring_px is None else Outline((mark.ring_px,)) for mark in some)
    return Detections(
        tuple(mark.box_xyxy_px for mark in some),
        tuple(mark.label or "" for mark in some),
        outlines=outlines if any(outlines) else None,
    )


def marks_of_detections(
    found: Detections, size_wh: tuple[int, int], classes: Sequence[str], view: int | None = None
) -> list[DefectMark]:
    """What a run found on a picture, which may be a view, as marks that a person may take over: the surest first, cut
    to the picture, and without those that keep no pixel. A class that is none of these becomes that of the part, a mask
    the box around it."""
    scores = found.scores or (0.0,) * len(found)
    marks = []
    for row in sorted(range(len(found)), key=lambda row: -scores[row]):
        label = found.labels[row] if found.labels[row] in classes else None
        outline = None if found.outlines is None else found.outlines[row]
        ring = outline.rings[0] if outline is not None and len(outline.rings) == 1 else None
        if ring is not None and len(ring) <= 2 * MOST_CORNERS:
            mark = _region(label, _within(ring, size_wh), view)
        else:
            x1, y1, x2, y2 = _within(found.boxes_xyxy_px[row], size_wh)
            mark = DefectMark(label, (x1, y1, x2, y2), view=view)
        if _hindrance(mark, size_wh) is None:
            marks.append(mark)
    return marks[:MOST_MARKS]


def _mark(value: object, where: str) -> DefectMark:
    if (
        not isinstance(value, dict)
        or value.keys() - {"label", "box", "corners", "view"}
        or ("box" in value) == ("corners" in value)
    ):
        raise MarksError(f"{where}: is neither a box nor a region with its class; draw it on the page.")
    label = value.get("label")
    if label is not None and not isinstance(label, str):
        raise MarksError(f"{where}: its class is not a text; choose one of the line's classes, or none.")
    view = value.get("view")
    if view is not None and (not isinstance(view, int) or isinstance(view, bool) or view < 0):
        raise MarksError(f"{where}: its view is none of a part's; draw it again.")
    if "corners" in value:
        ring = _numbers(value["corners"], where)
        if len(ring) > 2 * MOST_CORNERS:
            raise MarksError(f"{where}: has more than {MOST_CORNERS} corners; draw a simpler region.")
        if len(ring) < 6 or len(ring) % 2:
            raise MarksError(f"{where}: a region has x and y of at least three corners; draw it again.")
        return _region(label, ring, view)
    numbers = _numbers(value["box"], where)
    if len(numbers) != 4:
        raise MarksError(f"{where}: a box has four numbers, left, top, right and bottom; draw it again.")
    x1, y1, x2, y2 = numbers
    return DefectMark(label, (x1, y1, x2, y2), view=view)


def _region(label: str | None, ring: Sequence[float], view: int | None = None) -> DefectMark:
    xs, ys = ring[0::2], ring[1::2]
    return DefectMark(label, (min(xs), min(ys), max(xs), max(ys)), tuple(ring), view)


def _numbers(values: object, where: str) -> list[float]:
    """Raises MarksError where they are not a list of numbers that may be pixels."""
    if not isinstance(values, list) or not all(
        isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST_PX for value in values
    ):
        raise MarksError(f"{where}: holds something that is no pixel of a picture; draw it again.")
    return [*map(_rounded, values)]


def _rounded(value: float) -> float:
    return round(value * _FINE) / _FINE + 0.0  # no negative zero


def _within(values: Sequence[float], size_wh: tuple[int, int]) -> list[float]:
    """x and y in turn, at the nearest pixels of a picture."""
    return [min(max(_rounded(value), 0.0), float(size_wh[place % 2])) for place, value in enumerate(values)]


def _check(mark: DefectMark, where: str, size_wh: tuple[int, int]) -> None:
    if hindrance := _hindrance(mark, size_wh):
        raise MarksError(f"{where}: {hindrance}; draw it again.")


def _hindrance(mark: DefectMark, size_wh: tuple[int, int]) -> str | None:
    """Why it cannot be a mark on a picture of this size."""
    (x1, y1, x2, y2), (width, height) = mark.box_xyxy_px, size_wh
    if not (x1 >= 0 and x2 <= width and y1 >= 0 and y2 <= height):
        return f"reaches out of the picture of {width} × {height} pixels"
    if x2 - x1 < _LEAST_PX or y2 - y1 < _LEAST_PX:
        return "is less than a pixel wide or high"
    if mark.ring_px is not None and _area(mark.ring_px) < _LEAST_PX:
        return "encloses less than a pixel"
    return None


def _area(ring: Ring) -> float:
    """Of a polygon, by the shoelace formula; what it encloses twice in opposite turns counts as nothing."""
    xs, ys = ring[0::2], ring[1::2]
    following = zip((*xs[1:], xs[0]), (*ys[1:], ys[0]), strict=True)
    return abs(sum(x * next_y - next_x * y for x, y, (next_x, next_y) in zip(xs, ys, following, strict=True))) / 2
