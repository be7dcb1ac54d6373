"""A part that arrives: its picture or pictures as bytes, with what is known of it."""

from __future__ import annotations

from dataclasses import dataclass

from kenpin.errors import KenpinError


@dataclass(frozen=True, slots=True)
class Arrival:
    """A part from a source, not yet judged."""

    id: str
    """Its name on the line; with the picture's content it identifies the part."""
    data: bytes
    """Its picture, as a file holds it."""
    product: str | None = None
    """Which product it is of; None where the station finds out."""
    lot: str | None = None

    @property
    def size_bytes(self) -> int:
        """Of its file."""
        return len(self.data)


@dataclass(frozen=True, slots=True)
class ArrivedView:
    """A picture of a part that comes by several."""

    name: str | None
    """Of the view; None where nobody named it."""
    data: bytes


@dataclass(frozen=True, slots=True)
class PartArrival:
    """A part by several pictures from a source, not yet judged."""

    id: str
    """Its name on the line; with the contents of all pictures it identifies the part."""
    views: tuple[ArrivedView, ...]
    """In any order, at least one."""
    product: str | None = None
    """Which product it is of; None where there is one alone."""
    lot: str | None = None

    @property
    def size_bytes(self) -> int:
        """Of all its files."""
        return sum(len(view.data) for view in self.views)

    def pictures(self) -> list[Arrival]:
        """Each picture as it is opened, in the order of the views, under a name of its own."""
        names = [view.name for view in self.views]
        return [
            Arrival(f"{self.id} {view.name if view.name and names.count(view.name) == 1 else number}", view.data,
                    self.product, self.lot)
            for number, view in enumerate(self.views, start=1)
        ]  # fmt: skip


class LineFullError(KenpinError, RuntimeError):
    """As many parts wait as may; the part was not taken, and can be sent again after a time."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LineStoppedError(KenpinError, RuntimeError):
    """The line takes no parts, and says why; what was taken before is safe."""
