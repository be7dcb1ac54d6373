"""How well maps point at defects: pixel AUROC and AUPRO over any number of pictures, in memory that does not grow.

Every pixel's number is counted in one of two million levels: its float32 with the last eleven bits cut off, so that a
level is 0.024 % wide at most. Numbers of one level count as equal, half right and half wrong;
`Localisation.auroc_error` bounds what that can move, usually less than 0.0001. Numbers of thirteen significant bits or
fewer, whole ones up to 8,192 for example, are counted exactly.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.metrics.ranking import auroc_of_counts

_CUT_BITS = 11
_LEVELS = 1 << (32 - _CUT_BITS)
FPR_LIMIT = 0.3
"""False positive rate up to which AUPRO integrates (Bergmann et al. 2021, section 5.3)."""


class Localisation:
    """Counts pictures' maps and masks, and gives the measures of all that it has seen."""

    def __init__(self) -> None:
        # whole numbers, exact as float64, whose products do not overflow
        self._good_at = np.zeros(_LEVELS)
        self._defective_at = np.zeros(_LEVELS)
        self._overlap_at = np.zeros(_LEVELS)
        self._regions = 0

    def add(self, values: ArrayLike, defective: ArrayLike | None) -> None:
        """One picture's map and mask, (h, w) both; None: no pixel is defective. NaN, where the inspector did not look,
        lies below every number. Raises ShapeError.
        """
        from scipy import ndimage

        numbers = np.asarray(values, np.float32)
        mask = np.zeros(numbers.shape, bool) if defective is None else np.asarray(defective, bool)
        if numbers.ndim != 2 or numbers.shape != mask.shape:
            raise ShapeError(f"a map of {numbers.shape} for a mask of {mask.shape}; give (h, w) of one picture.")
        levels = _levels(numbers)
        self._good_at += np.bincount(levels[~mask], minlength=_LEVELS)
        if not mask.any():
            return
        self._defective_at += np.bincount(levels[mask], minlength=_LEVELS)
        regions, count = ndimage.label(mask, structure=np.ones((3, 3)))
        places = regions[mask]
        shares = 1 / np.bincount(places)[1:]
        self._overlap_at += np.bincount(levels[mask], shares[places - 1], minlength=_LEVELS)
        self._regions += count

    @property
    def pixel_auroc(self) -> float | None:
        """Chance that a defective pixel has a higher number than a good one; None without both kinds."""
        if not (self._defective_at.any() and self._good_at.any()):
            return None
        return float(auroc_of_counts(self._defective_at, self._good_at))

    @property
    def auroc_error(self) -> float | None:
        """How far at most the levels have moved the pixel AUROC."""
        if not (self._defective_at.any() and self._good_at.any()):
            return None
        defective, good = self._defective_at, self._good_at
        return float((defective * good).sum() / 2 / (defective.sum() * good.sum()))

    @property
    def aupro(self) -> float | None:
        """Area under the per-region overlap, averaged over the regions of all pictures, against the false positive rate
        of all good pixels, up to FPR_LIMIT and divided by it; None without both kinds.

        # Bergmann et al. 2021, The MVTec Anomaly Detection Dataset, section 5.3: trapezoids between the points of all
        # thresholds, the last one cut at the limit; regions are connected components, corners counting as touching.
        """
        if not (self._regions and self._good_at.any()):
            return None
        used = np.flatnonzero((self._good_at > 0) | (self._overlap_at > 0))[::-1]
        alarms = np.concatenate([[0.0], np.cumsum(self._good_at[used]) / self._good_at.sum()])
        overlap = np.concatenate([[0.0], np.cumsum(self._overlap_at[used]) / self._regions])
        within = alarms <= FPR_LIMIT
        x = np.concatenate([alarms[within], [FPR_LIMIT]])
        y = np.concatenate([overlap[within], [np.interp(FPR_LIMIT, alarms, overlap)]])
        return float(np.trapezoid(y, x) / FPR_LIMIT)


def _levels(numbers: NDArray[np.float32]) -> NDArray[np.int64]:
    """The level of each number, rising with it; NaN's is 0. (h, w) -> (h, w)."""
    numbers = np.where(np.isnan(numbers), -np.inf, numbers) + np.float32(0)  # −0 becomes 0
    bits = numbers.view(np.uint32)
    # as unsigned numbers, floats rise with their bits once the sign is turned over, negative ones with all bits
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (rising >> _CUT_BITS).astype(np.int64)
