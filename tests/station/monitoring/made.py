"""Stretches of a line that are made up."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kenpin.station.monitoring.stretches import MEASURES, Charted, Stretch

BEGAN_US, EVERY_US = 1_767_225_600_000_000, 3_000_000


def stretch(
    first: int,
    failed: NDArray[np.bool_] | None = None,
    **measures: NDArray[np.float64],
) -> Stretch:
    """Parts with numbers from `first` on, a part each three seconds; measures that are not named are lacking."""
    count = len(next(iter(measures.values())))
    values = {kind: measures.get(kind.value, np.full(count, np.nan)) for kind in MEASURES}
    values[Charted.FAIL] = np.zeros(count) if failed is None else failed.astype(np.float64)
    values[Charted.REVIEW] = np.zeros(count)
    seq = np.arange(first, first + count)
    return Stretch(seq, BEGAN_US + seq * EVERY_US, [None] * count, values)


def skewed(generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    """Distances as a unit space gives them."""
    return generator.gamma(4, 0.25, count)
