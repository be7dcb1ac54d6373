"""Whether vectors still come from where the reference ones came from: the energy test, by permutation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import ShapeError

Floats = NDArray[np.float64]
PERMUTATIONS = 999
MOST = 1_000
"""Vectors of each side that are compared; of more a sample is drawn."""


@dataclass(frozen=True, slots=True)
class SameDistribution:
    """How far two samples lie apart, and how often chance alone puts them as far."""

    energy: float
    """Energy distance squared, in the unit of the vectors' distances; 0 only where the samples coincide."""
    p_value: float
    compared: tuple[int, int]
    """Vectors of the reference and new ones."""


def energy_test(
    reference: ArrayLike, new: ArrayLike, *, permutations: int = PERMUTATIONS, seed: int = 0
) -> SameDistribution:
    """Compare two samples of vectors. (m, d), (n, d), at least 2 each. Raises ShapeError.

    Unlike Hotelling's T² it sees changes of spread and shape too, needs no inverse of a covariance, which embeddings of
    more dimensions than parts do not have, and unlike a kernel's mean discrepancy no bandwidth.
    """
    # Székely & Rizzo 2004; it is the mean discrepancy of the kernel -|x - y| (Sejdinovic et al. 2013; Gretton et al.
    # 2012). The p-value counts the sample itself (Phipson & Smyth 2010), so that it holds exactly.
    old, now = _checked(reference, new)
    generator = np.random.default_rng(seed)
    old, now = (x if len(x) <= MOST else x[np.sort(generator.choice(len(x), MOST, False))] for x in (old, now))
    distances = _distances(np.concatenate([old, now]))
    is_new = np.zeros((permutations + 1, len(distances)), bool)
    is_new[:, len(old) :] = True
    is_new[1:] = generator.permuted(is_new[1:], axis=1)
    energies = _energies(distances, is_new, len(old), len(now))
    # rounding must not make a permutation of equal energy look smaller
    as_far = int((energies[1:] >= energies[0] - 1e-12 * distances.mean()).sum())
    return SameDistribution(float(energies[0]), (as_far + 1) / (permutations + 1), (len(old), len(now)))


def least_p_value(old_count: int, new_count: int) -> float:
    """The smallest p-value that the energy test of so many vectors has, on average over its permutations.

    >>> least_p_value(2, 2), least_p_value(25, 2) < 0.01
    (0.3333333333333333, True)
    """
    # two halves of one size may change their sides, and lie as far apart then
    divisions = math.comb(min(old_count, MOST) + min(new_count, MOST), min(new_count, MOST))
    return max((1 + (old_count == new_count)) / divisions, 1 / (PERMUTATIONS + 1))


def mean_distances(reference: ArrayLike, new: ArrayLike, *, seed: int = 0) -> tuple[Floats, Floats]:
    """How far each vector lies from the reference on average: (m,) of the reference itself, (n,) of the new ones.

    The number that the energy distance is made of, one for each part, so that a chart of it tells which came from
    elsewhere. Reference vectors are measured without themselves; of more than 1,000 a sample is taken, and (m,) is
    that sample's. Raises ShapeError.
    """
    from scipy.spatial.distance import cdist

    old, now = _checked(reference, new)
    if len(old) > MOST:
        old = old[np.sort(np.random.default_rng(seed).choice(len(old), MOST, False))]
    return _distances(old).sum(1) / (len(old) - 1), np.asarray(cdist(now, old).mean(1), np.float64)


def _checked(reference: ArrayLike, new: ArrayLike) -> tuple[Floats, Floats]:
    old, now = (np.asarray(x, np.float64) for x in (reference, new))
    if old.ndim != 2 or now.ndim != 2 or old.shape[1] != now.shape[1] or min(len(old), len(now)) < 2:
        raise ShapeError(
            f"embeddings of shapes {old.shape} and {now.shape}: give (m, d) and (n, d), at least 2 of each."
        )
    if not (np.isfinite(old).all() and np.isfinite(now).all()):
        raise ShapeError("embeddings must be finite; leave the others out.")
    return old, now


def _distances(x: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.spatial.distance import pdist, squareform

    return np.asarray(squareform(pdist(x)), np.float64)


def _energies(
    distances: NDArray[np.float64], is_new: NDArray[np.bool_], old_count: int, new_count: int
) -> NDArray[np.float64]:
    """Energy distance of each division, (r,)."""
    new = is_new.astype(np.float64)
    from_new = new @ distances
    within_new = (from_new * new).sum(1)
    between = from_new.sum(1) - within_new
    within_old = distances.sum() - 2 * between - within_new
    energies: NDArray[np.float64] = (
        2 * between / (old_count * new_count) - within_old / old_count**2 - within_new / new_count**2
    )
    return energies
