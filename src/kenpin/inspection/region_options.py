"""Options of a policy on regions: named places, the cut of a run, and sizes below which regions do not count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Self

from pydantic import Field, model_validator

from kenpin.inspection.fusing import Rule
from kenpin.inspection.region_rules import SizeBound, parse_ignored
from kenpin.nearest import did_you_mean
from kenpin.outlines import Ring
from kenpin.strict_options import StrictOptions

_MOST_CORNERS = 100
_LARGEST_PX = 1e6


class NamedPlaceOptions(StrictOptions):
    """A place of the picture as displayed: a box or a polygon, in pixels or in shares of its width and height."""

    box_px: tuple[float, float, float, float] | None = Field(None, description="x1, y1, x2, y2 in pixels.")
    box_share: tuple[float, float, float, float] | None = Field(
        None, description="x1, y1, x2, y2 in shares of width and height, 0 to 1."
    )
    polygon_px: tuple[tuple[float, float], ...] | None = Field(None, description="Corners, x and y of each in pixels.")
    polygon_share: tuple[tuple[float, float], ...] | None = Field(
        None, description="Corners, x and y of each in shares of width and height, 0 to 1."
    )

    @model_validator(mode="after")
    def _is_a_place(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"has {' and '.join(given) or 'no form'}; give one of box_px, box_share, polygon_px and polygon_share."
            )
        (name,) = given
        corners = self.corners
        if len(corners) < 3 or len(corners) > _MOST_CORNERS:
            raise ValueError(f"{name} has {len(corners)} corners; give 3 to {_MOST_CORNERS}.")
        highest = 1.0 if name.endswith("share") else _LARGEST_PX
        if not all(0 <= value <= highest for corner in corners for value in corner):
            raise ValueError(f"{name} reaches out of the picture; give numbers from 0 to {highest:g}.")
        area = sum(x1 * y2 - x2 * y1 for (x1, y1), (x2, y2) in zip(corners, (*corners[1:], corners[0]), strict=True))
        if name.startswith("box") and not (corners[0][0] < corners[2][0] and corners[0][1] < corners[2][1]):
            raise ValueError(f"{name} is x1, y1, x2, y2 with x1 below x2 and y1 below y2; exchange them.")
        if not area:
            raise ValueError(f"{name} has no area; give corners that do not lie on one line.")
        return self

    @property
    def corners(self) -> tuple[tuple[float, float], ...]:
        """Corners of the place, in its own unit."""
        box = self.box_px or self.box_share
        if box is None:
            return self.polygon_px or self.polygon_share or ()
        x1, y1, x2, y2 = box
        return (x1, y1), (x2, y1), (x2, y2), (x1, y2)

    def ring_px(self, size_wh: tuple[int, int]) -> Ring:
        """The place in a picture of this size, as a polygon in pixels."""
        in_shares = self.box_share is not None or self.polygon_share is not None
        width, height = size_wh if in_shares else (1, 1)
        return tuple(value for x, y in self.corners for value in (x * width, y * height))

    def lies_in(self, size_wh: tuple[int, int]) -> bool:
        """Whether any of it lies in a picture of this size."""
        ring = self.ring_px(size_wh)
        return min(ring[0::2]) < size_wh[0] and min(ring[1::2]) < size_wh[1]


class RegionOptions(StrictOptions):
    """What a run's regions are, and what they decide."""

    region_from: float | None = Field(
        None, description="Number of the run's map, or score of a box, from which regions are found; by default that "
        "from which a part fails."
    )  # fmt: skip
    ignore_below: str | None = Field(
        None, description="Size below which a region does not count in rules: an area such as `0.05 mm²`, or a length "
        "such as `0.3 mm`."
    )  # fmt: skip

    @model_validator(mode="after")
    def _is_a_size(self) -> Self:
        if self.region_from is not None and not math.isfinite(self.region_from):
            raise ValueError("`region_from` is not finite; give a number of the map.")
        _ = self.ignored
        return self

    @property
    def ignored(self) -> SizeBound | None:
        """The size that a region must have to count."""
        return None if self.ignore_below is None else parse_ignored(self.ignore_below)


def check_region_rule(rule: Rule, runs: Mapping[str, object], places: Mapping[str, NamedPlaceOptions] | None) -> None:
    """Refuse a rule whose conditions on regions name what the policy has not. runs: of the policy, by name. Raises
    ValueError."""
    for term in rule.region_terms:
        if term.run not in runs:
            raise ValueError(
                f"rule {rule.text!r} names a run `{term.run}` that is not below `runs`; {did_you_mean(term.run, runs)}"
            )
        if term.place is not None and term.place not in (places or {}):
            remedy = (
                did_you_mean(term.place, places) if places else "give `places` with a box or a polygon of this name."
            )
            raise ValueError(f"rule {rule.text!r} names a place `{term.place}` that is not below `places`; {remedy}")
