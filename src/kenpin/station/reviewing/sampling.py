"""The random sample of parts that people review whatever their score, and what it tells about all parts.

Each part has a number, drawn once and for ever from its key and the station's secret. A part is sampled where its
number is below the chance of its verdict at that time. Reviewers are given sampled parts by rising number, beside the
parts that look worst. The sample that counts is the first so many parts by their numbers, all settled: a random
sample of all, which no score and nobody's haste has chosen. It grows by blocks, for its end must not depend on which
parts happen to be settled: else it would reach just over the bad ones, that are looked at first, and end before the
next good one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.quality.lot_bounds import defective_in_lot

_BLOCK = 10  # parts; as many bad ones in a row are rare where defects are


def number_of(secret: bytes, key: str) -> float:
    """The number of a part, in [0, 1). secret: at most 64 bytes; key: the part's name in the store.

    >>> 0 <= number_of(b"secret", "0" * 32) < 1
    True
    """
    digest = hashlib.blake2b(key.encode(), digest_size=8, key=secret).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


@dataclass(frozen=True, slots=True)
class SampledPart:
    """A sampled part: its number, and whether people found it defective; None where nobody has settled it."""

    number: float
    defective: bool | None


@dataclass(frozen=True, slots=True)
class RateEstimate:
    """How many of some parts are defective, by a sample of them."""

    parts: int
    """Parts that it is about."""
    sampled: int
    """Parts of the sample that count: whole blocks of settled ones, or all of them."""
    defective: int
    """Defective ones among them."""
    waiting: int
    """SampledPart parts that nobody has settled."""
    low: int | None
    """Defective ones of all the parts, at least, two-sided; None where no part of the sample counts."""
    high: int | None
    confidence: float

    @property
    def rate(self) -> float | None:
        """Share of defective parts in the sample."""
        return self.defective / self.sampled if self.sampled else None

    @property
    def rate_interval(self) -> tuple[float, float] | None:
        """Exact interval of the share of defective parts among all."""
        if self.low is None or self.high is None or not self.parts:
            return None
        return self.low / self.parts, self.high / self.parts


def wants_second(secret: bytes, key: str, chance: float) -> bool:
    """Whether two people must agree on a part: drawn once, by another number than that of the sample."""
    return number_of(secret, f"second {key}") < chance


def counting(known: Sequence[bool]) -> int:
    """How many parts of a sample count: whole blocks of those that are known, or all of them. known: of each part by
    rising number.

    >>> counting([True] * 25), counting([True] * 25 + [False]), counting([False] + [True] * 25)
    (25, 20, 0)
    """
    first_unknown = next((place for place, one in enumerate(known) if not one), None)
    return len(known) if first_unknown is None else first_unknown - first_unknown % _BLOCK


def estimate(parts: int, chance: float, sample: Sequence[SampledPart], confidence: float = 0.95) -> RateEstimate:
    """How many of some parts are defective. parts: how many they are; chance: the smallest with which any of them was
    sampled; sample: those with a number below it, in any order."""
    ordered = sorted((one for one in sample if one.number < chance), key=lambda one: one.number)
    waiting = sum(one.defective is None for one in ordered)
    counted = counting([one.defective is not None for one in ordered])
    defective = sum(bool(one.defective) for one in ordered[:counted])
    low, high = defective_in_lot(defective, counted, parts, confidence) if counted else (None, None)
    return RateEstimate(parts, counted, defective, waiting, low, high, confidence)
