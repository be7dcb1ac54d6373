"""Labels that contradict what the other pictures show: by probabilities from models that have not seen the picture."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kenpin.errors import ShapeError


@dataclass(frozen=True, slots=True)
class Contradicted:
    """How far labels are contradicted, a value for each example."""

    margins: NDArray[np.float64]
    """Probability of the label less that of the likeliest other class, (n,), -1 to 1: the lowest is doubted most."""
    likelier: NDArray[np.int64]
    """The likeliest other class, (n,)."""
    is_suspect: NDArray[np.bool_]
    """Whether another class is more probable than it is on average where it is right, and the label's is not, (n,)."""

    def ranked(self) -> NDArray[np.int64]:
        """Indices of all examples, the most doubtful label first; equal ones in their order, (n,)."""
        return np.argsort(self.margins, kind="stable")


def contradicted(probabilities: NDArray[np.float64], targets: NDArray[np.int64]) -> Contradicted:
    """Which labels out-of-fold probabilities contradict. probabilities: (n, classes); targets: (n,) class numbers.

    The suspects are those off the diagonal of the confident joint, ranked by normalised margin (Northcutt, Jiang and
    Chuang, Confident learning, 2021, arXiv 1911.00068, section 3). Raises ShapeError.

    >>> found = contradicted(np.array([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.95, 0.05]]), np.array([0, 0, 1, 1]))
    >>> found.ranked().tolist()[0], found.is_suspect.tolist()
    (3, [False, False, False, True])
    """
    count, classes = probabilities.shape if probabilities.ndim == 2 else (0, 0)
    if targets.shape != (count,) or classes < 2:
        raise ShapeError(
            f"probabilities of shape {probabilities.shape} and targets of {targets.shape}; give (n, classes), (n,)."
        )
    rows = np.arange(count)
    own = probabilities[rows, targets]
    others = probabilities.copy()
    others[rows, targets] = -1.0
    likelier = others.argmax(axis=1)
    # the mean probability of a class over the examples that have its label: what it is where the model is confident
    usual = np.array([own[targets == number].mean() if (targets == number).any() else 1.0 for number in range(classes)])
    is_confident = probabilities >= usual
    taken = np.where(is_confident, probabilities, -1.0).argmax(axis=1)
    return Contradicted(own - others[rows, likelier], likelier, is_confident.any(axis=1) & (taken != targets))
