"""Stretches of a line: consecutive parts of one version as columns, and what a reference stretch tells of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from kenpin.quality.control_charts import FEWEST, normal_scores
from kenpin.quality.randomness import wandering

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]

SUBGROUP = 10
"""Parts of which one mean is a point of a chart."""
SHARE_OF = 100
"""Parts of which one share is a point of a chart."""
LEAST_PARTS = FEWEST * SUBGROUP
"""Parts of a reference, at least."""
_WANDERS = 0.01  # chance with which a level line is taken for one that wanders
_WINDOWS = 19  # stretches at the beginning that are tried, each half a stretch later than the one before
_MOSTLY = 0.9  # share of the parts that must have a value, for a chart of it


class Charted(StrEnum):
    """What a chart is of."""

    DISTANCE = "distance"
    SCORE = "score"
    FAIL = "fail"
    REVIEW = "review"
    BRIGHTNESS = "brightness"
    CONTRAST = "contrast"
    SHARPNESS = "sharpness"

    @property
    def is_share(self) -> bool:
        """Whether it is a share of parts."""
        return self in (Charted.FAIL, Charted.REVIEW)


MEASURES = tuple(one for one in Charted if not one.is_share)
SHARES = tuple(one for one in Charted if one.is_share)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Consecutive parts, in the order in which the store took them up; (n,) each."""

    seq: Whole
    judged_us: Whole
    lots: Sequence[str | None]
    values: Mapping[Charted, Floats]
    """NaN where a part lacks it; of shares 1 for a part that counts, else 0."""

    def __len__(self) -> int:
        return len(self.seq)

    def __getitem__(self, places: slice) -> Stretch:
        values = {kind: of[places] for kind, of in self.values.items()}
        return Stretch(self.seq[places], self.judged_us[places], self.lots[places], values)

    def __add__(self, other: Stretch) -> Stretch:
        values = {kind: np.concatenate([of, other.values[kind]]) for kind, of in self.values.items()}
        seq, judged_us = (np.concatenate(two) for two in ((self.seq, other.seq), (self.judged_us, other.judged_us)))
        return Stretch(seq, judged_us, [*self.lots, *other.lots], values)


@dataclass(frozen=True, slots=True)
class MeasureReference:
    """A measure over the reference."""

    values: Floats
    """Of the parts that have it."""
    deviation: float
    """Standard deviation of the means of subgroups, as normal scores; their mean is 0."""
    subgroups: int
    is_level: bool
    """Whether its subgroups vary about one level, as independent numbers do."""


@dataclass(frozen=True, slots=True)
class LineReference:
    """What a stretch tells, against which later parts are charted."""

    parts: int
    lots: int
    """How many different ones; 0 where no part has one."""
    first_us: int
    last_us: int
    last_seq: int
    measures: Mapping[Charted, MeasureReference]
    shares: Mapping[Charted, NDArray[np.bool_]]
    """Which parts count, (parts,)."""
    constant: tuple[Charted, ...]
    """Measures that do not vary, so that nothing can be charted against them."""

    @property
    def is_level(self) -> bool:
        """Whether all measures vary about one level."""
        return all(one.is_level for one in self.measures.values())

    @property
    def kinds(self) -> tuple[Charted, ...]:
        """What is charted against it."""
        return tuple(kind for kind in Charted if kind in self.measures or kind in self.shares)


def reference_of(stretch: Stretch) -> LineReference:
    """What a stretch of at least `LEAST_PARTS` parts tells."""
    assert len(stretch) >= LEAST_PARTS, len(stretch)
    kinds = [kind for kind in MEASURES if _has(stretch.values[kind])]
    if Charted.DISTANCE in kinds and Charted.SCORE in kinds:
        kinds.remove(Charted.SCORE)  # most scores are distances, and one thing would raise two alarms
    level = _WANDERS / max(len(kinds), 1)
    found = {kind: _measure(stretch.values[kind], level) for kind in kinds}
    return LineReference(
        parts=len(stretch),
        lots=len({lot for lot in stretch.lots if lot is not None}),
        first_us=int(stretch.judged_us[0]),
        last_us=int(stretch.judged_us[-1]),
        last_seq=int(stretch.seq[-1]),
        measures={kind: one for kind, one in found.items() if one is not None},
        shares={kind: stretch.values[kind] > 0 for kind in SHARES},
        constant=tuple(kind for kind, one in found.items() if one is None),
    )


def level_beginning(beginning: Stretch, parts: int) -> LineReference | None:
    """The first stretch of so many parts that varies about one level; None where there is none yet. beginning: the
    first parts that a version judged."""
    for start in range(0, min(len(beginning) - parts, (_WINDOWS - 1) * (parts // 2)) + 1, parts // 2):
        found = reference_of(beginning[start : start + parts])
        if found.is_level:
            return found
    return None


def searched(parts: int) -> int:
    """In how many parts of a beginning a reference of so many parts is looked for."""
    return parts + (_WINDOWS - 1) * (parts // 2)


def subgroup_means(values: Floats, reference: Floats) -> Floats:
    """Means of subgroups of values, as normal scores among the reference; what is left at the end is left out.
    (n,), (m,) -> (n // SUBGROUP,)."""
    count = len(values) // SUBGROUP
    if not count:
        return np.empty(0)
    scores = normal_scores(values[: count * SUBGROUP], reference)
    return np.asarray(scores.reshape(count, SUBGROUP).mean(axis=1), np.float64)


def _has(values: Floats) -> bool:
    known = int(np.isfinite(values).sum())
    return known >= LEAST_PARTS and known >= _MOSTLY * len(values)


def _measure(values: Floats, level: float) -> MeasureReference | None:
    """None where it does not vary."""
    known = values[np.isfinite(values)]
    means = subgroup_means(known, known)
    deviation = float(means.std(ddof=1))
    if np.ptp(known) == 0 or not deviation > 0:
        return None
    return MeasureReference(known, deviation, len(means), wandering(means) >= level)
