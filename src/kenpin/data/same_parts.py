"""Which parts two lists share: those of equal id, and of the others those whose picture files are equal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kenpin.data.dataset import content_hash
from kenpin.records import ImageSource

Part = tuple[str, str | None]
"""Id, and the path of the picture where it is known."""


def same_parts(first: Sequence[Part], second: Sequence[Part]) -> list[tuple[int, int]]:
    """Places of the shared parts in both lists, in the second's order; each part at most once.

    Files are read only of parts whose id the other list lacks. A picture that several of them show is left alone, for
    nothing tells which is meant.
    """
    place_of = {id: place for place, (id, _) in enumerate(first)}
    by_id = {place: place_of[id] for place, (id, _) in enumerate(second) if id in place_of}
    left, right = set(range(len(first))) - set(by_id.values()), set(range(len(second))) - by_id.keys()
    by_content = {}
    if left and right:
        known, asked = _by_content(first, left), _by_content(second, right)
        by_content = {place: known[digest] for digest, place in asked.items() if digest in known}
    return sorted(((old, new) for new, old in (by_id | by_content).items()), key=lambda pair: pair[1])


def _by_content(parts: Sequence[Part], places: Iterable[int]) -> dict[str, int]:
    """Places by the hash of their picture, of pictures that occur once."""
    found: dict[str, list[int]] = {}
    for place in places:
        id, path = parts[place]
        found.setdefault(content_hash(ImageSource(path or id)), []).append(place)
    return {digest: of[0] for digest, of in found.items() if digest and len(of) == 1}
