"""Views: the pictures of one part that are judged together, and which of them a part must have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kenpin.errors import DatasetError
from kenpin.plural import counted

View = tuple[str, str | None]
"""Name of a part, and of one of its views; None where its views have no names."""


@dataclass(frozen=True, slots=True)
class JudgedView:
    """An evaluated picture of a part: its truth and its score."""

    id: str
    """Of the picture."""
    name: str
    """Of the view; the picture's id where views have no names."""
    path: str | None
    label: str | None
    score: float | None


@dataclass(frozen=True, slots=True)
class PartViews:
    """How pictures are told to be of one part, and which views a part has: with others it is not judged."""

    by: str
    """The column that names the part, or a form of file names such as `{part}_{view}`."""
    count: int
    """Views of a part."""
    names: tuple[str, ...] | None
    """Of the views, sorted; None where they have no names."""

    @classmethod
    def of(cls, by: str, views: Iterable[View]) -> PartViews:
        """The views that more than half of these parts have. Raises DatasetError where no set of views is so common, or
        where some views have names and others do not.

        >>> PartViews.of("group", [("1", "top"), ("1", "side"), ("2", "side"), ("2", "top")])
        PartViews(by='group', count=2, names=('side', 'top'))
        """
        views_of: dict[str, list[str | None]] = {}
        for part, view in views:
            views_of.setdefault(part, []).append(view)
        named = {view is not None for of in views_of.values() for view in of}
        if len(named) > 1:
            unnamed = next(part for part, of in views_of.items() if None in of)
            raise DatasetError(
                f"part {unnamed}: a picture of it names no view, and pictures of other parts do; name the view of each "
                "picture, or of none."
            )
        sets = Counter(tuple(sorted(view or "" for view in of)) for of in views_of.values())
        (common, count), *others = sets.most_common()
        if 2 * count <= len(views_of):
            shown = " and ".join(
                f"{_told(of, True in named)} ({counted(n, 'part')})" for of, n in [(common, count), *others][:2]
            )
            raise DatasetError(
                f"parts by {by}: no set of views is that of more than half of the {counted(len(views_of), 'part')}, "
                f"the most common ones are {shown}; the worst view of a part judges it, so that parts must have the "
                "same views: add those that are missing, or leave such parts out."
            )
        twice = [view for view, times in Counter(common).items() if times > 1]
        if True in named and twice:
            raise DatasetError(
                f"parts by {by}: most parts have several pictures of view {twice[0]}; give each view a name of its own."
            )
        return cls(by, len(common), common if True in named else None)

    def __str__(self) -> str:
        return _told(self.names or ("",) * self.count, self.names is not None)

    def hindrance(self, views: Sequence[str | None]) -> str | None:
        """Why a part with these views cannot be judged, a sentence; None where it can."""
        if self.names is None:
            if len(views) == self.count:
                return None
            return f"It has {counted(len(views), 'picture')}, and parts are judged by {self.count}: a person must look."
        came = Counter(view or "without a name" for view in views)
        wrong = [f"view {name} is missing" for name in self.names if name not in came]
        wrong += [f"view {name} is none of them" for name in sorted(came) if name not in self.names]
        wrong += [f"view {name} came {came[name]} times" for name in self.names if came[name] > 1]
        if not wrong:
            return None
        told = ", ".join(wrong)
        return f"{told[0].upper()}{told[1:]}, and parts are judged by {self}: a person must look."


def _told(names: Sequence[str], named: bool) -> str:
    """Views in words.

    >>> _told(("side", "top"), True), _told(("", ""), False)
    ('views side and top', '2 pictures')
    """
    if not named:
        return counted(len(names), "picture")
    *first, last = names
    return f"views {', '.join(first)} and {last}" if first else f"view {last}"
