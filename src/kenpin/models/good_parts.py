"""The contract of families that learn from good parts alone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from kenpin.models.contract import Family, Taken


@runtime_checkable
class OfGoodParts(Family[Taken], Protocol[Taken]):
    """A family that learns from good parts alone, and tells from its options how."""

    def fewest_good(self, options: Taken) -> int:
        """Good parts of which one is held out in turn."""

    def trimmed_share(self, options: Taken) -> float:
        """Share of them, at most, that may be bad and is looked for; 0: none."""
