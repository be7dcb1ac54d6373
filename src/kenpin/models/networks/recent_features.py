"""Features that this process computed or read last: folds of one training ask for the same ones many times.

The feature store has them too, yet to take a row from there a picture is read, hashed and looked up.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from torch import Tensor

LIMIT_BYTES = 128 * 1024**2


class RecentFeatures:
    """Rows by what computes them and the content hash of their picture; the oldest are dropped first."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self.limit_bytes, self._held_bytes = limit_bytes, 0
        self._rows: dict[tuple[str, str], Tensor] = {}
        self._lock = threading.Lock()

    def of(self, key: str, contents: Sequence[str]) -> list[Tensor] | None:
        """The rows of all these pictures; None where one is not there."""
        with self._lock:
            rows = [self._rows.get((key, content)) for content in contents]
        found = [row for row in rows if row is not None]
        return found if len(found) == len(rows) else None

    def keep(self, key: str, contents: Sequence[str], features: Tensor) -> None:
        """Keep a row for each picture, on the CPU; a picture without a hash ("") is left out."""
        with self._lock:
            for content, row in zip(contents, features, strict=True):
                if content and (key, content) not in self._rows and row.nbytes <= self.limit_bytes:
                    self._rows[key, content] = row.clone()  # a part of a batch would hold the whole
                    self._held_bytes += row.nbytes
            while self._held_bytes > self.limit_bytes:
                self._held_bytes -= self._rows.pop(next(iter(self._rows))).nbytes

    def forget(self) -> None:
        """Drop all."""
        with self._lock:
            self._rows, self._held_bytes = {}, 0


RECENT = RecentFeatures()
"""Those of this process."""
