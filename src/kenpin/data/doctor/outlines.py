"""Checks of the outlines: out of the frame, or not those of their box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kenpin.outlines import Outline
    from kenpin.records import Box, Example

_SLACK_PX = 1.0  # rounding at the edge is no mistake
_APART_PX, _APART_SHARE = 3.0, 0.1  # of the box's side: tools draw boxes by hand around outlines


def outline_findings(example: Example, size_wh: tuple[int, int] | None) -> Iterator[Finding]:
    """Problems of the outlines of one picture; without its size, only those that boxes and outlines show."""
    boxes = example.boxes
    if boxes is None or boxes.outlines is None:
        return
    for number, (outline, box, label) in enumerate(
        zip(boxes.outlines, boxes.boxes_xyxy_px, boxes.labels, strict=True), start=1
    ):
        if outline is None:
            continue
        where = f"{example.origin or example.id}: outline {number} ({label}) of {example.id}"
        problem = _problem(outline, box, size_wh)
        if problem is not None:
            code, what, remedy = problem
            yield Finding(Severity.WARNING, code, where, what, remedy, (example.id,))


def _problem(outline: Outline, box: Box, size_wh: tuple[int, int] | None) -> tuple[str, str, str] | None:
    """Code, description and remedy; None where nothing is wrong."""
    around = x1, y1, x2, y2 = outline.box_xyxy_px
    reach = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if size_wh is not None and outline.size_wh is not None and outline.size_wh != size_wh:
        mask = " × ".join(map(str, outline.size_wh))
        what = f"the mask has {mask} pixels, its picture {size_wh[0]} × {size_wh[1]}"
        return "mask-size", what, "Export the masks again from pictures of this size"
    differs = any(
        abs(one - other) > max(_APART_PX, _APART_SHARE * side)
        for one, other, side in zip(around, box, (box[2] - box[0], box[3] - box[1]) * 2, strict=True)
    )
    if differs:
        what = f"the outline reaches from {reach}, its box from ({box[0]:g}, {box[1]:g}) to ({box[2]:g}, {box[3]:g})"
        return "outline-apart", what, "Leave the box out, so that it is taken from the outline, or draw either again"
    if size_wh is not None and (min(x1, y1) < -_SLACK_PX or x2 > size_wh[0] + _SLACK_PX or y2 > size_wh[1] + _SLACK_PX):
        what = f"the outline from {reach} lies partly outside the picture of {size_wh[0]} × {size_wh[1]} pixels"
        return (
            "outline-out-of-frame",
            what,
            "Draw it again, or check whether it was drawn on another size of the picture",
        )
    return None
