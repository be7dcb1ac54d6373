"""Which reviewed parts are held out for ever, by their contents: versions can be compared on the same ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Split = Literal["train", "test"]


@dataclass(frozen=True, slots=True)
class SplitUnit:
    """Pictures that stay on one side: all those of a part."""

    contents: tuple[str, ...]
    """Their content hashes."""
    label: str

    @property
    def number(self) -> float:
        """In [0, 1), drawn once and for ever by the first of the contents."""
        digest = hashlib.blake2b(min(self.contents).encode(), digest_size=8, person=b"held out").digest()
        return (int.from_bytes(digest) >> 11) / 2**53


def divide(units: Sequence[SplitUnit], share: float, earlier: Mapping[str, Split]) -> list[Split]:
    """The split of each unit: as any of its contents was split earlier, else such that of each class this share is held
    out, rounded up from two units on, of those that are new the ones of the lowest numbers.

    So nothing that was held out is ever learned from, and nothing that was learned from held out; what is new does not
    depend on the order of the parts, nor on how many of them there are of other classes.

    >>> divide([SplitUnit(("a",), "ok"), SplitUnit(("b",), "ok")], 0.3, {"a": "test"})
    ['test', 'train']
    """
    # learned from wins: a part of which one picture was learned from is not held out by another
    known = [[earlier[content] for content in unit.contents if content in earlier] for unit in units]
    splits: list[Split | None] = [("train" if "train" in of else "test") if of else None for of in known]
    for label in {unit.label for unit in units}:
        own = [place for place, unit in enumerate(units) if unit.label == label]
        missing = min(math.ceil(share * len(own)), len(own) - 1) - sum(splits[place] == "test" for place in own)
        new = sorted((place for place in own if splits[place] is None), key=lambda place: units[place].number)
        for rank, place in enumerate(new):
            splits[place] = "test" if rank < missing else "train"
    return ["test" if split == "test" else "train" for split in splits]
