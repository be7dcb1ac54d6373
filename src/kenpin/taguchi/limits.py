"""Limits of a distance: by χ², by Hotelling's F, or by good parts alone; each on the scale of its distances."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.plural import counted, is_are

if TYPE_CHECKING:
    from kenpin.taguchi._space import QuadraticSpace

Scale = Literal["D²/k", "D²"]
"""A distance over the number of items, near 1 for good parts, or without that division."""
_KNOWN_FROM = 30
"""Number of good parts below which the spread of a single item is uncertain by more than a quarter: too much to assume
that the unit space is known."""


@dataclass(frozen=True, slots=True)
class Limit:
    """The distance from which a part no longer counts as good."""

    value: float
    scale: Scale
    basis: str
    """How it was chosen, one sentence."""

    def on(self, scale: Scale) -> float:
        """The limit as a number, for distances on this scale. Raises OptionError for another scale than its own."""
        if scale != self.scale:
            raise OptionError(f"a limit of {self.scale} cannot judge distances that are {scale}; choose one for them.")
        return self.value


def chi_square_limit(space: QuadraticSpace, share: float = 0.99) -> Limit:
    """The D²/k that this share of good parts stays below, if they vary normally and the unit space were known exactly.

    With a ridge, χ² is fitted to mean and variance of the distance. For few parts this limit is too low, `f_limit` is
    exact. Raises OptionError, UnitSpaceError for fewer than 30 parts.
    """
    from scipy.stats import chi2

    _check_share(share)
    _check_degrees(space)
    if space.parts_ < _KNOWN_FROM:
        raise UnitSpaceError(
            f"χ² assumes an exactly known unit space, and {counted(space.parts_, 'good part')} cannot make it so; give "
            f"at least {_KNOWN_FROM}, or take a quantile of good parts."
        )
    value = float(chi2.ppf(share, space.degrees_)) / space.degrees_
    how = f"χ² of {space.degrees_:.4g} degrees of freedom over these, quantile {share:g}"
    return Limit(value, space.scale, f"{how}; the unit space is assumed to be exactly known.")


def f_limit(space: QuadraticSpace, share: float = 0.99) -> Limit:
    """The D²/k that this share of new good parts stays below, if they vary normally; exact for any number of parts.

    # Hotelling 1931; for a part that is not among the n of the unit space (Tracy, Young & Mason 1992, eq. 4):
    # T² ~ k (n + 1)(n - 1) / (n (n - k)) F(k, n - k) with divisor n - 1, hence D²/k ~ (n + 1) / (n - k) F with n.
    Raises OptionError with a ridge, for which F does not hold; UnitSpaceError unless there are more parts than items.
    """
    from scipy.stats import f

    _check_share(share)
    _check_degrees(space)
    if space.ridge_ > 0:
        raise OptionError(
            f"Hotelling's F holds without a ridge alone, and {space.ridge_:.3g} is used; set ridge 0 or take the "
            "pseudo-inverse, or another limit."
        )
    items, parts = space.rank_, space.parts_
    if parts <= items + 1:
        raise UnitSpaceError(
            f"Hotelling's F of {counted(items, 'item')} needs at least {counted(items + 2, 'good part')}; there "
            f"{is_are(parts)} {parts}."
        )
    value = (parts + 1) / (parts - items) * float(f.ppf(share, items, parts - items))
    how = f"Hotelling's F of {items} and {parts - items} degrees of freedom, quantile {share:g}"
    return Limit(value, space.scale, f"{how}; exact for new parts that vary normally.")


def tolerance_limit(
    distances: ArrayLike, share: float = 0.99, confidence: float = 0.95, scale: Scale = "D²/k"
) -> Limit:
    """The smallest of the distances (n,) of good parts that at least this share of all good parts stays below, with
    this confidence and for any distribution. The space must not have been fitted to these parts.

    # Wilks 1941: the number of n parts below the quantile is binomial, which bounds it by order statistics.
    Raises ShapeError, and OptionError with the number of parts needed.
    """
    from scipy.stats import binom

    _check_share(share)
    if not 0 < confidence < 1:
        raise OptionError(f"a confidence of {confidence} is impossible; give one between 0 and 1, such as 0.95.")
    values = np.sort(np.asarray(distances, np.float64))
    if values.ndim != 1 or not np.isfinite(values).all():
        raise ShapeError(f"distances of shape {values.shape} must be one row of finite numbers; leave others out.")
    sure = np.flatnonzero(binom.cdf(np.arange(len(values)), len(values), share) >= confidence)
    if not len(sure):
        needed = math.ceil(math.log(1 - confidence) / math.log(share))
        raise OptionError(
            f"{counted(len(values), 'good part')} cannot show with confidence {confidence:g} what {share:g} of them "
            f"stay below; give at least {needed}."
        )
    how = f"With confidence {confidence:g} at least {share:g} of good parts stay below it, by {len(values)} of them"
    # a part that equals the limit reaches it: the limit lies just above the order statistic
    return Limit(float(np.nextafter(values[sure[0]], math.inf)), scale, f"{how}, however they vary.")


def _check_degrees(space: QuadraticSpace) -> None:
    if space.degrees_ <= 0:
        raise OptionError(
            "no law is known of this space's distances, for it was saved by an earlier version, or judges a relation "
            "that all good parts keep; take a quantile of good parts, or costs."
        )


def _check_share(share: float) -> None:
    if not 0 < share < 1:
        raise OptionError(f"a share of {share} of good parts is impossible; give one between 0 and 1.")
