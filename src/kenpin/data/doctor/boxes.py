"""Checks of the boxes: inverted, empty, tiny, out of the frame, or read in another form than they were written in."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from kenpin.data.reading.box_forms import BoxForm
from kenpin.plural import counted
from kenpin.records import Finding, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kenpin.records import Box, Example

_SLACK_PX = 1.0  # rounding at the edge is no mistake
_TINY_PX = 2.0
_TINY_SHARE = 0.001  # of the side; Florence-2's bins are no finer
_FEWEST = 3  # boxes from which another form is more than a chance
_FIT, _GAIN = 0.98, 0.05  # share of the boxes that fit in another form, and how much more than in the format's
_TRIED = 5_000  # boxes that are read in every form
_ANY_ORDER = (BoxForm.CORNERS, BoxForm.CORNERS_UNIT)
_WRITTEN = 1.01  # fractions of a picture are not larger, rounding included


@dataclass(frozen=True, slots=True)
class BoxProblem:
    """A finding on one box, and the box; the picture's size is None where it is not known."""

    finding: Finding
    box: Box
    size_wh: tuple[int, int] | None


def box_problems(example: Example, size_wh: tuple[int, int] | None) -> Iterator[BoxProblem]:
    """Problems of the boxes of one picture; without its size, only those that the boxes alone show."""
    if example.boxes is None:
        return
    labelled = zip(example.boxes.boxes_xyxy_px, example.boxes.labels, strict=True)
    for number, (box, label) in enumerate(labelled, start=1):
        where = f"{example.origin or example.id}: box {number} ({label}) of {example.id}"
        for finding in _problems(box, where, size_wh):
            yield BoxProblem(replace(finding, pictures=(example.id,)), box, size_wh)


class BoxesSeen:
    """Boxes of a whole data set with the sizes of their pictures, to see what their four numbers are."""

    def __init__(self) -> None:
        self.problems: list[BoxProblem] = []
        self._boxes: list[tuple[Box, tuple[int, int]]] = []

    def see(self, example: Example, size_wh: tuple[int, int] | None) -> None:
        """Look at the boxes of one picture."""
        self.problems += box_problems(example, size_wh)
        if example.boxes is not None and size_wh is not None and len(self._boxes) < _TRIED:
            self._boxes += [(box, size_wh) for box in example.boxes.boxes_xyxy_px]

    def findings(self, name: str, form: BoxForm | None) -> list[Finding]:
        """Findings on boxes; a single one where nearly all boxes fit in another form than the one they were read in.

        form: the one they were read in; None: the format has no other.
        """
        findings = [problem.finding for problem in self.problems]
        read_as = form or BoxForm.XYXY
        better = self._better_forms(read_as) if self.problems else []
        if not better:
            return findings
        explained: list[Finding] = []
        kept: list[Finding] = []
        for one in self.problems:
            (explained if self._fits(one.box, one.size_wh, read_as, better[0]) else kept).append(one.finding)
        count = counted(len(self._boxes), "box", "boxes")
        forms, first = " or ".join(better), (explained or findings)[0].where
        what = f"of {count}, {self._fitting(read_as, read_as)} fit into the pictures as {read_as}, as which they were "
        what += f"read, but {self._fitting(read_as, better[0])} as {forms}; the first that does not fit is {first}"
        if form is None:
            remedy = "Correct the order of the coordinates where the annotations were written, or give the right format"
        else:
            remedy = f"Read them so with --boxes {better[0]}, and look at some: kenpin look"
        return [*kept, Finding(Severity.ERROR, "box-form", name, what, remedy)]

    def _better_forms(self, form: BoxForm) -> list[BoxForm]:
        """The forms in which nearly all boxes fit, where clearly more of them do than in the one they were read in."""
        count = len(self._boxes)
        if count < _FEWEST:
            return []
        now = self._fitting(form, form)
        fitting = {other: self._fitting(form, other) for other in BoxForm if other is not form}
        best = max(fitting.values())
        if best < _FIT * count or best - now < max(_FEWEST, _GAIN * count):
            return []
        better = [other for other, number in fitting.items() if number == best]
        # corners in any order fit wherever corners in order do, and seldom are what was meant
        return [other for other in better if other not in _ANY_ORDER] or better

    def _fitting(self, form: BoxForm, other: BoxForm) -> int:
        return sum(self._fits(box, size_wh, form, other) for box, size_wh in self._boxes)

    @staticmethod
    def _fits(box: Box, size_wh: tuple[int, int] | None, form: BoxForm, other: BoxForm) -> bool:
        """Whether a box that was read in one form lies in its picture if it is read in another."""
        if size_wh is None or not all(map(math.isfinite, box)):
            return False
        four = form.from_xyxy_px(box, size_wh)
        if other.is_unit and max(map(abs, four)) > _WRITTEN:
            return False
        return next(_problems(other.to_xyxy_px(four, size_wh), "", size_wh), None) is None


def _problems(box: Box, where: str, size_wh: tuple[int, int] | None) -> Iterator[Finding]:
    x1, y1, x2, y2 = box
    corners = f"({x1:g}, {y1:g}) to ({x2:g}, {y2:g})"
    if not all(map(math.isfinite, box)):
        what, remedy = (
            f"the box from {corners} has a coordinate that is not a finite number",
            "Draw it again, or remove it",
        )
        yield Finding(Severity.ERROR, "box-not-finite", where, what, remedy)
    elif x2 < x1 or y2 < y1:
        what = f"the box from {corners} is inverted: its second corner must be right of and below its first"
        yield Finding(Severity.ERROR, "box-inverted", where, what, "Order its corners, or draw it again")
    elif x1 == x2 or y1 == y2:
        what, remedy = f"the box from {corners} has no area", "Draw it again, or remove it"
        yield Finding(Severity.ERROR, "box-empty", where, what, remedy)
    elif size_wh is not None and not _is_inside(box, size_wh):
        is_gone = x1 >= size_wh[0] or y1 >= size_wh[1] or x2 <= 0 or y2 <= 0
        what = f"the box from {corners} lies {'wholly' if is_gone else 'partly'} outside the picture of "
        what += f"{size_wh[0]} × {size_wh[1]} pixels"
        severity = Severity.ERROR if is_gone else Severity.WARNING
        remedy = "Draw it again, or check whether it was drawn on another size of the picture"
        yield Finding(severity, "box-out-of-frame", where, what, remedy)
    elif size_wh is not None and _is_tiny(box, size_wh):
        what = f"the box from {corners} is too small to be seen in a picture of {size_wh[0]} × {size_wh[1]} pixels"
        remedy = "Remove it if it was a slip of the mouse, or cut the picture into tiles"
        yield Finding(Severity.WARNING, "box-tiny", where, what, remedy)


def _is_inside(box: Box, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    return min(x1, y1) >= -_SLACK_PX and x2 <= size_wh[0] + _SLACK_PX and y2 <= size_wh[1] + _SLACK_PX


def _is_tiny(box: Box, size_wh: tuple[int, int]) -> bool:
    x1, y1, x2, y2 = box
    sides = zip((x2 - x1, y2 - y1), size_wh, strict=True)
    return any(side < max(_TINY_PX, _TINY_SHARE * full) for side, full in sides)
