"""Kappa: how far raters agree beyond chance, two of them by Cohen's, more by Fleiss', each with its interval."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.plural import counted

Floats = NDArray[np.float64]
_ROUNDING = 1e-6  # an error that is 0 but for rounding is the root of its square's rounding


@dataclass(frozen=True, slots=True)
class Kappa:
    """Agreement beyond chance: 1 is full agreement, 0 as much as chance gives, below 0 less."""

    value: float | None
    """None where everybody always gave one and the same category: then chance explains everything."""
    low: float | None
    high: float | None
    """None where `value` is, and where all agree: then the sample does not show how far chance could change it."""
    z: float | None
    """`value` over the error that it would have if there were no agreement beyond chance; None where `value` is."""
    observed: float
    """Share of pairs of ratings that agree."""
    expected: float
    """The same by chance alone."""
    by_category: tuple[float | None, ...] = ()
    """Kappa of each category against all others."""


def crossed(first: Sequence[Hashable], second: Sequence[Hashable]) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Two raters' categories of the same n parts -> counts (k, k), rows the first, and the k categories sorted.

    Raises ShapeError.
    """
    if len(first) != len(second) or not len(first):
        raise ShapeError(
            f"{counted(len(first), 'rating')} against {len(second)}; give one of each rater for each part."
        )
    names = sorted({str(one) for one in (*first, *second)})
    place = {name: i for i, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), np.int64)
    np.add.at(counts, ([place[str(one)] for one in first], [place[str(one)] for one in second]), 1)
    return counts, tuple(names)


def cohen_kappa(counts: ArrayLike, confidence: float = 0.95) -> Kappa:
    """Cohen's kappa of two raters, with the large-sample interval. counts: (k, k). Raises ShapeError, OptionError."""
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or table.shape[0] != table.shape[1] or not (table >= 0).all() or not table.sum():
        raise ShapeError(f"counts of shape {table.shape}: give a square table of counts that are not all 0.")
    parts = table.sum()
    shares = table / parts
    rows, columns = shares.sum(1), shares.sum(0)
    observed, expected = float(np.trace(shares)), float(rows @ columns)
    value = _beyond(observed, expected)
    by_category = () if len(table) < 3 else tuple(cohen_kappa(_against_rest(table, i)).value for i in range(len(table)))
    if value is None:
        return Kappa(None, None, None, None, observed, expected, by_category)
    # Fleiss, Cohen & Everitt 1969: the variance where there is agreement, for the interval
    left = 1 - value
    diagonal = np.diag(shares)
    agreeing = (diagonal * (1 - (rows + columns) * left) ** 2).sum()
    crosswise = (shares * (columns[:, None] + rows[None, :]) ** 2).sum() - (diagonal * (rows + columns) ** 2).sum()
    spread = agreeing + left**2 * crosswise - (value - expected * left) ** 2
    # the same: the variance where there is none beyond chance, for the test
    null = expected + expected**2 - (rows * columns * (rows + columns)).sum()
    scale = (1 - expected) * parts**0.5
    error, null_error = max(0.0, spread) ** 0.5 / scale, max(0.0, null) ** 0.5 / scale
    return _with_interval(value, error, null_error, confidence, observed, expected, by_category)


def fleiss_kappa(counts: ArrayLike, confidence: float = 0.95) -> Kappa:
    """Fleiss' kappa of any raters: how many of them gave each part each category. counts: (n, k), equal row sums.

    Raises ShapeError, OptionError.
    """
    table = np.asarray(counts, np.float64)
    if table.ndim != 2 or len(table) < 2 or not (table >= 0).all():
        raise ShapeError(f"counts of shape {table.shape}: give one row of counts for each of at least 2 parts.")
    raters = table[0].sum()
    if raters < 2 or not (table.sum(1) == raters).all():
        raise ShapeError("each part needs the same number of ratings, at least 2; leave the others out.")
    # Fleiss 1971
    parts, shares = len(table), table.sum(0) / table.sum()
    agreement = ((table**2).sum(1) - raters) / (raters * (raters - 1))
    observed, expected = float(agreement.mean()), float((shares**2).sum())
    value = _beyond(observed, expected)
    mixed = shares * (1 - shares)
    split = (table * (raters - table)).sum(0)
    within = np.divide(split, parts * raters * (raters - 1) * mixed, out=np.full(len(shares), np.nan), where=mixed > 0)
    by_category = tuple(None if np.isnan(one) else float(1 - one) for one in within)
    if value is None:
        return Kappa(None, None, None, None, observed, expected, by_category)
    # Gwet 2008, linearised: the parts vary, and with them what chance gives
    own_chance = table @ shares / raters
    influence = ((agreement - expected) - 2 * (1 - value) * (own_chance - expected)) / (1 - expected)
    error = (((influence - value) ** 2).sum() / (parts * (parts - 1))) ** 0.5
    # Fleiss, Nee & Landis 1979: the variance where there is no agreement beyond chance
    null = mixed.sum() ** 2 - (mixed * (1 - 2 * shares)).sum()
    null_error = (2 * null / (parts * raters * (raters - 1))) ** 0.5 / mixed.sum()
    return _with_interval(value, float(error), float(null_error), confidence, observed, expected, by_category)


def _beyond(observed: float, expected: float) -> float | None:
    # rounding may leave a hair of disagreement where everybody said the same
    return None if 1 - expected < 1e-12 else (observed - expected) / (1 - expected)


def _against_rest(table: Floats, category: int) -> Floats:
    both, row, column = table[category, category], table[category].sum(), table[:, category].sum()
    return np.array([[both, row - both], [column - both, table.sum() - row - column + both]])


def _with_interval(
    value: float,
    error: float,
    null_error: float,
    confidence: float,
    observed: float,
    expected: float,
    by_category: tuple[float | None, ...],
) -> Kappa:
    if not 0 < confidence < 1:
        raise OptionError(f"a confidence of {confidence} is impossible; give one between 0 and 1, such as 0.95.")
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * error
    known = half > _ROUNDING
    return Kappa(
        value=value,
        low=max(-1.0, value - half) if known else None,
        high=min(1.0, value + half) if known else None,
        z=value / null_error if null_error > 0 else None,
        observed=observed,
        expected=expected,
        by_category=by_category,
    )
