"""The contract of families that learn from good parts alone."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from kenpin.models.contract import Family, Taken


@runtime_checkable
class OfGoodParts(Family[Taken], Protocol[Taken]):
    """A family that learns from good parts alone, and tells from its options how."""

    def fewest_good(self, options: Taken) -> int:
        """Good parts of which one is held out in turn."""

    def fewer_good(self, options: Taken, good: int) -> str:
        """How pictures of so few good parts can be learned from, where `fewest_good` are more, as the end of a
        sentence; empty: in no way."""

    def trimmed_share(self, options: Taken) -> float:
        """Share of them, at most, that may be bad and is looked for; 0: none."""

    def made_defects(self, options: Taken) -> int:
        """Defects to be made in copies of good parts that are held out, where no real defect is known; 0: none."""

    def learns_defects(self, options: Taken) -> bool:
        """Whether defective parts are learned from too, so that none of them may judge itself."""

    def limits_by_law(self, options: Taken) -> bool:
        """Whether its limit follows from the distribution of the distance of one picture."""

    def layer_sets(self, options: Taken) -> tuple[tuple[int, ...], ...]:
        """Sets of layers to choose among by made defects, first the one that is taken without; empty: nothing is
        chosen. Raises OptionError where there is nothing to choose among."""

    def on_layers(self, options: Taken, layers: tuple[int, ...]) -> Taken:
        """The options with these layers, and no choice among others."""
