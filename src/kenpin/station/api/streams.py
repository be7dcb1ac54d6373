"""Streams of events that are open: each holds a connection, and whoever opens many leaves none to the line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from kenpin.errors import KenpinError

MOST_STREAMS, MOST_OF_ONE = 256, 64
"""Of all, half of the station's connections; and of one person, whose account may be that of all screens."""


class TooManyStreamsError(KenpinError, RuntimeError):
    """As many streams are open as may."""

    retry_after_s = 15.0


class Streams:
    """Counts the open ones, for the thread that serves them."""

    def __init__(self) -> None:
        self._of: Counter[str] = Counter()

    def open(self, name: str) -> Callable[[], None]:
        """Count one more, of this person or machine, and return what ends it. Raises TooManyStreamsError."""
        if self._of[name] >= MOST_OF_ONE:
            raise TooManyStreamsError(f"{name} has {MOST_OF_ONE} streams of events open; close pages, and load again.")
        if self._of.total() >= MOST_STREAMS:
            raise TooManyStreamsError(f"{MOST_STREAMS} streams of events are open; close pages, and load again.")
        self._of[name] += 1

        def close() -> None:
            self._of[name] -= 1
            if not self._of[name]:
                del self._of[name]

        return close
