"""Variable gage R&R: how much of a distance's spread is the measuring, how much the parts, by analysis of variance."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from kenpin.errors import OptionError, ShapeError

POOLED_FROM = 0.25
"""p-value of the interaction from which it is taken for chance, and its sum of squares joins the error's."""
_CATEGORIES = 1.41  # AIAG's rounded square root of 2
GOOD, USABLE = 0.1, 0.3
"""AIAG: a share of the total spread below 10 % is good, up to 30 % may do, above it the gage must be mended."""


@dataclass(frozen=True, slots=True)
class VarianceSource:
    """One line of the table of variance."""

    name: str
    squares: float
    degrees: int
    f: float | None = None
    p_value: float | None = None

    @property
    def mean_square(self) -> float:
        """Sum of squares per degree of freedom."""
        return self.squares / self.degrees


@dataclass(frozen=True, slots=True)
class GageStudy:
    """Standard deviations by their source, and the table of variance that they come from."""

    sources: tuple[VarianceSource, ...]
    pooled: bool
    """Whether the interaction was taken for chance."""
    repeatability: float
    """Of one appraiser (camera, shift) who measures one part again and again."""
    appraisers: float
    interaction: float
    parts: float

    @property
    def part_count(self) -> int:
        """How many parts were measured."""
        return self.sources[0].degrees + 1

    @property
    def reproducibility(self) -> float:
        """Between appraisers, their interaction with the parts included."""
        return float(np.hypot(self.appraisers, self.interaction))

    @property
    def gage(self) -> float:
        """Of the whole measuring."""
        return float(np.hypot(self.repeatability, self.reproducibility))

    @property
    def total(self) -> float:
        """Of measuring and parts."""
        return float(np.hypot(self.gage, self.parts))

    @property
    def gage_share(self) -> float:
        """%GRR as a share of the total standard deviation; 0 where nothing varies."""
        return self.gage / self.total if self.total else 0.0

    def tolerance_share(self, tolerance: float) -> float:
        """AIAG's precision-to-tolerance ratio: six standard deviations of the gage over the width of the tolerance.

        Raises OptionError unless the tolerance is above 0.
        """
        if not 0 < tolerance < math.inf:
            raise OptionError(f"a tolerance of {tolerance} has no width; give the upper limit minus the lower one.")
        return 6 * self.gage / tolerance

    @property
    def distinct_categories(self) -> int | None:
        """How many groups of parts the gage can tell apart, at least 1; None where the measuring does not vary."""
        return max(1, int(_CATEGORIES * self.parts / self.gage)) if self.gage else None


def gage_study(values: ArrayLike, *, pooled_from: float = POOLED_FROM) -> GageStudy:
    """Components of variance of crossed measurements. values: (parts, appraisers, trials), at least 2 parts and trials.

    One appraiser alone has no reproducibility, and then that is 0. Negative components are 0. Raises ShapeError.
    """
    # AIAG, Measurement Systems Analysis, 4th edition, section III-B, ANOVA method; Montgomery 2013, section 8.7:
    # parts and appraisers random, expected mean squares equated to the observed ones.
    x = np.asarray(values, np.float64)
    if x.ndim != 3 or x.shape[0] < 2 or x.shape[1] < 1 or x.shape[2] < 2 or not np.isfinite(x).all():
        raise ShapeError(
            f"measurements of shape {x.shape}: give finite numbers by part, appraiser and trial, with at least 2 parts "
            "and 2 trials."
        )
    p, a, t = x.shape
    grand, cells = x.mean(), x.mean(2)
    part_squares = a * t * float(((x.mean((1, 2)) - grand) ** 2).sum())
    appraiser_squares = p * t * float(((x.mean((0, 2)) - grand) ** 2).sum())
    departures = cells - cells.mean(1, keepdims=True) - cells.mean(0, keepdims=True) + grand
    crossed = VarianceSource("part × appraiser", t * float((departures**2).sum()), (p - 1) * (a - 1))
    error = VarianceSource("repeatability", float(((x - cells[:, :, None]) ** 2).sum()), p * a * (t - 1))
    crossed = _tested(crossed, error) if a > 1 else crossed
    pooled = a == 1 or (crossed.p_value is not None and crossed.p_value > pooled_from)
    if pooled:
        error = VarianceSource("repeatability", error.squares + crossed.squares, error.degrees + crossed.degrees)
    against = error if pooled else crossed
    by_part = _tested(VarianceSource("part", part_squares, p - 1), against)
    by_appraiser = (_tested(VarianceSource("appraiser", appraiser_squares, a - 1), against),) if a > 1 else ()

    def deviation(excess: float, repeats: int) -> float:
        return math.sqrt(max(0.0, excess / repeats))

    return GageStudy(
        sources=(by_part, *by_appraiser, *((crossed,) if a > 1 else ()), error),
        pooled=pooled and a > 1,
        repeatability=error.mean_square**0.5,
        appraisers=deviation(by_appraiser[0].mean_square - against.mean_square, p * t) if by_appraiser else 0.0,
        interaction=0.0 if pooled else deviation(crossed.mean_square - error.mean_square, t),
        parts=deviation(by_part.mean_square - against.mean_square, a * t),
    )


def _tested(source: VarianceSource, against: VarianceSource) -> VarianceSource:
    """The source with its F test; without one where the other does not vary."""
    from scipy.special import fdtrc

    if not against.squares > 0:
        return source
    f = source.mean_square / against.mean_square
    return VarianceSource(
        source.name, source.squares, source.degrees, f, float(fdtrc(source.degrees, against.degrees, f))
    )
