"""One pass over pictures through the feature store: rows are written beside the work, as many as the store can hold and
as long as that is cheaper than to compute them.

Of a data set whose rows need more room than the store has, the same share of pictures is kept in every pass, chosen by
content hash: whatever the order, no row takes the room of another that the next pass asks for.
"""

from __future__ import annotations

import hashlib
import tempfile
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from kenpin.models.networks.feature_store import DEFAULT_LIMIT_BYTES, FeatureStore, default_folder
from kenpin.models.networks.shared_features import Store

WAITING_BYTES = 64 * 1024**2
"""Of rows that wait to be written; computing goes on until they are so many."""
TRIAL_S = 1.0
"""Seconds of writing that a process spends on the rows of a network before it asks whether that pays."""
_FILLED = 0.95
"""Share of the store that a data set too large for it may take: chosen by hash, it is not met exactly."""
_HASHES = 2.0**64


@dataclass
class RowPace:
    """What rows of a network cost in this process."""

    computing_s: float = 0.0
    computed: int = 0
    writing_s: float = 0.0
    written: int = 0
    largest_bytes: int = 0
    """Of all rows of the largest data set that was begun: its folds are passes of their own."""
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, *, computing_s: float = 0.0, computed: int = 0, writing_s: float = 0.0, written: int = 0) -> None:
        """Count rows and their seconds."""
        with self._lock:
            self.computing_s, self.computed = self.computing_s + computing_s, self.computed + computed
            self.writing_s, self.written = self.writing_s + writing_s, self.written + written

    @property
    def pays(self) -> bool:
        """Whether a row takes no longer to write than to compute, as far as that is known."""
        with self._lock:
            if self.writing_s < TRIAL_S or not self.computed:
                return True
            return self.writing_s * self.computed <= self.computing_s * self.written


_PACES: dict[tuple[str, str], RowPace] = {}


def pace_of(store: FeatureStore) -> RowPace:
    """That of the store's file and network, in this process."""
    return _PACES.setdefault((str(store.path), store.backbone_key), RowPace())


class FeaturePass:
    """The store for one pass; a context, at whose end all is written that was to be.

    pictures: of the pass. is_reused: rows are read again and again, as in a training, so that all are kept whatever a
    row costs, and computing waits for its writing.
    """

    def __init__(self, store: Store, pictures: int, *, is_reused: bool = False) -> None:
        self._store, self._pictures, self._is_reused = store, pictures, is_reused
        self._pace = pace_of(store) if isinstance(store, FeatureStore) else RowPace()
        self._held_bytes = 0  # of this pass, in the store
        self._waiting: deque[tuple[list[str], NDArray[np.float32]]] = deque()
        self._waiting_bytes = 0
        self._is_ending = False
        self._changed = threading.Condition()
        self._writer: threading.Thread | None = None

    def __enter__(self) -> FeaturePass:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
        if self._writer is not None:
            self._writer.join()

    def get(self, content: str) -> NDArray[np.float32] | None:
        """The stored row of a picture content hash."""
        (row,) = self._store.get([content])
        if row is not None:
            with self._changed:
                self._held_bytes += row.nbytes
        return row

    def put(self, contents: Sequence[str], rows: NDArray[np.float32], computing_s: float) -> None:
        """Have rows written that are worth it. computing_s: seconds that it took to compute them."""
        store = self._store
        if not isinstance(store, FeatureStore) or not store.is_usable or not len(rows):
            return
        self._pace.add(computing_s=computing_s, computed=len(rows))
        if not self._is_reused and not self._pace.pays:
            return
        row_bytes = rows[0].nbytes
        self._pace.largest_bytes = max(self._pace.largest_bytes, row_bytes * self._pictures)
        share = share_kept(self._pace.largest_bytes, store.limit_bytes)
        chosen = [row for row, content in enumerate(contents) if _draw(content) < share]
        with self._changed:
            chosen = chosen[: max(0, (store.limit_bytes - self._held_bytes) // max(1, row_bytes))]
            if not chosen:
                return
            self._held_bytes += row_bytes * len(chosen)
            if not self._has_room():
                return
            some = rows if len(chosen) == len(rows) else rows[chosen]
            self._waiting.append(([contents[row] for row in chosen], some))
            self._waiting_bytes += some.nbytes
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="feature store", daemon=True)
                self._writer.start()
            self._changed.notify_all()

    def _has_room(self) -> bool:
        """Once less waits than may; False where it is known by then that writing does not pay, or nothing writes."""
        while self._is_reused or self._pace.pays:
            if self._writer is not None and not self._writer.is_alive():
                return False
            if self._waiting_bytes < WAITING_BYTES:
                return True
            self._changed.wait(0.1)
        return False

    def _write(self) -> None:
        assert isinstance(self._store, FeatureStore)
        while True:
            with self._changed:
                while not self._waiting and not self._is_ending:
                    self._changed.wait()
                if not self._waiting:
                    return
                if not self._is_reused and not self._pace.pays:
                    self._waiting.clear()
                    self._waiting_bytes = 0
                    self._changed.notify_all()
                    continue
                contents, rows = self._waiting.popleft()
            started = time.perf_counter()
            self._store.put(contents, rows)
            self._pace.add(writing_s=time.perf_counter() - started, written=len(rows))
            with self._changed:
                self._waiting_bytes -= rows.nbytes
                self._changed.notify_all()


def share_kept(total_bytes: int, limit_bytes: int) -> float:
    """Of the pictures of a data set whose rows take so many bytes."""
    return 1.0 if total_bytes <= limit_bytes else _FILLED * limit_bytes / total_bytes


def added_seconds(pictures: int, rows: NDArray[np.float32], row_s: float, *, beside: bool, is_reused: bool) -> float:
    """What keeping rows adds to a pass that computes all of them. rows: some; row_s: to compute one. beside: what
    computes them leaves the processor to the writing."""
    share = share_kept(pictures * rows[0].nbytes, DEFAULT_LIMIT_BYTES)
    written_s = _writing_seconds(rows)
    total_s = share * pictures * written_s
    if written_s > row_s and not is_reused:
        total_s = min(total_s, TRIAL_S)
    return max(0.0, total_s - pictures * row_s) if beside else total_s


def _writing_seconds(rows: NDArray[np.float32]) -> float:
    """To write one, measured where the store lies, in another that is removed; 0 where there can be none."""
    there = default_folder()
    while not there.is_dir() and there != there.parent:  # nothing is made by a forecast
        there = there.parent
    try:
        with tempfile.TemporaryDirectory(dir=there, prefix=".kenpin-trial-") as folder:
            store = FeatureStore(Path(folder), "trial")
            started = time.perf_counter()
            store.put([str(row) for row in range(len(rows))], rows)
            return (time.perf_counter() - started) / len(rows) if store.is_usable else 0.0
    except OSError:
        return 0.0


def _draw(content: str) -> float:
    """A number from 0 to 1 that follows from the content hash alone."""
    return int.from_bytes(hashlib.blake2b(content.encode(), digest_size=8).digest(), "big") / _HASHES
