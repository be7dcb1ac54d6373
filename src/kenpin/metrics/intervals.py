"""Intervals of measures: Wilson's for shares, the bootstrap for all others."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError
from kenpin.metrics.ranking import levels
from kenpin.plural import counted
from kenpin.records import Measure

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Interval = tuple[float, float]

RESAMPLES = 2_000
_CELLS_AT_ONCE = 4_000_000  # numbers in memory while resampling, 32 MB


def wilson(hits: int, cases: int, confidence: float = 0.95) -> Interval | None:
    """Score interval of a share; None without cases. Raises ShapeError unless 0 <= hits <= cases.

    # Wilson 1927; its coverage is close to nominal on average, also at 0 and at all (Brown, Cai & DasGupta 2001).

    >>> low, high = wilson(0, 30)
    >>> low, round(high, 3)
    (0.0, 0.114)
    """
    if not 0 <= hits <= cases:
        raise ShapeError(f"{counted(hits, 'hit')} in {counted(cases, 'case')}; give 0 <= hits <= cases.")
    if cases == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    share, shrink = hits / cases, 1 + z * z / cases
    centre = (share + z * z / (2 * cases)) / shrink
    half = z / shrink * (share * (1 - share) / cases + z * z / (4 * cases * cases)) ** 0.5
    # at the ends the interval touches them exactly; rounding must not push it off
    return (0.0 if hits == 0 else centre - half), (1.0 if hits == cases else centre + half)


def ranking_interval(
    measure: Callable[[Ints, Ints], Floats],
    defective: ArrayLike,
    scores: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Bootstrap interval of `auroc_of_counts` or `average_precision_of_counts`; None without both kinds of part.

    Defective and OK parts are resampled separately, each in its own number: how many of each were collected was a
    choice, not chance. Percentile interval (Efron & Tibshirani 1993, ch. 13); None also where every resample gives the
    same value, as without any mistake. Raises ShapeError.
    """
    values = _resampled(measure, defective, scores, resamples, seed)
    return None if values is None else _percentiles(values, confidence)


def paired_ranking_interval(
    measure: Callable[[Ints, Ints], Floats],
    defective: ArrayLike,
    before: ArrayLike,
    after: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Bootstrap interval of the change of a ranking measure from one score of the same parts to another.

    Both scores get the same resamples of parts; None as for `ranking_interval`. Raises ShapeError.
    """
    # the resamples depend on the seed and on the number of parts of each kind, not on their scores
    values = [_resampled(measure, defective, scores, resamples, seed) for scores in (before, after)]
    if values[0] is None or values[1] is None:
        return None
    return _percentiles(values[1] - values[0], confidence)


def confusion_interval(
    measure: Callable[[Ints], Floats],
    confusion: ArrayLike,
    *,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval | None:
    """Bootstrap interval of a measure of tables of counts, each row resampled in its own number; None where undefined.

    confusion: (k, m), rows the truth; the measure takes (..., k, m). None also where every resample gives the same.
    """
    counts = np.asarray(confusion, np.int64)
    totals = counts.sum(1)
    if not totals.any() or np.isnan(measure(counts)):
        return None
    generator = np.random.default_rng(seed)
    shares = counts / np.maximum(totals, 1)[:, None]
    shares[totals == 0, 0] = 1.0  # a class without pictures is not sampled, but its shares must add up
    values = [
        measure(generator.multinomial(totals, shares, size=(rows, len(totals))))
        for rows in _portions(resamples, counts.size)
    ]
    return _percentiles(np.concatenate(values), confidence)


def picture_intervals(
    measures: Callable[[Ints], Floats],
    pictures: int,
    *,
    cells_each: int,
    kinds: ArrayLike | None = None,
    resamples: int = RESAMPLES,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[Interval | None, ...]:
    """Bootstrap intervals of measures of a set of pictures, which are resampled with all their boxes.

    `measures` takes how often each picture is sampled, (r, pictures), and returns (r, m), NaN where undefined;
    `cells_each`: numbers in memory for one resample; `kinds`: of each picture, where each kind is resampled separately
    in its own number. None where no resample moves or defines a measure.
    """
    generator = np.random.default_rng(seed)
    kind_of = np.zeros(pictures, np.int64) if kinds is None else np.unique(kinds, return_inverse=True)[1]
    strata = [np.flatnonzero(kind_of == kind) for kind in range(int(kind_of.max(initial=0)) + 1)]
    blocks = []
    for rows in _portions(resamples, cells_each):
        counts = np.zeros((rows, pictures), np.int64)
        for members in strata:
            even = np.full(len(members), 1 / max(1, len(members)))
            counts[:, members] = generator.multinomial(len(members), even, size=rows)
        blocks.append(measures(counts))
    values = np.concatenate(blocks)
    return tuple(_percentiles(column, confidence) for column in values.T)


def measured(value: float | None, interval: Interval | None) -> Measure:
    """A measure of a value and its interval; unknown without the value."""
    return Measure(None) if value is None else Measure(value, *(interval or (None, None)))


def mean_measure(values: ArrayLike, *, seed: int = 0) -> Measure:
    """The mean of one value a picture, and its bootstrap interval over the pictures; of differences, a paired one."""
    each = np.asarray(values, np.float64)
    if not len(each):
        return Measure(None)
    (interval,) = picture_intervals(
        lambda counts: (counts @ each / len(each))[:, None], len(each), cells_each=len(each), seed=seed
    )
    return measured(float(each.mean()), interval)


def _resampled(
    measure: Callable[[Ints, Ints], Floats], defective: ArrayLike, scores: ArrayLike, resamples: int, seed: int
) -> Floats | None:
    """The measure of each resample, (resamples,); None without both kinds of part."""
    level, defective_at, ok_at = levels(defective, scores)
    if not (defective_at.any() and ok_at.any()):
        return None
    generator = np.random.default_rng(seed)
    is_defective = np.asarray(defective, bool)
    values = [
        measure(
            _drawn(level[is_defective], len(ok_at), rows, generator),
            _drawn(level[~is_defective], len(ok_at), rows, generator),
        )
        for rows in _portions(resamples, len(level))
    ]
    return np.concatenate(values)


def _portions(resamples: int, cells_each: int) -> Iterator[int]:
    rows = max(1, _CELLS_AT_ONCE // max(1, cells_each))
    for start in range(0, resamples, rows):
        yield min(rows, resamples - start)


def _drawn(level: Ints, level_count: int, rows: int, generator: np.random.Generator) -> Ints:
    """Histograms over the levels of `rows` resamples of these parts, (rows, level_count)."""
    picks = level[generator.integers(0, len(level), size=(rows, len(level)))]
    picks += level_count * np.arange(rows)[:, None]
    return np.bincount(picks.ravel(), minlength=rows * level_count).reshape(rows, level_count)


def _percentiles(values: Floats, confidence: float) -> Interval | None:
    if np.isnan(values).all():
        return None
    low, high = np.nanquantile(values, [0.5 - confidence / 2, 0.5 + confidence / 2])
    # where no resample moves the measure (no mistake at all), the bootstrap has no information on chance
    return (float(low), float(high)) if low < high else None
