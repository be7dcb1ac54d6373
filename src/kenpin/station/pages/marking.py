"""Marks on pages: who drew what on a part, and what a reviewer begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kenpin.inspection.record import PartRecord
from kenpin.station.pages.regions import region_table
from kenpin.station.reviewing.marks import MOST_CORNERS, MOST_MARKS, DefectMark, marks_of_detections, values_of_marks
from kenpin.station.reviewing.queue import PersonsReview
from kenpin.station.store.queries import PartRow


@dataclass(frozen=True, slots=True)
class Layer:
    """What one of them drew on a part."""

    who: str | None
    """A person; None: the line."""
    marks: Sequence[DefectMark]
    holds: bool = False
    """Whether these are the marks of the settled part."""


@dataclass(frozen=True, slots=True)
class Marking:
    """What a reviewer begins with."""

    size_wh: tuple[int, int]
    """Of the picture as displayed."""
    proposals: Sequence[DefectMark]
    """What the line found; none for somebody whose own look is wanted."""
    values: dict[str, Any]
    """For the script that draws, as JSON."""


def layers_of(part: PartRow, record: PartRecord, reviews: Iterable[PersonsReview]) -> list[Layer]:
    """What the line and each person drew on a part; what was taken back is not among it."""
    by_line = _found(part, record, None)
    by_line += region_table(record).marks if part.size_wh is not None else []
    layers = [Layer(None, by_line)] if by_line else []
    drawn = [review for review in reviews if review.marks and not review.undone]
    return layers + [Layer(review.who, review.marks, review.marks_hold) for review in reversed(drawn)]


def marking_of(
    part: PartRow, record: PartRecord, classes: Sequence[str], drafts: Iterable[DefectMark], *, is_blind: bool
) -> Marking | None:
    """What a reviewer begins with; None where the part has no picture to draw on. drafts: what they drew before, and
    took back; is_blind: whether they see nothing of what the line found."""
    if part.size_wh is None:
        return None
    own = [*drafts]
    proposals = [] if is_blind else [mark for mark in _found(part, record, classes) if mark not in own]
    values = {
        "size": [*part.size_wh],
        "classes": [*classes],
        "most": MOST_MARKS,
        "mostCorners": MOST_CORNERS,
        "proposals": values_of_marks(proposals),
        "drafts": values_of_marks(own),
    }
    return Marking(part.size_wh, proposals, values)


def _found(part: PartRow, record: PartRecord, classes: Sequence[str] | None) -> list[DefectMark]:
    """What the runs found on the picture, run after run. classes: that a mark may have; None: any."""
    if part.size_wh is None:
        return []
    return [
        mark
        for answer in record.answers_on_picture
        if answer.boxes is not None
        for mark in marks_of_detections(answer.boxes, part.size_wh, answer.boxes.labels if classes is None else classes)
    ][:MOST_MARKS]
