"""How well maps point at defects: pixel AUROC, F1 and AUPRO over any number of pictures, intervals over pictures.

Every pixel's number is counted in one of two million levels: its float32 with the last eleven bits cut off, so that a
level is 0.024 % wide at most. Numbers of one level count as equal, half right and half wrong;
`Localisation.auroc_error` bounds the error, usually less than 0.0001. Numbers of thirteen significant bits or fewer,
whole ones up to 8,192 for example, are counted exactly. For the intervals each picture is kept in levels 32 times as
wide, of which it uses some hundreds: some kilobytes a picture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.metrics.intervals import RESAMPLES, Interval, picture_intervals
from kenpin.metrics.ranking import auroc_of_counts

Floats = NDArray[np.float64]
_CUT_BITS = 11
_LEVELS = 1 << (32 - _CUT_BITS)
_COARSER_BITS = 5
_COARSE_LEVELS = 1_024  # most levels of the resamples
FPR_LIMIT = 0.3
"""False positive rate up to which AUPRO integrates (Bergmann et al. 2021, section 5.3)."""


@dataclass(frozen=True, slots=True)
class _Counted:
    """One picture's pixels at the coarse levels that it uses, in rising order."""

    levels: NDArray[np.uint16]
    good_at: NDArray[np.float32]
    defective_at: NDArray[np.float32]
    overlap_at: NDArray[np.float32]
    regions: int


class Localisation:
    """Counts pictures' maps and masks, and computes the measures of all pictures so far."""

    def __init__(self) -> None:
        # whole numbers, exact as float64, whose products do not overflow
        self._good_at = np.zeros(_LEVELS)
        self._defective_at = np.zeros(_LEVELS)
        self._overlap_at = np.zeros(_LEVELS)
        self._regions = 0
        self._pictures: list[_Counted] = []

    def add(self, values: ArrayLike, defective: ArrayLike | None) -> None:
        """Add one picture's map and mask, (h, w) both; None: no pixel is defective. NaN, where the map has no value,
        ranks below every number. Raises ShapeError."""
        from scipy import ndimage

        numbers = np.asarray(values, np.float32)
        mask = np.zeros(numbers.shape, bool) if defective is None else np.asarray(defective, bool)
        if numbers.ndim != 2 or numbers.shape != mask.shape:
            raise ShapeError(f"a map of {numbers.shape} for a mask of {mask.shape}; give (h, w) of one picture.")
        levels = _levels(numbers)
        regions, count = ndimage.label(mask, structure=np.ones((3, 3)))
        region_of = regions[mask]
        shares = (1 / np.bincount(region_of, minlength=1)[1:])[region_of - 1]
        self._good_at += np.bincount(levels[~mask], minlength=_LEVELS)
        if count:
            self._defective_at += np.bincount(levels[mask], minlength=_LEVELS)
            self._overlap_at += np.bincount(levels[mask], shares, minlength=_LEVELS)
            self._regions += count
        used, coarse = np.unique(levels >> _COARSER_BITS, return_inverse=True)
        coarse = coarse.reshape(mask.shape)
        good_at, defective_at, overlap_at = (
            np.bincount(coarse[pixels], weights, len(used)).astype(np.float32)
            for pixels, weights in ((~mask, None), (mask, None), (mask, shares))
        )
        self._pictures.append(_Counted(used.astype(np.uint16), good_at, defective_at, overlap_at, count))

    @property
    def pixel_auroc(self) -> float | None:
        """Chance that a defective pixel has a higher number than a good one; None without both kinds."""
        if not (self._defective_at.any() and self._good_at.any()):
            return None
        return float(auroc_of_counts(self._defective_at, self._good_at))

    @property
    def auroc_error(self) -> float | None:
        """Bound of the error of the pixel AUROC by its levels."""
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
        used = (self._good_at > 0) | (self._overlap_at > 0)
        return float(_aupro_of_counts(self._overlap_at[used] / self._regions, self._good_at[used]))

    @property
    def best_f1(self) -> float | None:
        """F1 of defective pixels at the threshold that makes it largest; None without a defective pixel."""
        if not self._defective_at.any():
            return None
        right, alarms = np.cumsum(self._defective_at[::-1]), np.cumsum(self._good_at[::-1])
        return float((2 * right / (right + alarms + right[-1])).max())

    def intervals(
        self, *, resamples: int = RESAMPLES, confidence: float = 0.95, seed: int = 0
    ) -> tuple[Interval | None, Interval | None]:
        """Bootstrap intervals of pixel AUROC and AUPRO, over pictures: pixels of one picture are not independent.

        Pictures with and without defective pixels are resampled separately, each kind in its own number. None where the
        measure is None, and where every resample gives the same value. The levels of the resamples are coarser than
        those of the measures; the intervals are shifted by the effect of that on the measures themselves.
        """
        if self.pixel_auroc is None or self.aupro is None:
            return None, None
        good_at, defective_at, overlap_at = self._coarse()
        regions = np.array([picture.regions for picture in self._pictures], np.float32)

        def measures(draws: NDArray[np.int64]) -> Floats:
            weights = draws.astype(np.float32)  # whole numbers, exact far beyond the pictures that can be drawn
            good, defective, overlap = (
                (weights @ counts).astype(np.float64) for counts in (good_at, defective_at, overlap_at)
            )
            with np.errstate(invalid="ignore", divide="ignore"):  # a measure that a resample cannot define is left out
                of_pixels = auroc_of_counts(defective, good)
                of_regions = _aupro_of_counts(overlap / (weights @ regions)[:, None], good)
            return np.stack([of_pixels, of_regions], axis=1)

        spans = picture_intervals(
            measures,
            len(self._pictures),
            cells_each=12 * good_at.shape[1],
            kinds=regions > 0,
            resamples=resamples,
            confidence=confidence,
            seed=seed,
        )
        coarse_auroc, coarse_aupro = measures(np.ones((1, len(self._pictures)), np.int64))[0].tolist()
        return _moved(spans[0], self.pixel_auroc - coarse_auroc), _moved(spans[1], self.aupro - coarse_aupro)

    def _coarse(self) -> tuple[NDArray[np.float32], ...]:
        """Good pixels, defective ones and overlap of each picture at common levels, (pictures, m) each."""
        good, overlap = np.zeros((2, _LEVELS >> _COARSER_BITS))
        for picture in self._pictures:
            good[picture.levels] += picture.good_at
            overlap[picture.levels] += picture.overlap_at
        used = np.flatnonzero((good > 0) | (overlap > 0))
        # neighbouring levels are merged into groups of equal weight, good and defective pixels weighing alike
        weight = (good[used] / good.sum() + overlap[used] / overlap.sum()) / 2
        group = np.unique(((np.cumsum(weight) - weight) * _COARSE_LEVELS).astype(np.int64), return_inverse=True)[1]
        column = np.zeros(len(good), np.int64)
        column[used] = group
        tables = tuple(np.zeros((len(self._pictures), int(group[-1]) + 1), np.float32) for _ in range(3))
        for row, picture in enumerate(self._pictures):
            for table, at in zip(tables, (picture.good_at, picture.defective_at, picture.overlap_at), strict=True):
                np.add.at(table[row], column[picture.levels], at)
        return tables


