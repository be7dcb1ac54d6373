"""A control chart as a plot: points, limits, alarms, and the first part that raised one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.metrics.ranking import thin
from kenpin.quality.control_charts import Chart
from kenpin.report.plots import LinePlot, PlotLine, Point, Span

_POINTS = 2_000
_SHOWS = {
    "EWMA": "deviations from the reference",
    "individuals": "value",
    "means": "deviations from the reference",
    "failures": "share of FAIL",
}
"""Title of the values of each kind of chart."""


@dataclass(frozen=True, slots=True)
class ControlWords:
    """Words of a chart."""

    points: str = "points"
    alarms: str = "alarms"
    upper: str = "upper limit"
    lower: str = "lower limit"
    values: str | None = None
    """Title of the values; None: by the kind of chart."""


def control_plot(
    chart: Chart,
    title: str,
    unit: str,
    found: str,
    caption: str,
    *,
    at: Sequence[float] | None = None,
    marked: bool | None = None,
    words: ControlWords | None = None,
) -> LinePlot:
    """The chart over its points, which `unit` names: parts, or lots; found: whether it alarms, and where first.

    at: where each point lies, rising; by default they are counted from 1. marked: whether each point has a mark, as
    points of lots have.
    """
    words = ControlWords() if words is None else words
    positions = range(1, len(chart.values) + 1) if at is None else at
    form = "marks" if (unit == "lots" if marked is None else marked) else "line"

    def curve(values: tuple[float, ...]) -> tuple[Point, ...]:
        return tuple(thin(positions, values, _POINTS))

    lines = [
        PlotLine(words.points, curve(chart.values), form),
        PlotLine(words.alarms, tuple((float(positions[i]), chart.values[i]) for i in chart.alarms), "dots"),
        PlotLine(words.upper, curve(chart.high), "steps"),
        PlotLine(words.lower, curve(chart.low), "steps"),
    ]
    everything = [*chart.values, *chart.low, *chart.high]
    first, last = (0.0, float(len(chart.values))) if at is None else (float(positions[0]), float(positions[-1]))
    return LinePlot(
        title,
        found,
        tuple(lines),
        Span(unit, first, last, whole=at is None),
        Span(words.values or _SHOWS[chart.name], min(everything), max(everything)),
        caption,
    )
