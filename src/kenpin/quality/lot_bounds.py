"""Exact bounds on how many parts of a lot are defective, from a sample of it.

# Buonaccorsi 1987, "A note on confidence intervals for proportions in finite populations": both tails of the
# hypergeometric distribution inverted, so that the bounds are never less sure than they say, however large the sample.
"""

from __future__ import annotations

from collections.abc import Callable

from kenpin.errors import OptionError, ShapeError
from kenpin.plural import counted


def defective_in_lot(found: int, sampled: int, lot: int, confidence: float = 0.95) -> tuple[int, int]:
    """Bounds of the defective parts in a lot, from those found in a sample drawn at random without replacement.

    Raises ShapeError unless 0 <= found <= sampled <= lot.

    >>> defective_in_lot(0, 100, 1000)
    (0, 34)
    >>> defective_in_lot(2, 10, 10)
    (2, 2)
    """
    from scipy.stats import hypergeom

    if not 0 <= found <= sampled <= lot:
        raise ShapeError(
            f"{found} defective of {counted(sampled, 'sampled part')} of a lot of {lot}; give 0 <= found <= sampled <= "
            "lot."
        )
    if not 0 < confidence < 1:
        raise OptionError(f"a confidence of {confidence} is impossible; give one between 0 and 1, such as 0.95.")
    tail = (1 - confidence) / 2
    least, most = found, lot - (sampled - found)
    # the chance of at least `found` rises with the defective parts, that of at most `found` falls
    low = _first(least, most, lambda count: hypergeom.sf(found - 1, lot, count, sampled) > tail)
    return low, _first(least, most + 1, lambda count: hypergeom.cdf(found, lot, count, sampled) <= tail) - 1


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The least number from low to high for which a condition holds, as for all larger ones; high where for none."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low
