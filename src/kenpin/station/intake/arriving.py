"""Bodies of parts that are being received: all of them together have a bound, as what waits has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from kenpin.plural import counted
from kenpin.station.arrival import LineFullError

_AGAIN_S = 1.0


class ArrivingBytes:
    """Counts what has come of bodies that are not complete yet; for any thread."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes, self._held_bytes, self._bodies = limit_bytes, 0, 0
        self._changing = Lock()

    @contextmanager
    def body(self) -> Iterator[ArrivingBody]:
        """A body that is received within the context."""
        body = ArrivingBody(self)
        with self._changing:
            self._bodies += 1
        try:
            yield body
        finally:
            with self._changing:
                self._held_bytes -= body.size_bytes
                self._bodies -= 1

    def _add(self, size_bytes: int) -> None:
        with self._changing:
            # one that comes alone is taken, however small the bound is
            if self._held_bytes + size_bytes > self._limit_bytes and self._bodies > 1:
                told = (
                    f"{counted(self._bodies, 'part')} are being received at this moment, as many as the station holds"
                )
                raise LineFullError(f"{told}; send it again later.", _AGAIN_S)
            self._held_bytes += size_bytes


class ArrivingBody:
    """One of the bodies."""

    def __init__(self, arriving: ArrivingBytes) -> None:
        self._arriving = arriving
        self.size_bytes = 0

    def add(self, size_bytes: int) -> None:
        """Count a piece that came. Raises LineFullError where all bodies together are too large."""
        self._arriving._add(size_bytes)
        self.size_bytes += size_bytes
