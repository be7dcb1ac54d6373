"""Checks of the boxes: inverted, empty, tiny, out of the frame, or with x and y exchanged."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kenpin.plural import counted
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from kenpin.records import Box, Example

_SLACK_PX = 1.0  # rounding at the edge is no mistake
_TINY_PX = 2.0
_TINY_SHARE = 0.001  # of the side; Florence-2's bins are no finer
_SWAPPED_COUNT, _SWAPPED_SHARE = 3, 0.9  # fewer boxes outside may fit by chance when their axes are exchanged


@dataclass(frozen=True, slots=True)
class BoxProblem:
    """A finding on one box, and whether exchanging x and y would explain it."""

    finding: Finding
    swap_mends: bool = False


def box_problems(example: Example, size_wh: tuple[int, int] | None) -> Iterator[BoxProblem]:
    """Problems of the boxes of one picture; without its size, only those that the boxes alone show."""
    if example.boxes is None:
        return
    labelled = zip(example.boxes.boxes_xyxy_px, example.boxes.labels, strict=True)
    for number, (box, label) in enumerate(labelled, start=1):
        where = f"{example.origin or example.id}: box {number} ({label}) of {example.id}"
        for problem in _problems(box, where, size_wh):
            yield replace(problem, finding=replace(problem.finding, pictures=(example.id,)))


def box_findings(problems: Sequence[BoxProblem], name: str) -> list[Finding]:
    """Findings on boxes; a single one where exchanged axes explain nearly all boxes outside the frame."""
    outside = [problem for problem in problems if problem.finding.code == "box-out-of-frame"]
    swapped = sum(problem.swap_mends for problem in outside)
    findings = [problem.finding for problem in problems]
    if swapped < _SWAPPED_COUNT or swapped < _SWAPPED_SHARE * len(outside):
        return findings
    first = next(problem.finding.where for problem in outside if problem.swap_mends)
    of_them = counted(len(outside), "box outside its picture", "boxes outside their picture")
    what = f"{swapped} of {of_them} would fit with x and y exchanged, the first is {first}"
    remedy = "Correct the order of the coordinates where the annotations were written, or give the right format"
    kept = [problem.finding for problem in problems if not problem.swap_mends]
    return [*kept, Finding(Severity.ERROR, "box-axes-swapped", name, what, remedy)]


def _problems(box: Box, where: str, size_wh: tuple[int, int] | None) -> Iterator[BoxProblem]:
    x1, y1, x2, y2 = box
    corners = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if not all(map(math.isfinite, box)):
        what, remedy = (
            f"the box from {corners} has a coordinate that is not a finite number",
            "Draw it again, or remove it",
        )
        yield BoxProblem(Finding(Severity.ERROR, "box-not-finite", where, what, remedy))
    elif x2 < x1 or y2 < y1:
        what = f"the box from {corners} is inverted: its second corner must be right of and below its first"
        yield BoxProblem(Finding(Severity.ERROR, "box-inverted", where, what, "Order its corners, or draw it again"))
    elif x1 == x2 or y1 == y2:
        what, remedy = f"the box from {corners} has no area", "Draw it again, or remove it"
        yield BoxProblem(Finding(Severity.ERROR, "box-empty", where, what, remedy))
    elif size_wh is not None and not _is_inside(box, size_wh):
        is_gone = x1 >= size_wh[0] or y1 >= size_wh[1] or x2 <= 0 or y2 <= 0
        what = f"the box from {corners} lies {'wholly' if is_gone else 'partly'} outside the picture of "
        what += f"{size_wh[0]} × {size_wh[1]} pixels"
        severity = Severity.ERROR if is_gone else Severity.WARNING
        remedy = "Draw it again, or check whether it was drawn on another size of the picture"
        finding = Finding(severity, "box-out-of-frame", where, what, remedy)
        yield BoxProblem(finding, swap_mends=_is_inside((y1, x1, y2, x2), size_wh))
    elif size_wh is not None and _is_tiny(box, size_wh):
        what = f"the box from {corners} is too small to be seen in a picture of {size_wh[0]} × {size_wh[1]} pixels"
        remedy = "Remove it if it was a slip of the mouse, or cut the picture into tiles"
        yield BoxProblem(Finding(Severity.WARNING, "box-tiny", where, what, remedy))


def _is_inside(box: Box, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    return min(x1, y1) >= -_SLACK_PX and x2 <= size_wh[0] + _SLACK_PX and y2 <= size_wh[1] + _SLACK_PX


def _is_tiny(box: Box, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    sides = zip((x2 - x1, y2 - y1), size_wh, strict=True)
    return any(side < max(_TINY_PX, _TINY_SHARE * full) for side, full in sides)
