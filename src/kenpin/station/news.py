"""News: whoever shows something of the station hears when to look again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock


class News:
    """Who listens; for any thread."""

    def __init__(self) -> None:
        self._listeners: set[Callable[[], None]] = set()
        self._changing = Lock()

    def tell(self) -> None:
        """Call all who listen."""
        with self._changing:
            listeners = [*self._listeners]
        for listener in listeners:
            listener()

    @contextmanager
    def listening(self, listener: Callable[[], None]) -> Iterator[None]:
        """Listen. listener: called from any thread, and returns at once."""
        with self._changing:
            self._listeners.add(listener)
        try:
            yield
        finally:
            with self._changing:
                self._listeners.discard(listener)
