"""Marks on pages: who drew what on a part, and what a reviewer begins with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from kenpin.inspection.record import PartRecord
from kenpin.station.pages.regions import region_table
from kenpin.station.reviewing.marks import (
    MOST_CORNERS,
    MOST_MARKS,
    DefectMark,
    Sizes,
    marks_of_detections,
    values_of_marks,
)
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

    sizes: Sizes
    """Of each picture that can be drawn on."""
    proposals: Sequence[DefectMark]
    """What the line found; none for somebody whose own look is wanted."""
    values: dict[str, Any]
    """For the script that draws, as JSON."""


def layers_of(part: PartRow, record: PartRecord, reviews: Iterable[PersonsReview]) -> list[Layer]:
    """What the line and each person drew on a part; what was taken back is not among it."""
    sizes = sizes_of(part, record)
    by_line = _found(sizes, record, None)
    by_line += [mark for mark in region_table(record).marks if sizes[mark.view] is not None]
    layers = [Layer(None, by_line)] if by_line else []
    drawn = [review for review in reviews if review.marks and not review.undone]
    return layers + [Layer(review.who, review.marks, review.marks_hold) for review in reversed(drawn)]


def sizes_of(part: PartRow, record: PartRecord) -> Sizes:
    """Width and height of each picture of a part by its view, or by None of its only one."""
    return {place: view.size_wh for place, view in enumerate(record.views)} or {None: part.size_wh}


def marking_of(
    part: PartRow, record: PartRecord, classes: Sequence[str], drafts: Iterable[DefectMark], *, is_blind: bool
) -> Marking | None:
    """What a reviewer begins with; None where the part has no picture to draw on. drafts: what they drew before, and
    took back; is_blind: whether they see nothing of what the line found."""
    sizes = sizes_of(part, record)
    if not any(sizes.values()):
        return None
    own = [*drafts]
    proposals = [] if is_blind else [mark for mark in _found(sizes, record, classes) if mark not in own]
    values = {
        "sizes": [None if size_wh is None else [*size_wh] for size_wh in sizes.values()],
        "names": [view.name or view.id for view in record.views],
        "classes": [*classes],
        "most": MOST_MARKS,
        "mostCorners": MOST_CORNERS,
        "proposals": values_of_marks(proposals),
        "drafts": values_of_marks(own),
    }
    return Marking(sizes, proposals, values)


def _found(sizes: Sizes, record: PartRecord, classes: Sequence[str] | None) -> list[DefectMark]:
    """What the runs found on the pictures, view after view and run after run. classes: that a mark may have; None:
    any."""
    return [
        mark
        for place, size_wh in sizes.items()
        for answer in (record.answers if place is None else record.views[place].answers)
        if answer.boxes is not None and size_wh is not None
        for mark in marks_of_detections(
            answer.boxes, size_wh, answer.boxes.labels if classes is None else classes, place
        )
    ][:MOST_MARKS]
