"""The shares of single items in a squared distance."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def quadratic_shares(x: Floats, precision_x: Floats, out: Floats | None = None) -> Floats:
    """Share of each item in xᵀPx, which all shares add up to. x, precision_x: a part's items less those that it is
    compared with, and P times these, (…, k) -> (…, k).

    A share can be negative: given the other items, this one then makes the part look good.

    # x ∘ (P x): the additive decomposition in Garthwaite & Koch (2016), Evaluating the contributions of individual
    # variables to a quadratic form. Their own corr-max rotation has no share below 0, but its shares are those of
    # rotated items, which are alike to the items and not these, and it needs a root of P for every space.

    >>> x, precision = np.array([1.0, 2.0]), np.array([[2.0, -1.0], [-1.0, 2.0]])
    >>> quadratic_shares(x, precision @ x).tolist(), float(x @ precision @ x)
    ([0.0, 6.0], 6.0)
    """
    return np.asarray(np.multiply(x, precision_x, out=out))
