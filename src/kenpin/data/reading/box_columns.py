"""Boxes in the columns of a table: which columns hold the four numbers, in which form, and the picture's size."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kenpin.data.reading.box_forms import BoxForm, four_numbers
from kenpin.data.reading.columns import key_of
from kenpin.data.reading.pictures import is_picture
from kenpin.data.reading.shapes import stated_size
from kenpin.records import Box

_FORMS = (
    (BoxForm.XYXY, "xmin ymin xmax ymax"),
    (BoxForm.XYXY, "x1 y1 x2 y2"),
    (BoxForm.XYXY, "x0 y0 x1 y1"),
    (BoxForm.XYXY, "left top right bottom"),
    (BoxForm.XYXY, "xtl ytl xbr ybr"),  # CVAT's names
    (BoxForm.XYXY, "startx starty endx endy"),
    (BoxForm.CXCYWH, "cx cy w h"),
    (BoxForm.CXCYWH, "cx cy width height"),
    (BoxForm.CXCYWH, "xcenter ycenter w h"),
    (BoxForm.CXCYWH, "xcenter ycenter width height"),
    (BoxForm.CXCYWH, "centerx centery width height"),
    (BoxForm.XYWH, "bboxx bboxy bboxwidth bboxheight"),  # makesense.ai
    (BoxForm.XYWH, "bboxx bboxy bboxw bboxh"),
    (BoxForm.XYWH, "x y w h"),
    (BoxForm.XYWH, "x y width height"),
    (BoxForm.XYWH, "xmin ymin w h"),
    (BoxForm.XYWH, "xmin ymin width height"),
    (BoxForm.XYWH, "left top width height"),
)
_IN_ONE_CELL = ("bbox", "box", "boundingbox")  # [left, top, width, height], as COCO has it
_SIZES = ("width height", "imagewidth imageheight", "imgwidth imgheight", "imagew imageh")
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?")
_LARGEST_FRACTION = 1.05  # rounding, and boxes a little beyond the edge
_HEADLESS = (
    ("image", "xmin", "ymin", "xmax", "ymax", "class"),  # keras-retinanet
    ("class", "bbox_x", "bbox_y", "bbox_width", "bbox_height", "image", "image_width", "image_height"),  # makesense.ai
)


@dataclass(frozen=True, slots=True)
class BoxColumns:
    """Indices of the columns that hold a box, one or four, and of those that hold width and height of its picture."""

    form: BoxForm
    places: tuple[int, ...]
    size_places: tuple[int, int] | None

    def texts_of(self, cells: Sequence[str]) -> list[str]:
        """The four numbers of a row as texts; none where the row has no box."""
        if len(self.places) == 1:
            return _NUMBER.findall(cells[self.places[0]])
        texts = [cells[place].strip() for place in self.places]
        return texts if any(texts) else []

    def size_wh_of(self, cells: Sequence[str]) -> tuple[int, int] | None:
        """Width and height of the picture, where the row states them."""
        if self.size_places is None:
            return None
        return stated_size(*(cells[place] for place in self.size_places))


def box_columns(names: Sequence[str]) -> BoxColumns | None:
    """The columns of these names that hold boxes; None where there are none."""
    places = {key_of(name): place for place, name in reversed(list(enumerate(names)))}
    for form, keys in _FORMS:
        if all(key in places for key in keys.split()):
            return BoxColumns(form, tuple(places[key] for key in keys.split()), _size_places(places, keys.split()))
    one = next((places[key] for key in _IN_ONE_CELL if key in places), None)
    return None if one is None else BoxColumns(BoxForm.XYWH, (one,), _size_places(places, ()))


def _size_places(places: dict[str, int], taken: Sequence[str]) -> tuple[int, int] | None:
    for keys in map(str.split, _SIZES):
        if all(key in places and key not in taken for key in keys):
            return places[keys[0]], places[keys[1]]
    return None


def columns_without_head(cells: Sequence[str]) -> tuple[str, ...] | None:
    """Names of the columns of a table of boxes whose first line is a row already; None for any other line."""
    for names in _HEADLESS:
        if len(names) == len(cells):
            columns = box_columns(names)
            texts = [] if columns is None else columns.texts_of(cells)
            if is_picture(cells[names.index("image")]) and (not texts or four_numbers(texts) is not None):
                return names
    return None


def are_fractions(boxes: Iterable[Box]) -> bool:
    """Whether the numbers of all boxes of a table are fractions of their pictures: none is larger than 1, and some are
    no whole numbers."""
    numbers = [number for box in boxes for number in box]
    return (
        bool(numbers)
        and max(map(abs, numbers)) <= _LARGEST_FRACTION
        and any(not number.is_integer() for number in numbers)
    )
