"""What the four numbers of a box may be, and x1 y1 x2 y2 in pixels from each form and back."""

from __future__ import annotations

import math
from collections.abc import Iterable
from enum import StrEnum
from typing import Self

from kenpin.errors import OptionError
from kenpin.nearest import did_you_mean
from kenpin.records import Box

_LARGEST_COORDINATE = 1e9  # no picture is that wide; beyond it sums and areas lose their meaning


class BoxForm(StrEnum):
    """The meaning of four numbers, in pixels of the displayed picture, or as fractions of it (`…-unit`)."""

    XYXY = "xyxy"
    """Left, top, right, bottom: Pascal VOC."""
    XYWH = "xywh"
    """Left, top, width, height: COCO."""
    CXCYWH = "cxcywh"
    """Centre, width, height."""
    CORNERS = "corners"
    """Two opposite corners, in any order."""
    YXYX = "yxyx"
    """Top, left, bottom, right: x and y exchanged."""
    YXHW = "yxhw"
    """Top, left, height, width."""
    XYXY_UNIT = "xyxy-unit"
    XYWH_UNIT = "xywh-unit"
    CXCYWH_UNIT = "cxcywh-unit"
    """YOLO."""
    CORNERS_UNIT = "corners-unit"
    YXYX_UNIT = "yxyx-unit"
    YXHW_UNIT = "yxhw-unit"

    @classmethod
    def of(cls, name: str) -> Self:
        """The form of this name. Raises OptionError."""
        try:
            return cls(name)
        except ValueError:
            raise OptionError(
                f"option `--boxes`: the form {name!r} is not known; {did_you_mean(name, [*cls])}"
            ) from None

    @property
    def is_unit(self) -> bool:
        """Whether the numbers are fractions of the picture, so that its size is needed."""
        return self.value.endswith("-unit")

    def to_xyxy_px(self, four: Box, size_wh: tuple[int, int]) -> Box:
        """Four numbers of this form -> x1, y1, x2, y2 in pixels. size_wh: of the displayed picture.

        >>> BoxForm.CXCYWH_UNIT.to_xyxy_px((0.5, 0.5, 0.5, 0.5), (64, 48))
        (16.0, 12.0, 48.0, 36.0)
        """
        a, b, c, d = four
        kind = self.value.removesuffix("-unit")
        if kind == "xyxy":
            box = four
        elif kind == "xywh":
            box = (a, b, a + c, b + d)
        elif kind == "cxcywh":
            box = (a - c / 2, b - d / 2, a + c / 2, b + d / 2)
        elif kind == "corners":
            box = (min(a, c), min(b, d), max(a, c), max(b, d))
        elif kind == "yxyx":
            box = (b, a, d, c)
        else:
            box = (b, a, b + d, a + c)
        if not self.is_unit:
            return box
        (x1, y1, x2, y2), (width, height) = box, size_wh
        return x1 * width, y1 * height, x2 * width, y2 * height

    def from_xyxy_px(self, box_xyxy_px: Box, size_wh: tuple[int, int]) -> Box:
        """The inverse of `to_xyxy_px`, up to rounding."""
        x1, y1, x2, y2 = box_xyxy_px
        if self.is_unit:
            width, height = size_wh
            x1, y1, x2, y2 = x1 / width, y1 / height, x2 / width, y2 / height
        kind = self.value.removesuffix("-unit")
        if kind in ("xyxy", "corners"):
            return x1, y1, x2, y2
        if kind == "xywh":
            return x1, y1, x2 - x1, y2 - y1
        if kind == "cxcywh":
            return (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
        if kind == "yxyx":
            return y1, x1, y2, x2
        return y1, x1, y2 - y1, x2 - x1


def four_numbers(values: object) -> Box | None:
    """Four finite numbers, from numbers or their texts; None where `values` are anything else."""
    if not isinstance(values, Iterable) or isinstance(values, str):
        return None
    try:
        first, second, third, fourth = (float(value) for value in values)
    except (TypeError, ValueError, OverflowError):
        return None
    four = (first, second, third, fourth)
    return four if all(math.isfinite(v) and abs(v) < _LARGEST_COORDINATE for v in four) else None
