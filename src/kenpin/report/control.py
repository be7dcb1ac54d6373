"""A control chart as a figure: the points, their limits, and where it alarms."""

from __future__ import annotations

from kenpin.metrics.ranking import thin
from kenpin.quality.control_charts import Chart
from kenpin.report.drawing import Figure, Series, line_chart, linear_axis

_POINTS = 2_000


def control_figure(chart: Chart, title: str, unit: str, caption: str) -> Figure:
    """The chart over its points, which `unit` names: parts, or lots."""
    places = range(1, len(chart.values) + 1)

    def curve(values: tuple[float, ...]) -> tuple[tuple[float, float], ...]:
        return thin(places, values, _POINTS)

    series = [
        Series("points", curve(chart.values)),
        Series("alarms", [(i + 1.0, chart.values[i]) for i in chart.alarms], "dots"),
        Series("upper limit", curve(chart.high), "steps"),
        Series("lower limit", curve(chart.low), "steps"),
    ]
    everything = [*chart.values, *chart.low, *chart.high]
    x = linear_axis(unit, 0.0, float(len(chart.values)))
    y = linear_axis("", min(everything), max(everything))
    described = f"{len(chart.values)} {unit}, {len(chart.alarms)} outside the limits."
    legend = tuple((f"s{i + 1}", one.name) for i, one in enumerate(series))
    return Figure(title, line_chart(title, described, series, x, y), f"{described} {caption}", legend)
