"""Features computed once: a bounded store on disk, keyed by backbone and picture content, safe to kill."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import OptionError

DEFAULT_LIMIT_BYTES = 2 * 1024**3


def default_folder() -> Path:
    """`$KENPIN_CACHE`, or kenpin's folder below `$XDG_CACHE_HOME` or `~/.cache`."""
    if own := os.environ.get("KENPIN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kenpin"


class FeatureStore:
    """Arrays by the content hash of their picture; the oldest are dropped first."""

    def __init__(self, folder: Path, backbone_key: str, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._path = folder / "features-2.sqlite"  # the number is the version of the tables
        self._backbone = backbone_key
        self.limit_bytes = limit_bytes
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as database, database:
                database.execute(
                    "CREATE TABLE IF NOT EXISTS features "
                    "(key BLOB PRIMARY KEY, shape TEXT NOT NULL, numbers BLOB NOT NULL)"
                )
                database.execute("CREATE TABLE IF NOT EXISTS ages (age INTEGER PRIMARY KEY, key BLOB, size INTEGER)")
        except (OSError, sqlite3.Error) as error:
            raise OptionError(
                f"{self._path}: features cannot be kept there ({error}); point KENPIN_CACHE to a folder that can be "
                "written to, or repair or remove the file."
            ) from error

    def get(self, contents: Sequence[str]) -> list[NDArray[np.float32] | None]:
        """The stored array of each picture content hash, None where there is none."""
        with closing(self._connect()) as database:
            rows = (
                database.execute("SELECT shape, numbers FROM features WHERE key = ?", (self._key(content),)).fetchone()
                for content in contents
            )
            return [
                None if row is None else np.frombuffer(row[1], dtype=np.float32).reshape(json.loads(row[0]))
                for row in rows
            ]

    def put(self, contents: Iterable[str], arrays: NDArray[np.float32]) -> None:
        """Store one array for each content hash, in one transaction; then drop the oldest beyond the limit."""
        with closing(self._connect()) as database, database:
            for content, array in zip(contents, arrays, strict=True):
                key, blob = self._key(content), np.ascontiguousarray(array, dtype=np.float32).tobytes()
                row = (key, json.dumps(array.shape), blob)
                if database.execute("INSERT OR IGNORE INTO features VALUES (?, ?, ?)", row).rowcount:
                    database.execute("INSERT INTO ages (key, size) VALUES (?, ?)", (key, len(blob)))
            (size,) = database.execute("SELECT COALESCE(SUM(size), 0) FROM ages").fetchone()
            while size > self.limit_bytes:
                age, key, length = database.execute("SELECT age, key, size FROM ages ORDER BY age LIMIT 1").fetchone()
                database.execute("DELETE FROM features WHERE key = ?", (key,))
                database.execute("DELETE FROM ages WHERE age = ?", (age,))
                size -= length

    def _connect(self) -> sqlite3.Connection:
        database = sqlite3.connect(self._path, timeout=60)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        return database

    def _key(self, content: str) -> bytes:
        return hashlib.blake2b(f"{self._backbone}\0{content}".encode(), digest_size=20).digest()
