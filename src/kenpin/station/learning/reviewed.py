"""Parts as people settled them, from which data sets are frozen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kenpin.records import Detections, Verdict


@dataclass(frozen=True, slots=True)
class ReviewedView:
    """A picture of a part that is judged by several."""

    name: str | None
    """Of the view; None where nobody named it."""
    content: str
    """Hash of its bytes, 32 hexadecimal digits."""
    picture: Path
    boxes: Detections | None = None
    """Where people drew that it is defective, as of a part; None where nobody drew on it."""


@dataclass(frozen=True, slots=True)
class ReviewedPart:
    """A part as people settled it."""

    id: str
    content: str
    """Hash of its picture's bytes, or over all of several pictures, 32 hexadecimal digits."""
    picture: Path
    """Of several the one that stands for it."""
    verdict: Verdict
    """PASS or FAIL."""
    label: str | None
    """Its class, where the product has some."""
    boxes: Detections | None
    """Where it is defective, in pixels of the displayed picture; an empty label is that of the part. None where nobody
    drew any, and of several pictures, which have their own."""
    settled_by: str
    settled_us: int
    """UTC, microseconds since 1970."""
    sampled: bool
    """Whether it was drawn for review at random."""
    is_picture: bool = True
    """Whether its file could be opened, or all of its files, which people may settle too where it could not."""
    views: tuple[ReviewedView, ...] = ()
    """Of a part by several pictures, each of them."""

    @property
    def pictures(self) -> tuple[Path, ...]:
        """The files of all its pictures."""
        return tuple(view.picture for view in self.views) or (self.picture,)

    @property
    def contents(self) -> tuple[str, ...]:
        """Hashes of all its pictures' bytes."""
        return tuple(view.content for view in self.views) or (self.content,)

    @property
    def said(self) -> tuple[Verdict, str | None]:
        """What was settled; where it is defective nobody draws the same twice."""
        return self.verdict, self.label

    @property
    def is_drawn(self) -> bool:
        """Whether somebody drew where it is defective."""
        return any(self.drawn)

    @property
    def drawn(self) -> tuple[Detections | None, ...]:
        """What people drew on each of its pictures."""
        return tuple(view.boxes for view in self.views) or (self.boxes,)


@dataclass(frozen=True, slots=True)
class LeftOutPart:
    """A part that was left out, and why."""

    id: str
    content: str
    why: str
