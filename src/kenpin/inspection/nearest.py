"""The product of a part: the one whose good parts it lies nearest to, each distance on the scale of its own good parts.

Distances of two unit spaces cannot be compared: one space is narrow and another wide, and a threshold holds what errors
cost as well. Two scales can. Far from a space, as a defective part is, counts how many times as far as a usual good
part it lies; the spread of good parts says nothing there. Near to a space, as a part of a product that looks alike is,
counts whether it could be one of the good parts; that their spread tells.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import OptionError
from kenpin.inspection.record import Nearness, ProductChoice
from kenpin.plural import counted, is_are

FEWEST = 10
"""Good parts that a scale takes: with fewer, spreads of equal spaces differ by more than half."""
UNLIKE = 3.0
"""Spreads from which a part is none of the good parts: of a normal distribution, one of 740 lies beyond."""
_OF_NORMAL = 1.4826  # the standard deviation of a normal distribution over its median absolute deviation


@dataclass(frozen=True, slots=True)
class GoodScale:
    """The scale of a unit space, by the distances of good parts that it did not learn from."""

    usual: float
    """Median of their distances, D²/k."""
    spread: float
    """Spread of the cube roots of their distances, as a standard deviation."""

    @staticmethod
    def of(distances: ArrayLike) -> GoodScale:
        """The scale by distances D²/k, (n,). Raises OptionError for fewer than FEWEST, or where all are equal.

        >>> GoodScale.of([8.0] * 3 + [1.0] * 4 + [27.0] * 4).usual
        8.0
        """
        found = np.asarray(distances, np.float64)
        found = found[np.isfinite(found)]
        if len(found) < FEWEST:
            raise OptionError(
                f"{counted(len(found), 'good part')} that it did not learn from {is_are(len(found))} too few for a "
                f"scale; {FEWEST} are needed."
            )
        # the cube root of a chi-square over its degrees of freedom is nearly normal (Wilson & Hilferty 1931); median
        # and absolute deviation, for a defective part that somebody took for a good one must not widen the scale
        usual, roots = float(np.median(found)), np.cbrt(found)
        spread = _OF_NORMAL * float(np.median(np.abs(roots - np.cbrt(usual))))
        if not (usual > 0 and spread > 0):
            raise OptionError("good parts that it did not learn from have all the same distance, which is no scale.")
        return GoodScale(usual, spread)

    def nearness(self, product: str, distance: float) -> Nearness:
        """How near a part at a distance D²/k lies to the product of this scale."""
        spreads = float(np.cbrt(distance) - np.cbrt(self.usual)) / self.spread
        return Nearness(product, distance, distance / self.usual, spreads)


def choose(measured: Sequence[Nearness], limit: float, margin: float) -> ProductChoice:
    """The nearest product, where it is near, the next one is farther by the margin, and the part is unlike the good
    parts of all others: a part that looks like a good one of its own product is never given to another.

    limit: times as far as a usual good part; margin: factor between two of these.

    >>> near, far = Nearness("cells", 1.1, 1.05, 0.3), Nearness("bolts", 90.0, 80.0, 25.0)
    >>> choose([far, near], 50, 1.5).product, choose([far, near], 50, 100).product, choose([far], 50, 1.5).product
    ('cells', None, None)
    """
    ordered = sorted(measured, key=lambda one: (one.times, one.product))
    choice = ProductChoice(None, tuple(ordered), limit, margin)
    if not ordered or not ordered[0].times <= limit or _rival(choice) is not None:
        return choice
    return ProductChoice(ordered[0].product, choice.nearest, limit, margin)


def _rival(choice: ProductChoice) -> Nearness | None:
    """A product that the part may be of just as well as of the nearest one."""
    first, *others = choice.nearest
    close = (one for one in others if one.times < choice.margin * first.times or one.spreads < UNLIKE)
    return next(close, None)


def told(choice: ProductChoice) -> str:
    """How the product was chosen, or why none was, as a reason of the part's record."""
    if not choice.nearest:
        return "It came without a product, and no product could be measured, so a person must say which it is of."
    first, *others = choice.nearest
    lies = f"{first.product}, {first.times:.3g} times as far as its usual good part"
    if choice.product is not None:
        next_one = f"; the next, {others[0].product}, {others[0].times:.3g} times" if others else ""
        return f"It came without a product; the nearest is {lies}{next_one}."
    if not first.times <= choice.limit:
        return f"It came without a product and is near none: the nearest is {lies}; {choice.limit:.3g} is the limit."
    rival = _rival(choice)
    assert rival is not None
    if rival.spreads < UNLIKE:
        why = "it could be a good part of the latter"
    else:
        why = f"{choice.margin:.3g} must be between them"
    return f"It came without a product and may be of two: {lies}, and {rival.product}, {rival.times:.3g} times; {why}."
