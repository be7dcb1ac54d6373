"""The pictures of a part that is judged by several: named by their views, in one order, under one key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from statistics import fmean
from typing import TypeVar

from kenpin.data.picture_look import PictureLook
from kenpin.inspection.pictures import Opened, Sighting
from kenpin.inspection.record import PartKey


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A picture of a part."""

    name: str | None
    """Of the view; None where its picture names none."""
    opened: Opened

    @property
    def shown(self) -> str:
        """The view's name, or else the picture's id."""
        return self.name or self.opened.seen.id


@dataclass(frozen=True, slots=True, eq=False)
class PartPictures:
    """A part with the pictures that came of it; at least one."""

    id: str
    views: tuple[View, ...]
    """Sorted by name, whatever the order in which they came."""
    hindrance: str | None = None
    """Why it cannot be told which part it is, a sentence."""

    @classmethod
    def of(cls, id: str, views: Iterable[View]) -> PartPictures:
        """The part of these pictures, in any order."""
        return cls(id, tuple(sorted(views, key=lambda view: (view.shown, view.opened.key))))

    @property
    def key(self) -> PartKey:
        """Key of the part: its id, and the contents and names of all its pictures."""
        return self.whole(self.views[0]).key

    def whole(self, worst: View) -> Opened:
        """The part as if it were one picture: that of its worst view, under the part's id and a hash over all. Where
        there is one picture alone, the hash is its own."""
        seen = [view.opened.seen for view in self.views]
        sighting = Sighting(
            self.id,
            worst.opened.seen.path,
            sum(one.size_bytes for one in seen),
            max(one.modified_ns for one in seen),
            0,
            max(one.since_s for one in seen),
        )
        look = _mean_look([view.opened.look for view in self.views])
        return replace(worst.opened, seen=sighting, picture_hash=self._hash(), look=look, features={})

    def _hash(self) -> str:
        if len(self.views) == 1:
            return self.views[0].opened.picture_hash
        # unreadable files are told apart by size and time, as in a key
        contents = json.dumps([(view.name, view.opened.key[1]) for view in self.views], ensure_ascii=False)
        return hashlib.blake2b(contents.encode(), digest_size=16).hexdigest()


OpenedPart = Opened | PartPictures
"""A part by its opened picture, or by several."""
Part = TypeVar("Part", bound=OpenedPart)


def _mean_look(looks: Sequence[PictureLook | None]) -> PictureLook | None:
    """How the pictures of a part were taken, on average; None where not all were measured. That of the worst view would
    follow which view that is, and not the camera."""
    known = [look for look in looks if look is not None]
    if len(known) < len(looks):
        return None
    return PictureLook(**{one.name: fmean(getattr(look, one.name) for look in known) for one in fields(PictureLook)})


def alone(opened: Opened, hindrance: str | None = None) -> PartPictures:
    """A picture that came by itself: a part of it alone, whose view nobody named. hindrance: why, a sentence."""
    return PartPictures(opened.seen.id, (View(None, opened),), hindrance)
