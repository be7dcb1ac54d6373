"""The MTA method: the adjugate in place of the inverse, for items of which one follows from the others."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import UnitSpaceError
from kenpin.plural import counted
from kenpin.taguchi._space import RANK_TOLERANCE, QuadraticSpace, checked_correlation, fewest_parts
from kenpin.taguchi.limits import Limit
from kenpin.taguchi.moments import Moments


class AdjugateSpace(QuadraticSpace):
    """Distance from good parts by the adjugate of their correlation matrix: the MTA method.

    adj R = det R · R⁻¹ exists for a singular R too: the eigenvectors of R are its own, each with the product of all
    other eigenvalues. Such products of hundreds of numbers vanish in floating point, and only ratios of distances mean
    something, so the weights are taken without their common factor. Where R is regular, that leaves the MT method's
    distance, of mean 1 over the good parts. Where one relation between the items holds exactly, no good part
    breaks it and all have distance 0: the distance of a part is then how far it breaks the relation, squared, over k.
    Where several relations hold, adj R is 0, which is refused.
    # Taguchi & Jugulum, The Mahalanobis-Taguchi Strategy (2002), ch. 8: MDA = Zᵀ adj(R) Z / k.
    """

    def __init__(self, limit: Limit | float | None = None) -> None:
        self.limit = limit

    def fit(self, x: ArrayLike, y: object = None) -> Self:
        """Learn from good parts. x: (n, k). Raises UnitSpaceError, ShapeError."""
        return self.fit_moments(Moments.of(x))

    def fit_moments(self, moments: Moments) -> Self:
        """Learn from the moments of good parts. Raises UnitSpaceError."""
        items = moments.mean.size
        # with fewer parts, items seem to depend on one another only because there is nothing to show the contrary
        correlation = checked_correlation(moments, fewest_parts(items))
        eigenvalues, vectors = np.linalg.eigh(correlation)
        vanished = eigenvalues <= RANK_TOLERANCE * eigenvalues[-1]
        if (count := int(vanished.sum())) > 1:
            raise UnitSpaceError(
                f"unit space: {counted(count, 'relation')} hold between the items, and the adjugate is 0 where more "
                "than one does; remove items that repeat others, or take the MT method with a ridge or the "
                "pseudo-inverse."
            )
        self.singular_ = bool(vanished.any())
        weights = vanished.astype(np.float64) if self.singular_ else 1 / eigenvalues
        self.rank_ = 1 if self.singular_ else items
        self.degrees_ = 0.0 if self.singular_ else float(items)
        self._set(moments, (vectors * weights) @ vectors.T)
        return self
