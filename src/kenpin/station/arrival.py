"""A part that arrives: its picture as bytes, with what is known of it."""

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


class LineFullError(KenpinError, RuntimeError):
    """As many parts wait as may; the part was not taken, and can be sent again after a time."""

    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class LineStoppedError(KenpinError, RuntimeError):
    """The line takes no parts, and says why; what was taken before is safe."""
