"""Where the record of each part stands in a journal, in sixteen bytes a part: a line judges millions."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from kenpin.inspection.record import PartKey

_RECENT = 8_192
"""Parts that are held in a dictionary before they become rows."""


class PartOffsets:
    """Offsets by a hash of the part's key. Two parts may have one hash: whoever asks looks at the lines themselves.

    Rows are sorted in blocks whose sizes halve, so that each is merged a few times only.
    """

    def __init__(self) -> None:
        self._recent: dict[int, list[int]] = {}
        self._in_recent = 0
        self._blocks: list[tuple[NDArray[np.uint64], NDArray[np.int64]]] = []

    def __len__(self) -> int:
        return self._in_recent + sum(len(hashes) for hashes, _ in self._blocks)

    def add(self, key: PartKey, offset: int) -> None:
        """Note the offset of a part's record."""
        self._recent.setdefault(_hash_of(key), []).append(offset)
        self._in_recent += 1
        if self._in_recent >= _RECENT:
            self._settle()

    def of(self, key: PartKey) -> list[int]:
        """Offsets of the records of parts with this hash, the part's own among them where it has one."""
        wanted = _hash_of(key)
        found = list(self._recent.get(wanted, ()))
        for hashes, offsets in self._blocks:
            first, behind = (np.searchsorted(hashes, np.uint64(wanted), side) for side in ("left", "right"))
            found += offsets[first:behind].tolist()
        return found

    def _settle(self) -> None:
        """Make rows of what is in the dictionary, and merge blocks that are no larger than what comes behind them."""
        pairs = [(key, offset) for key, offsets in self._recent.items() for offset in offsets]
        hashes = np.array([key for key, _ in pairs], np.uint64)
        offsets = np.array([offset for _, offset in pairs], np.int64)
        while self._blocks and len(self._blocks[-1][0]) <= len(hashes):
            before = self._blocks.pop()
            hashes, offsets = np.concatenate([before[0], hashes]), np.concatenate([before[1], offsets])
        order = np.argsort(hashes, kind="stable")
        self._blocks.append((hashes[order], offsets[order]))
        self._recent, self._in_recent = {}, 0


def _hash_of(key: PartKey) -> int:
    text = f"{len(key[0])} {key[0]}{key[1]}".encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")
