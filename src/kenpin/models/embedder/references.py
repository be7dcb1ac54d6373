"""References: embeddings of known pictures; their distances to a new embedding give its class probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import RunError, ShapeError
from kenpin.run.arrays import read_run_arrays

Vectors = NDArray[np.float32]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

FILE = "references.npz"
_BLOCK = 1_024  # embeddings whose distances to all references are in memory at a time


@dataclass(frozen=True)
class References:
    """Embeddings with their class numbers; every class from 0 to the highest has some.

    `neighbours`: how many of the nearest references of each class count, at most. `scale`: the difference of mean
    squared distances that makes one class e times as probable as another.
    """

    vectors: Vectors
    numbers: Ints
    neighbours: int
    scale: float

    def __post_init__(self) -> None:
        if self.vectors.ndim != 2 or self.numbers.shape != self.vectors.shape[:1] or not len(self.numbers):
            raise ShapeError(f"references: {self.vectors.shape} embeddings for {self.numbers.shape} class numbers.")

    def distances(self, vectors: NDArray[np.floating]) -> Floats:
        """Mean squared distance of each embedding to the nearest references of each class. (n, d) -> (n, classes).

        # class by class, so that a class with few references is not outvoted: Mitani & Hamamoto 2006, A local
        # mean-based nonparametric classifier, but with the mean of distances and not the distance to a mean
        """
        wanted, known = vectors.astype(np.float64), self.vectors.astype(np.float64)
        members = [np.flatnonzero(self.numbers == number) for number in range(int(self.numbers.max()) + 1)]
        lengths = (known**2).sum(1)
        means = np.empty((len(wanted), len(members)))
        for start in range(0, len(wanted), _BLOCK):
            block = wanted[start : start + _BLOCK]
            squared = np.maximum((block**2).sum(1)[:, None] + lengths - 2 * block @ known.T, 0.0)
            for number, own in enumerate(members):
                count = min(self.neighbours, own.size)
                nearest = np.partition(squared[:, own], count - 1, axis=1)[:, :count]
                means[start : start + _BLOCK, number] = nearest.mean(axis=1)
        return means

    def probabilities(self, vectors: NDArray[np.floating]) -> Floats:
        """(n, d) -> (n, classes): the softmax of the negative distances over the scale."""
        return _softmax(-self.distances(vectors) / self.scale)

    def save(self, folder: Path) -> None:
        """Write `references.npz`."""
        np.savez(folder / FILE, vectors=self.vectors, numbers=self.numbers, scale=np.float64(self.scale))


def fit_references(
    vectors: Vectors, numbers: Sequence[int], neighbours: int, unseen: Vectors, unseen_numbers: Sequence[int]
) -> References:
    """References of these embeddings, with the scale of the greatest likelihood on unseen ones.

    # Guo, Pleiss, Sun & Weinberger 2017, On Calibration of Modern Neural Networks: one temperature, on validation data
    """
    from scipy.optimize import minimize_scalar

    unscaled = References(vectors, np.asarray(numbers, np.int64), neighbours, 1.0)
    distances, truth = unscaled.distances(unseen), np.asarray(unseen_numbers, np.int64)
    spread = max(float(distances.mean()), 1e-12)

    def surprise(power: float) -> float:
        chosen = _softmax(-distances / (spread * 10.0**power))[np.arange(len(truth)), truth]
        return float(-np.log(np.maximum(chosen, 1e-12)).mean())

    best = minimize_scalar(surprise, bounds=(-4.0, 2.0), method="bounded")
    return References(unscaled.vectors, unscaled.numbers, neighbours, spread * 10.0 ** float(best.x))


def read_references(folder: Path, neighbours: int) -> References:
    """The references that `save` wrote. Raises RunError."""
    try:
        arrays = read_run_arrays(folder / FILE, ("vectors", "numbers", "scale"))
        return References(arrays["vectors"], arrays["numbers"], neighbours, float(arrays["scale"]))
    except (ShapeError, TypeError) as error:
        raise RunError(f"{folder / FILE}: cannot be read; restore it from a copy or train again.") from error


def _softmax(logits: Floats) -> Floats:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares: Floats = raised / raised.sum(axis=1, keepdims=True)
    return shares
