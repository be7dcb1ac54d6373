"""The views of a part by several pictures, as pages show them: each with its map, its scores, and which one decided."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.inspection.record import Answer, PartRecord, RecordedView, first_map
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.pages.views import Box, boxes_of
from kenpin.station.running import NotThereError


@dataclass(frozen=True, slots=True)
class ShownView:
    """A picture of a part."""

    number: int
    """Its place in the record, by which addresses name it."""
    name: str
    """Of the view, or of its picture."""
    decides: bool
    """Whether its picture stands for the part."""
    size_wh: tuple[int, int] | None
    has_picture: bool
    has_map: bool
    boxes: Sequence[Box]
    answers: Sequence[Answer]
    error: str | None
    """Why it could not be judged."""

    @property
    def can_be_shown(self) -> bool:
        """Whether there is a picture that can be opened."""
        return self.has_picture and self.size_wh is not None


def shown_views(record: PartRecord, pictures: KeptPictures, *, is_blind: bool = False) -> list[ShownView]:
    """The views of a record in its order; none of a single picture. is_blind: without what runs say of them."""
    return [
        ShownView(
            number,
            view.name or view.id,
            not is_blind and view is record.deciding,
            view.size_wh,
            bool(view.picture_hash) and pictures.find(view.picture_hash) is not None,
            not is_blind and first_map(view.answers) is not None,
            () if is_blind else boxes_of(view.answers),
            () if is_blind else view.answers,
            view.error,
        )
        for number, view in enumerate(record.views)
    ]


def first_view(views: Sequence[ShownView]) -> ShownView | None:
    """The view that is shown large at first: the one that decides, where that is told and can be shown, else the first
    one that can be. None where none can, and of a part by one picture."""
    shown = [view for view in views if view.can_be_shown]
    return next((view for view in shown if view.decides), shown[0] if shown else None)


def view_at(record: PartRecord, number: str) -> RecordedView:
    """The view that an address names. Raises NotThereError."""
    if not number.isdecimal() or len(number) > 3 or int(number) >= len(record.views):
        raise NotThereError(f"the part has no view {number!r:.20}; its page shows those that it has.")
    return record.views[int(number)]
