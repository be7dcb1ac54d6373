"""Charts of a line: points of consecutive parts, their limits by a reference, and since when an alarm runs."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from kenpin.quality.control_charts import Chart, ewma_chart, p_chart
from kenpin.quality.run_length import best_weight
from kenpin.station.monitoring.stretches import (
    SHARE_OF,
    SUBGROUP,
    Charted,
    Floats,
    LineReference,
    MeasureReference,
    Stretch,
    Whole,
    subgroup_means,
)

KEPT_PARTS = 50_000
"""Parts whose points are kept."""
CALM = 3
"""Points in a row within the limits by which an alarm ends: a statistic at its limit goes out and in."""
_SHIFT = 2.0  # of a subgroup's mean, in its deviations, that is found soonest: of single parts about 0.6
_WARM = 30  # points that an average takes at most to reach the level of points that were dropped
_LEAST_RUN = 2.0  # points between false alarms that a chart can have at least


@dataclass(frozen=True, slots=True)
class Subgroup:
    """A point of a chart: some consecutive parts."""

    value: float
    """Mean of their normal scores, or the share of them that counts."""
    first_seq: int
    first_us: int
    last_us: int


@dataclass(frozen=True, slots=True)
class ControlChart:
    """A chart of a line, with all points that are kept."""

    kind: Charted
    points: tuple[Subgroup, ...]
    chart: Chart
    """As many points; of measures their smoothed means."""
    since: int | None
    """Place of the point with which the running alarm began; None: none runs."""
    is_level: bool
    """Whether the reference of this measure varies about one level, so that means are smoothed."""
    is_whole: bool
    """Whether no point was dropped: an alarm may have begun before the first one that is kept."""

    @property
    def parts_a_point(self) -> int:
        """How many parts make a point."""
        return SHARE_OF if self.kind.is_share else SUBGROUP

    @property
    def began(self) -> Subgroup | None:
        """The point with which the running alarm began."""
        return None if self.since is None else self.points[self.since]

    @property
    def may_be_older(self) -> bool:
        """Whether the running alarm may have begun before the first point that is kept."""
        return self.since is not None and self.since < _WARM and not self.is_whole

    @property
    def is_high(self) -> bool:
        """Whether the running alarm is above the upper limit."""
        return self.since is not None and self.chart.values[self.since] > self.chart.high[self.since]

    def last(self, count: int) -> ControlChart:
        """The same with its last points alone."""
        start = max(0, len(self.points) - count)
        chart = replace(
            self.chart, values=self.chart.values[start:], low=self.chart.low[start:], high=self.chart.high[start:]
        )
        since = None if self.since is None else max(0, self.since - start)
        return replace(
            self, points=self.points[start:], chart=chart, since=since, is_whole=self.is_whole and start == 0
        )


class LineCharts:
    """The charts of a line since its reference; parts come in their order."""

    def __init__(self, reference: LineReference, false_alarm_parts: float, *, is_whole: bool = True) -> None:
        """false_alarm_parts: parts between two false alarms of all charts together, on average; is_whole: whether the
        first part that is added is the first behind the reference."""
        self.reference = reference
        self._is_whole = is_whole
        self._each = false_alarm_parts * max(len(reference.kinds), 1)
        self._tracks = {kind: _Track(kind, reference) for kind in reference.kinds}
        self._limits: dict[Charted, Chart] = {}
        self._charts: dict[Charted, ControlChart] = {}
        """Those whose points have not changed since they were drawn up."""

    def add(self, parts: Stretch) -> None:
        """Add the parts that follow."""
        if len(parts):
            for kind, track in self._tracks.items():
                if track.add(parts):
                    self._charts.pop(kind, None)

    @property
    def charts(self) -> tuple[ControlChart, ...]:
        """All charts, in the order of `Charted`."""
        for kind, track in self._tracks.items():
            if kind not in self._charts:
                self._charts[kind] = self._chart(kind, track)
        return tuple(self._charts[kind] for kind in self._tracks)

    @property
    def alarm(self) -> ControlChart | None:
        """The chart whose alarm began first, of those that run."""
        running = [one for one in self.charts if one.began is not None]
        return min(running, key=lambda one: one.points[one.since or 0].first_us, default=None)

    def _chart(self, kind: Charted, track: _Track) -> ControlChart:
        points = tuple(track.points)
        values = [point.value for point in points]
        of = self.reference.measures.get(kind)
        chart = self._shares(kind, values) if of is None else measure_chart(values, of, self._each / SUBGROUP)
        return ControlChart(
            kind, points, chart, running_since(chart.alarms, len(points)), of is None or of.is_level,
            self._is_whole and not track.dropped,
        )  # fmt: skip

    def _shares(self, kind: Charted, values: Sequence[float]) -> Chart:
        limits = self._limits.get(kind)
        if limits is None:  # the same for all points, as these are of as many parts
            none_failed = np.zeros(SHARE_OF, bool)
            arl = max(self._each / SHARE_OF, _LEAST_RUN)
            limits = p_chart(none_failed, np.zeros(SHARE_OF), self.reference.shares[kind], arl=arl)
            self._limits[kind] = limits
        count = len(values)
        return replace(limits, values=tuple(values), low=limits.low * count, high=limits.high * count)


def measure_chart(means: Sequence[float], reference: MeasureReference, arl: float) -> Chart:
    """Means of subgroups, smoothed where the reference varies about one level; alarms every `arl` points by chance.

    The deviation is that of the reference's own subgroups, and not of single parts by √n: parts that come after each
    other may be alike. Where the reference wanders the points are not smoothed, for limits of a smoothed mean hold for
    independent points alone, and those of single points for any.
    """
    arl = max(arl, _LEAST_RUN)
    weight = best_weight(arl, _SHIFT) if reference.is_level else 1.0
    if not means:
        means_or_centre, count = [0.0], 0
    else:
        means_or_centre, count = [*means], len(means)
    found = ewma_chart(
        means_or_centre, 0.0, reference.deviation, weight=weight, arl=arl, reference=reference.subgroups,
        degrees=reference.subgroups - 1,
    )  # fmt: skip
    return replace(found, values=found.values[:count], low=found.low[:count], high=found.high[:count])


def running_since(outside: Sequence[int], count: int, calm: int = CALM) -> int | None:
    """Place at which the alarm began that runs at the last of `count` points; None where none does. outside: places of
    points outside their limits, rising; calm: points in a row within them that end an alarm.

    >>> running_since([2, 8, 9, 11], 13), running_since([2, 8, 9, 11], 15), running_since([], 5)
    (8, None, None)
    """
    if not outside or count - 1 - outside[-1] >= calm:
        return None
    began = outside[-1]
    for place in reversed(outside[:-1]):
        if began - place > calm:
            break
        began = place
    return began


class _Track:
    """Points of one kind as their parts come."""

    def __init__(self, kind: Charted, reference: LineReference) -> None:
        self._kind, self._reference = kind, reference
        self._size = SHARE_OF if kind.is_share else SUBGROUP
        self.points: deque[Subgroup] = deque(maxlen=KEPT_PARTS // self._size)
        self.dropped = False
        self._rest: tuple[Floats, Whole, Whole] = (np.empty(0), np.empty(0, np.int64), np.empty(0, np.int64))
        """Values, numbers and moments of parts that do not make a point yet."""

    def add(self, parts: Stretch) -> bool:
        """Add parts; whether they made a point."""
        values = parts.values[self._kind]
        known = np.isfinite(values)
        coming = (values[known], parts.seq[known], parts.judged_us[known])
        values, seq, judged_us = (np.concatenate(two) for two in zip(self._rest, coming, strict=True))
        count = len(values) // self._size
        end = count * self._size
        self._rest = (values[end:], seq[end:], judged_us[end:])
        if not count:
            return False
        of = self._reference.measures.get(self._kind)
        means = (
            values[:end].reshape(count, self._size).mean(axis=1)
            if of is None
            else subgroup_means(values[:end], of.values)
        )
        firsts, lasts = slice(0, end, self._size), slice(self._size - 1, end, self._size)
        new = map(Subgroup, means.tolist(), seq[firsts].tolist(), judged_us[firsts].tolist(), judged_us[lasts].tolist())
        self.dropped = self.dropped or len(self.points) + count > (self.points.maxlen or 0)
        self.points.extend(new)
        return True
