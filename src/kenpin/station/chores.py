"""Work that a station does again and again beside its lines, each kind in a thread of its own until it ends."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kenpin.errors import KenpinError

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """What is done again and again. A failure is logged, and it is done again as if nothing had happened."""

    name: str
    work: Callable[[], object]
    every_s: float
    """Seconds between the end of one time and the beginning of the next."""
    first_s: float
    """Seconds before the first time."""


class Chores:
    """Chores at work."""

    def __init__(self, chores: Iterable[Chore]) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=[chore], name=chore.name, daemon=True) for chore in chores
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Wait for what is being done, and do nothing further."""
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _repeat(self, chore: Chore) -> None:
        wait_s = chore.first_s
        while not self._stop.wait(wait_s):
            wait_s = chore.every_s
            try:
                chore.work()
            except (KenpinError, OSError) as error:
                _log.warning("%s: %s", chore.name, error)