def _aupro_of_counts(overlap_at: Floats, good_at: Floats) -> Floats:
    """AUPRO from histograms over rising levels: shares of the regions, good pixels. (..., m), (..., m) -> (...)."""
    start = np.zeros((*good_at.shape[:-1], 1))
    alarms = np.concatenate([start, np.cumsum(good_at[..., ::-1], -1) / good_at.sum(-1, keepdims=True)], -1)
    overlap = np.concatenate([start, np.cumsum(overlap_at[..., ::-1], -1)], -1)
    left, right = alarms[..., :-1].clip(max=FPR_LIMIT), alarms[..., 1:].clip(max=FPR_LIMIT)
    width = np.diff(alarms, axis=-1)
    # of the trapezoid that the limit cuts, the part before it
    kept = np.where(width > 0, (right - left) / np.where(width > 0, width, 1.0), 0.0)
    low = overlap[..., :-1]
    high = low + kept * np.diff(overlap, axis=-1)
    return np.asarray(((right - left) * (low + high) / 2).sum(-1) / FPR_LIMIT, np.float64)


def _moved(interval: Interval | None, by: float) -> Interval | None:
    return None if interval is None else (max(0.0, interval[0] + by), min(1.0, interval[1] + by))


def _levels(numbers: NDArray[np.float32]) -> NDArray[np.int64]:
    """The level of each number, rising with it; NaN's is 0. (h, w) -> (h, w)."""
    numbers = np.where(np.isnan(numbers), -np.inf, numbers) + np.float32(0)  # −0 becomes 0
    bits = numbers.view(np.uint32)
    # as unsigned numbers, floats rise with their bits once the sign is turned over, negative ones with all bits
    rising = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (rising >> _CUT_BITS).astype(np.int64)
