"""Outlines of detections: polygons or runs of pixels, and their form in COCO's JSON, compressed runs among it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kenpin.errors import ShapeError
from kenpin.plural import counted

Ring = tuple[float, ...]
"""x and y of each corner in turn, in pixels of the displayed picture."""

MOST_PIXELS = 2**28
"""Pixels of the largest mask: a file may claim any size, and a mask takes a byte a pixel."""
_LARGEST_COORDINATE = 1e9
_MOST_DIGITS = 8  # of a run in base 32
_ORIENTED = "oriented"


@dataclass(frozen=True, slots=True)
class Outline:
    """Which pixels of a picture one detection covers: polygons, or runs of pixels.

    Polygons cover what lies in any of `rings`. Runs are COCO's: numbers of pixels outside, inside, outside … in turn,
    column by column from the top left, together width times height. Raises ShapeError where they are neither.
    """

    rings: tuple[Ring, ...] = ()
    oriented: bool = False
    """Whether the four corners of the only ring are those of a rectangle that was drawn turned."""
    runs: tuple[int, ...] | None = None
    size_wh: tuple[int, int] | None = None
    """Width and height of the picture that the runs fill; None for polygons."""

    def __post_init__(self) -> None:
        if self.runs is not None:
            _check_runs(self.runs, self.size_wh)
        elif not self.rings:
            raise ShapeError("the outline is empty")
        for ring in self.rings:
            if len(ring) < 6 or len(ring) % 2:
                raise ShapeError(f"a polygon has {counted(len(ring), 'number')}; three corners have six")
            if not all(abs(value) < _LARGEST_COORDINATE for value in ring):
                raise ShapeError("a corner of a polygon is no pixel of any picture")
        if self.oriented and (len(self.rings) != 1 or len(self.rings[0]) != 8):
            raise ShapeError("an oriented box has four corners")

    @property
    def box_xyxy_px(self) -> tuple[float, float, float, float]:
        """The box around it: x1, y1, x2, y2 in pixels; without a pixel inside, 0, 0, 0, 0."""
        if self.runs is not None and self.size_wh is not None:
            return _box_of_runs(self.runs, self.size_wh[1])
        xs = [x for ring in self.rings for x in ring[0::2]]
        ys = [y for ring in self.rings for y in ring[1::2]]
        return min(xs), min(ys), max(xs), max(ys)


def _check_runs(runs: Sequence[int], size_wh: tuple[int, int] | None) -> None:
    width, height = size_wh or (0, 0)
    if width < 1 or height < 1 or width * height > MOST_PIXELS:
        raise ShapeError(f"the mask's size of {width} × {height} pixels is that of no picture")
    if any(run < 0 for run in runs) or sum(runs) != width * height:
        raise ShapeError(f"the runs of the mask do not fill its {width} × {height} pixels")


def _box_of_runs(runs: Sequence[int], height: int) -> tuple[float, float, float, float]:
    left = top = right = bottom = None
    end = 0
    for number, run in enumerate(runs):
        start, end = end, end + run
        if number % 2 == 0 or not run:
            continue
        first, last = start // height, (end - 1) // height
        # a run that goes on in the next column touches both the upper and the lower edge
        above, below = (start % height, (end - 1) % height) if first == last else (0, height - 1)
        left = first if left is None else left
        right = last if right is None else max(right, last)
        top = above if top is None else min(top, above)
        bottom = below if bottom is None else max(bottom, below)
    if left is None or top is None or right is None or bottom is None:
        return 0.0, 0.0, 0.0, 0.0
    return float(left), float(top), float(right + 1), float(bottom + 1)


def from_coco(segmentation: Any) -> Outline:
    """The outline of COCO's `segmentation`: a list of polygons, or `{"size": [h, w], "counts": list or text}`.

    Raises ShapeError, whose text says what is wrong with it.
    """
    if isinstance(segmentation, dict):
        size, counts = segmentation.get("size"), segmentation.get("counts")
        if not (isinstance(size, list) and len(size) == 2 and all(type(side) is int for side in size)):
            raise ShapeError("the mask has no size of two whole numbers, height and width")
        runs = decode_runs(counts) if isinstance(counts, str) else counts
        if not (isinstance(runs, list | tuple) and all(type(run) is int for run in runs)):
            raise ShapeError("the counts of the mask are neither a list of whole numbers nor compressed ones")
        return Outline(runs=tuple(runs), size_wh=(size[1], size[0]))
    if not isinstance(segmentation, list):
        raise ShapeError("the outline is neither a list of polygons nor a mask")
    rings = [segmentation] if segmentation and not isinstance(segmentation[0], list) else segmentation
    try:
        return Outline(tuple(tuple(float(value) for value in ring) for ring in rings if ring))
    except (TypeError, ValueError, OverflowError) as error:
        if isinstance(error, ShapeError):
            raise
        raise ShapeError("a polygon is not a list of numbers") from error


def to_coco(outline: Outline) -> Any:
    """COCO's `segmentation`; runs are compressed, as its own tools write them."""
    if outline.runs is not None and outline.size_wh is not None:
        return {"size": [outline.size_wh[1], outline.size_wh[0]], "counts": encode_runs(outline.runs)}
    return [list(ring) for ring in outline.rings]


