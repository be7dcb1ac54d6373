"""A control chart as a plot: points, limits, alarms, and the first part that raised one."""

from __future__ import annotations

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


def control_plot(chart: Chart, title: str, unit: str, found: str, caption: str) -> LinePlot:
    """The chart over its points, which `unit` names: parts, or lots; found: whether it alarms, and where first."""
    positions = range(1, len(chart.values) + 1)

    def curve(values: tuple[float, ...]) -> tuple[Point, ...]:
        return tuple(thin(positions, values, _POINTS))

    lines = [
        PlotLine("points", curve(chart.values), "marks" if unit == "lots" else "line"),
        PlotLine("alarms", tuple((i + 1.0, chart.values[i]) for i in chart.alarms), "dots"),
        PlotLine("upper limit", curve(chart.high), "steps"),
        PlotLine("lower limit", curve(chart.low), "steps"),
    ]
    everything = [*chart.values, *chart.low, *chart.high]
    return LinePlot(
        title,
        found,
        tuple(lines),
        Span(unit, 0.0, float(len(chart.values))),
        Span(_SHOWS[chart.name], min(everything), max(everything)),
        caption,
    )
