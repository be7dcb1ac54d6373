"""Which parts two lists share: parts of equal id, and among the rest parts with equal picture files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kenpin.data.dataset import content_hash
from kenpin.records import ImageSource

Part = tuple[str, str | None]
"""Id, and the path of the picture where it is known."""


def same_parts(first: Sequence[Part], second: Sequence[Part]) -> list[tuple[int, int]]:
    """Indices of the shared parts in both lists, in the second's order; each part at most once.

    Files are read only of parts whose id the other list lacks. A picture that several of them show is left out: it does
    not identify a part.
    """
    index_of = {id: index for index, (id, _) in enumerate(first)}
    by_id = {index: index_of[id] for index, (id, _) in enumerate(second) if id in index_of}
    left, right = set(range(len(first))) - set(by_id.values()), set(range(len(second))) - by_id.keys()
    by_content = {}
    if left and right:
        known, asked = _by_content(first, left), _by_content(second, right)
        by_content = {index: known[digest] for digest, index in asked.items() if digest in known}
    return sorted(((old, new) for new, old in (by_id | by_content).items()), key=lambda pair: pair[1])


def _by_content(parts: Sequence[Part], indices: Iterable[int]) -> dict[str, int]:
    """Index of each part by the hash of its picture, for pictures that occur once."""
    by_digest: dict[str, list[int]] = {}
    for index in indices:
        id, path = parts[index]
        by_digest.setdefault(content_hash(ImageSource(path or id)), []).append(index)
    return {digest: of[0] for digest, of in by_digest.items() if digest and len(of) == 1}