def to_text(outline: Outline) -> str:
    """The outline as a line of JSON, exact: that of `to_coco`; of an oriented box `{"oriented": [x, y, …]}`."""
    value = {_ORIENTED: list(outline.rings[0])} if outline.oriented else to_coco(outline)
    return json.dumps(value, separators=(",", ":"))


def from_text(text: str) -> Outline:
    """The inverse of `to_text`. Raises ShapeError, ValueError."""
    value = json.loads(text)
    if isinstance(value, dict) and _ORIENTED in value:
        return Outline((tuple(map(float, value[_ORIENTED])),), oriented=True)
    return from_coco(value)


def is_oriented(text: str) -> bool:
    """Whether a text of `to_text` is that of an oriented box."""
    return text.startswith(f'{{"{_ORIENTED}"')


def encode_runs(runs: Sequence[int]) -> str:
    """COCO's compressed counts: base 32, from the fourth on the difference from the last but one.

    >>> encode_runs((4, 8, 4))
    '484'
    """
    # rleToString of cocoapi, common/maskApi.c
    text = []
    for number, run in enumerate(runs):
        rest = run - runs[number - 2] if number > 2 else run
        more = True
        while more:
            digit = rest & 0x1F
            rest >>= 5
            more = rest != (-1 if digit & 0x10 else 0)
            text.append(chr((digit | 0x20 if more else digit) + 48))
    return "".join(text)


def decode_runs(text: str) -> tuple[int, ...]:
    """The inverse of `encode_runs`. Raises ShapeError."""
    runs: list[int] = []
    value = shift = 0
    for character in text:
        digit = ord(character) - 48
        if not 0 <= digit < 64 or shift >= 5 * _MOST_DIGITS:
            raise ShapeError("the counts of the mask are no compressed ones of COCO")
        value |= (digit & 0x1F) << shift
        shift += 5
        if digit & 0x20:
            continue
        if digit & 0x10:
            value -= 1 << shift
        runs.append(value + runs[-2] if len(runs) > 2 else value)
        value = shift = 0
    if shift:
        raise ShapeError("the counts of the mask end within a number")
    return tuple(runs)


def oriented_box(box_cxcywh_px: tuple[float, float, float, float], degrees: float) -> Outline:
    """A box turned clockwise around its centre, as its four corners."""
    cx, cy, width, height = box_cxcywh_px
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    corners = ((-width, -height), (width, -height), (width, height), (-width, height))
    ring = [value for x, y in corners for value in (cx + (x * cosine - y * sine) / 2, cy + (x * sine + y * cosine) / 2)]
    return Outline((tuple(ring),), oriented=True)
