"""Features computed once: a bounded store on disk, keyed by backbone and picture content, safe to kill.

It is an aid and never a condition. A row that is not what was stored counts as none, and is computed and stored anew; a
store that cannot be used is set aside with a note, and every row counts as none.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

DEFAULT_LIMIT_BYTES = 2 * 1024**3
_WAIT_S = 10.0
"""Seconds to wait for another process that writes; each of its transactions takes some milliseconds."""
_SUMS = 64
"""Times that the size of all rows is summed while as much is added as the store may hold."""
_log = logging.getLogger(__name__)
_told: set[Path] = set()  # files that a note was written about: one a process is enough
Result = TypeVar("Result")


def default_folder() -> Path:
    """`$KENPIN_CACHE`, or kenpin's folder below `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("KENPIN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kenpin"


class FeatureStore:
    """Arrays by the content hash of their picture; the oldest are dropped first."""

    def __init__(
        self, folder: Path, backbone_key: str, limit_bytes: int = DEFAULT_LIMIT_BYTES, wait_s: float = _WAIT_S
    ) -> None:
        self.path = folder / "features-3.sqlite"  # the number is the version of the tables
        self.backbone_key = backbone_key
        self._wait_s = wait_s
        self._of_thread = threading.local()
        self.limit_bytes = limit_bytes
        self._size_bytes, self._unsummed_bytes = 0, limit_bytes
        self.is_usable = True
        """Whether rows can be stored and read; False from the first failure on."""
        self._attempt(lambda: self._create(folder), None)

    def get(self, contents: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The stored array of each picture content hash, None where there is none that is as it was stored."""

        def read() -> list[NDArray[np.float32] | None]:
            database = self._reading()
            return [self._read(database, self._key(content)) for content in contents]

        return self._attempt(read, [None] * len(contents))

    def put(self, contents: Iterable[str], arrays: NDArray[np.float32]) -> None:
        """Store one array for each content hash, in one transaction; then drop the oldest beyond the limit."""

        def write() -> None:
            with closing(self._connect()) as database, database:
                added = 0
                for content, array in zip(contents, arrays, strict=True):
                    key, blob = self._key(content), np.ascontiguousarray(array, dtype=np.float32).tobytes()
                    shape = json.dumps(array.shape).encode()
                    # in place of a row that is there: it may be one that is not as it was stored
                    row = (key, shape, blob, _check_sum(key, shape, blob))
                    database.execute("INSERT OR REPLACE INTO features VALUES (?, ?, ?, ?)", row)
                    database.execute("INSERT OR REPLACE INTO ages (key, size) VALUES (?, ?)", (key, len(blob)))
                    added += len(blob)
                self._drop_oldest(database, added)

        self._attempt(write, None)

    def _create(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(self._connect()) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS features "
                "(key BLOB PRIMARY KEY, shape BLOB NOT NULL, numbers BLOB NOT NULL, check_sum BLOB NOT NULL)"
            )
            database.execute("CREATE TABLE IF NOT EXISTS ages (age INTEGER PRIMARY KEY, key BLOB UNIQUE, size INTEGER)")

    def _read(self, database: sqlite3.Connection, key: bytes) -> NDArray[np.float32] | None:
        query = "SELECT shape, numbers, check_sum FROM features WHERE key = ?"
        row = database.execute(query, (key,)).fetchone()
        if row is None:
            return None
        shape, blob, check_sum = row
        if not isinstance(shape, bytes) or not isinstance(blob, bytes) or check_sum != _check_sum(key, shape, blob):
            return None
        return np.frombuffer(blob, dtype=np.float32).reshape(json.loads(shape))

    def _drop_oldest(self, database: sqlite3.Connection, added_bytes: int) -> None:
        # other processes add rows too, and a sum takes a look at all of them: once in a while is enough
        self._size_bytes += added_bytes
        self._unsummed_bytes += added_bytes
        if self._unsummed_bytes * _SUMS >= self.limit_bytes:
            (self._size_bytes,) = database.execute("SELECT COALESCE(SUM(size), 0) FROM ages").fetchone()
            self._unsummed_bytes = 0
        while self._size_bytes > self.limit_bytes:
            age, key, length = database.execute("SELECT age, key, size FROM ages ORDER BY age LIMIT 1").fetchone()
            database.execute("DELETE FROM features WHERE key = ?", (key,))
            database.execute("DELETE FROM ages WHERE age = ?", (age,))
            self._size_bytes -= length

    def _attempt(self, work: Callable[[], Result], otherwise: Result) -> Result:
        """The result of work on the file; `otherwise` where it cannot be used, and from then on."""
        if not self.is_usable:
            return otherwise
        try:
            return work()
        # a file that is damaged within raises the last three, by what it holds where numbers should be
        except (OSError, sqlite3.Error, ValueError, TypeError, OverflowError) as error:
            self.is_usable = False
            if self.path not in _told:
                _told.add(self.path)
                _log.warning(
                    "%s: features cannot be kept there (%s), so they are computed again each time; point KENPIN_CACHE "
                    "to a folder that can be written to, or remove the file.",
                    self.path,
                    " ".join(str(error).split()),
                )
            return otherwise

    def _connect(self) -> sqlite3.Connection:
        # one that reads is closed by whoever lets the store go
        database = sqlite3.connect(self.path, timeout=self._wait_s, check_same_thread=False)
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _reading(self) -> sqlite3.Connection:
        """The connection by which this thread reads: to open one takes ten times as long as to read a row."""
        mine = self._of_thread
        if getattr(mine, "process", None) != os.getpid():  # no connection is good for a forked child
            mine.database, mine.process = self._connect(), os.getpid()
            weakref.finalize(self, mine.database.close)
        database: sqlite3.Connection = mine.database
        return database

    def _key(self, content: str) -> bytes:
        return hashlib.blake2b(f"{self.backbone_key}\0{content}".encode(), digest_size=20).digest()


def _check_sum(key: bytes, shape: bytes, blob: bytes) -> bytes:
    """Of a row with its key: exchanged rows are noticed, too."""
    digest = hashlib.blake2b(key, digest_size=16)
    for part in (shape, b"\0", blob):
        digest.update(part)
    return digest.digest()
