"""Item selection: runs of a two-level orthogonal array, each a unit space of some items, tell what each item gains."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import MissingExtraError, OptionError, ShapeError, UnitSpaceError
from kenpin.installing import installing
from kenpin.plural import counted
from kenpin.records import Measure
from kenpin.taguchi._parts import Array, as_parts
from kenpin.taguchi._space import checked_correlation
from kenpin.taguchi.moments import Moments
from kenpin.taguchi.unit_space import parts_needed

Progress = Callable[[str, int, int], None]

DEFAULT_FACTORS = 255
"""Default number of factors, items or groups of items, of an array: 256 runs."""


@dataclass(frozen=True, slots=True)
class ItemGain:
    """Gain of an item: the mean S/N ratio, in decibels, of the runs with it and of the runs without it."""

    item: str
    group: int
    """Number of its group; items of one group share a column of the array, and so have the same gain."""
    with_db: float
    without_db: float
    kept: bool

    @property
    def gain_db(self) -> float:
        """Gain in decibels; above 0 where defective parts are farther away with the item than without it."""
        return self.with_db - self.without_db


@dataclass(frozen=True, slots=True)
class Confirmation:
    """Comparison of all items with the kept ones, on parts used neither for the unit spaces nor for the gains."""

    good: int
    defective: int
    auroc_all: float
    auroc_kept: float
    change: Measure
    """AUROC with the kept items minus with all, and its two-sided 95 % interval over the same parts."""

    @property
    def lost(self) -> bool:
        """Whether AUROC fell by more than chance explains."""
        return self.change.high is not None and self.change.high < 0


@dataclass(frozen=True, slots=True)
class Selection:
    """Which items are worth keeping, and how that was found."""

    runs: int
    """Number of runs of the orthogonal array, each with a unit space of its own."""
    factors: int
    defective: int
    """Number of defective parts whose distances give the S/N ratios."""
    gains: tuple[ItemGain, ...]
    """Gain of every item, in the items' order."""
    all_db: float
    """S/N ratio with all items."""
    kept_db: float
    """S/N ratio with the kept items alone."""
    confirmation: Confirmation | None = None

    @property
    def kept(self) -> tuple[int, ...]:
        """Indices of the kept items."""
        return tuple(index for index, gain in enumerate(self.gains) if gain.kept)

    @property
    def dropped(self) -> tuple[str, ...]:
        """Names of the dropped items, the least gain first."""
        return tuple(one.item for one in sorted(self.gains, key=lambda one: one.gain_db) if not one.kept)


def orthogonal_array(factors: int) -> NDArray[np.bool_]:
    """A two-level design of resolution III, (runs, factors) booleans: whether each run uses each factor.

    Columns are balanced and orthogonal to one another; the last run uses all. The number of runs is 4, 12 or 20
    times a power of two. # Plackett & Burman 1946, The design of optimum multifactorial experiments.
    Raises OptionError, MissingExtraError.
    """
    if factors < 1:
        raise OptionError(f"an orthogonal array of {counted(factors, 'factor')} is impossible; give at least one.")
    try:
        from pydoe import pbdesign
    except ImportError as error:
        raise MissingExtraError(f"item selection needs pydoe: {installing('taguchi')}") from error

    runs = min(size << power for size in (4, 12, 20) for power in range(32) if size << power > factors)
    return np.asarray(pbdesign(runs - 1)[:, :factors] > 0)


def larger_is_better_db(distances: ArrayLike) -> Array:
    """S/N ratio in decibels of distances D²/k of defective parts, the last axis: -10 log₁₀ of their mean reciprocal.

    # Taguchi & Jugulum 2002, ch. 2: larger-the-better, since defective parts should lie far away.
    """
    nearness: Array = np.mean(1 / np.maximum(np.asarray(distances, np.float64), np.finfo(float).tiny), axis=-1)
    return np.asarray(-10 * np.log10(nearness))


