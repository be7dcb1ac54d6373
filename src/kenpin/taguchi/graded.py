"""The T(1) method: a graded signal estimated from items, each weighed by how well it follows the signal."""

from __future__ import annotations

from typing import Self

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import ShapeError, UnitSpaceError
from kenpin.plural import counted
from kenpin.taguchi._parts import Array, as_parts, check_finite
from kenpin.taguchi._space import Estimator


class SignalEstimator(Estimator):
    """Value of a signal, such as a yield or a degree of wear, from items that are each proportional to it: T(1).

    Items X and signal M are measured from the means of the unit space: parts in the middle of the signal's range. For
    each item, over the l other parts: β = Σ M X / Σ M², Vₑ = (Σ X² - β² Σ M²) / (l - 1) and
    η = (β² Σ M² - Vₑ) / (Σ M² Vₑ), 0 where that is negative. The estimate is M̂ = Σ η X / β over Σ η.
    # Taguchi 2006, Objective Function and Generic Function (12), J. Quality Engineering Society 14(3), 5-9;
    # Kawada & Nagata 2015, Total Quality Science 1(1), 12-21, section 2.
    """

    def fit(self, x: ArrayLike, y: ArrayLike, unit: ArrayLike | None = None) -> Self:
        """Learn from parts (n, k) with known signal (n,). unit: (n,) booleans, which parts make the unit space;
        None: the parts whose signal is nearest to the median. Raises ShapeError, UnitSpaceError."""
        parts, signal = as_parts(x), np.asarray(y, np.float64)
        if signal.shape != (len(parts),) or not np.isfinite(signal).all():
            raise ShapeError(
                f"{signal.shape} signals for {counted(len(parts), 'part')}; give one finite number for each."
            )
        away = np.abs(signal - np.median(signal))
        is_unit = away == away.min() if unit is None else np.asarray(unit, bool)
        if is_unit.shape != signal.shape:
            raise ShapeError(
                f"{is_unit.shape} marks of the unit space for {counted(len(parts), 'part')}; give one for each."
            )
        if not is_unit.any() or (~is_unit).sum() < 2:
            raise UnitSpaceError(
                f"T(1): {counted(int(is_unit.sum()), 'part')} of the unit space and {(~is_unit).sum()} outside; at "
                "least 1 and 2 are needed."
            )
        check_finite(parts.sum(axis=1, dtype=np.float64), parts, slice(0, len(parts)))
        self.center_, self.signal_center_ = parts[is_unit].mean(axis=0, dtype=np.float64), float(signal[is_unit].mean())
        items, m = parts[~is_unit] - self.center_, signal[~is_unit] - self.signal_center_
        divisor = float(m @ m)
        if divisor == 0:
            raise UnitSpaceError("T(1): no part's signal differs from that of the unit space; add parts that do.")
        self.beta_, self.eta_ = _proportion(items, m)
        if not self.eta_.any():
            raise UnitSpaceError("T(1): no item follows the signal; measure other items.")
        estimated = self._from_center(items)
        _, (self.integrated_eta_,) = _proportion(estimated[:, None], m)
        return self

    def predict(self, x: ArrayLike) -> Array:
        """Estimated signal of each part. x: (n, k) -> (n,). Raises ShapeError, UnitSpaceError."""
        return self.signal_center_ + self._from_center(self._items(x))

    def contributions(self, x: ArrayLike) -> Array:
        """Contribution of each item to the estimate minus the unit space's mean signal. (n, k) -> (n, k)."""
        return np.asarray(self._items(x) * self._weights)

    @property
    def integrated_db_(self) -> float:
        """S/N ratio in decibels of the estimate over the fitted parts; -inf where it does not follow the signal."""
        return float(10 * np.log10(self.integrated_eta_)) if self.integrated_eta_ > 0 else -np.inf

    @property
    def _weights(self) -> Array:
        used = self.eta_ > 0
        weights = np.zeros_like(self.eta_)
        weights[used] = self.eta_[used] / self.beta_[used] / self.eta_.sum()
        return weights

    def _items(self, x: ArrayLike) -> Array:
        parts = as_parts(x, self.center_.size)
        check_finite(parts.sum(axis=1, dtype=np.float64), parts, slice(0, len(parts)))
        return np.asarray(parts - self.center_)

    def _from_center(self, items: Array) -> Array:
        return np.asarray(items @ self._weights)


def _proportion(items: Array, m: Array) -> tuple[Array, Array]:
    """β and η of each column of items (l, k) against the signal (l,)."""
    divisor = float(m @ m)
    beta = m @ items / divisor
    total = np.einsum("ij,ij->j", items, items)
    explained = beta**2 * divisor
    # an item that follows the signal exactly would have infinite weight: its error is then that of rounding
    error = np.maximum((total - explained) / (len(m) - 1), np.finfo(float).eps * total)
    with np.errstate(invalid="ignore", divide="ignore"):
        eta = np.where(explained > error, (explained - error) / (divisor * error), 0.0)
    return beta, eta