def select_items(
    moments: Moments,
    defective: ArrayLike,
    *,
    ridge: float,
    names: Sequence[str] | None = None,
    factors: int = DEFAULT_FACTORS,
    most: float = 1.0,
    progress: Progress | None = None,
) -> Selection:
    """Select the items of positive gain, at most the share `most` of them. moments: of good parts, k items; defective:
    (t, k) known defective parts; ridge: the same number for all runs.

    More items than `factors` are put into that many groups of correlated items (average linkage over |r|); the items of
    a group are used or left out together. Each run is a unit space of about half the items: the Cholesky factor of its
    block of the correlation matrix gives the distances, at less cost than the inverse of the whole matrix.
    # Taguchi & Jugulum 2002, ch. 2; Woodall et al. 2003 show that neither the array nor the S/N ratio promises the best
    # subset, which is why the choice has to be confirmed on other parts.
    Raises ShapeError, UnitSpaceError, OptionError, MissingExtraError.
    """
    from threadpoolctl import threadpool_limits

    items = moments.mean.size
    parts = as_parts(defective, items)
    if not 0 < most <= 1 or factors < 2 or not 0 <= ridge < 1:
        raise OptionError(
            f"item selection: a share of {most}, {counted(factors, 'factor')} and ridge {ridge} are impossible; give a "
            "share above 0 up to 1, 2 factors at least and a ridge from 0 to below 1."
        )
    called = [f"item {index}" for index in range(items)] if names is None else list(names)
    if len(called) != items:
        raise ShapeError(
            f"item selection: {counted(len(called), 'name')} for {counted(items, 'item')}; give one for each."
        )
    if items < 2:
        raise UnitSpaceError("item selection: there is only one item; nothing can be left out.")
    correlation = checked_correlation(moments, parts_needed(items, ridge))
    z = (np.asarray(parts, np.float64) - moments.mean) / moments.scale
    if not np.isfinite(z).all():
        raise UnitSpaceError("item selection: a defective part holds a number that is not finite; leave it out.")

    group_of = _groups(correlation, factors)
    count = int(group_of.max()) + 1
    array = orthogonal_array(count)
    array = array[array.any(axis=1)]
    used = array[:, group_of]
    sn = np.empty(len(array))
    # one thread a run: the matrices are too small for several threads to pay off within one
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = pool.map(lambda chosen: _sn_of(correlation, z, np.flatnonzero(chosen), ridge), used)
        for run, ratio in enumerate(runs):
            sn[run] = ratio
            if progress is not None:
                progress("selecting items", run + 1, len(array))
    with_db = np.array([sn[column].mean() for column in array.T])
    without_db = np.array([sn[~column].mean() for column in array.T])
    kept = _best(group_of, with_db - without_db, most)
    everything = np.arange(items)
    return Selection(
        runs=len(array),
        factors=count,
        defective=len(parts),
        gains=tuple(
            ItemGain(name, int(group), float(with_db[group]), float(without_db[group]), bool(keep))
            for name, group, keep in zip(called, group_of, kept, strict=True)
        ),
        all_db=_sn_of(correlation, z, everything, ridge),
        kept_db=_sn_of(correlation, z, np.flatnonzero(kept), ridge),
    )


def _best(group_of: NDArray[np.int64], gain_db: Array, most: float) -> NDArray[np.bool_]:
    """Whether each item is kept, (k,): groups of positive gain, the highest first, up to the share `most` of all items.

    One group is kept in any case.
    """
    room = int(most * len(group_of))
    kept = np.zeros(len(group_of), bool)
    for group in np.argsort(-gain_db, kind="stable"):
        of_group = group_of == group
        if kept.any() and (gain_db[group] <= 0 or kept.sum() + of_group.sum() > room):
            break
        kept |= of_group
    return kept


def _groups(correlation: Array, count: int) -> NDArray[np.int64]:
    """Number of each item's group, (k,), in the items' order; at most `count` groups."""
    items = len(correlation)
    if items <= count:
        return np.arange(items)
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    apart = squareform(1 - np.abs(np.clip(correlation, -1, 1)), checks=False)
    found = fcluster(linkage(apart, "average"), count, "maxclust")
    _, first, number = np.unique(found, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[number], np.int64)


def _sn_of(correlation: Array, z: Array, chosen: NDArray[np.int64], ridge: float) -> float:
    """S/N ratio of standardised defective parts (t, k) in the unit space of the chosen items."""
    from scipy.linalg.lapack import dpotrf, dtrtri, dtrtrs

    block = (1 - ridge) * correlation[np.ix_(chosen, chosen)]
    block.flat[:: len(block) + 1] += ridge
    # symmetric: its transpose is in Fortran order, and is overwritten
    factor, collinear = dpotrf(block.T, lower=1, overwrite_a=1)
    if collinear:
        raise UnitSpaceError(
            "item selection: the items are collinear; set a ridge above 0, or remove items that repeat others."
        )
    rotated, _ = dtrtrs(factor, z[:, chosen].T, lower=1)
    squared = np.einsum("ij,ij->j", rotated, rotated)
    trace = float(len(chosen))
    if ridge:  # tr(P R), by which the mean over the good parts is 1
        inverse, _ = dtrtri(factor, lower=1)
        trace = (trace - ridge * float(np.einsum("ij,ij->", inverse, inverse))) / (1 - ridge)
    return float(larger_is_better_db(squared / trace))
