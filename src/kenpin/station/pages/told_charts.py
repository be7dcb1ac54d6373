"""Control charts as a page shows them: sentences on what runs and what to do, and figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from kenpin.report.control import ControlWords, control_plot
from kenpin.report.plots import line_figure
from kenpin.station.monitoring.charts import ControlChart
from kenpin.station.monitoring.stretches import Charted
from kenpin.station.monitoring.watching import Watched
from kenpin.words import Texts

_SHOWN_POINTS = 200
_SMALL_POINTS = 60


@dataclass(frozen=True, slots=True)
class ToldAlarm:
    """An alarm in sentences."""

    what: str
    todo: str
    since_us: int
    may_be_older: bool
    parts: int
    """Since it runs."""
    key: str | None
    """Of its first part."""


@dataclass(frozen=True, slots=True)
class ToldChart:
    """A chart with its words."""

    title: str
    svg: Markup
    legend: Sequence[tuple[str, str]]
    parts_a_point: int
    since_us: int | None
    """Since when its alarm runs."""
    may_be_older: bool
    found: str
    is_level: bool
    first_us: int
    """When the first part that is shown was judged."""
    last_us: int


def told_alarm(words: Texts, chart: ControlChart, key: str | None) -> ToldAlarm | None:
    """The alarm of a chart; None where none runs. key: of the part with which it began."""
    began = chart.began
    if began is None or chart.since is None:
        return None
    high, low, todo = _sentences(words)[chart.kind]
    return ToldAlarm(
        what=high if chart.is_high else low,
        todo=todo,
        since_us=began.first_us,
        may_be_older=chart.may_be_older,
        parts=(len(chart.points) - chart.since) * chart.parts_a_point,
        key=key,
    )


def told_charts(words: Texts, watched: Watched) -> list[ToldChart]:
    """All charts of a line that have a point."""
    return [_told(words, one, _SHOWN_POINTS) for one in watched.charts if one.points]


def small_chart(words: Texts, watched: Watched) -> ToldChart | None:
    """The chart that alarms, else the first one, with its last points."""
    charts = [one for one in ([watched.alarm] if watched.alarm else watched.charts) if one.points]
    return _told(words, charts[0], _SMALL_POINTS) if charts else None


def chart_titles(words: Texts) -> dict[Charted, str]:
    """What each chart is of."""
    return {
        Charted.DISTANCE: words("Distance from good parts"),
        Charted.SCORE: words("Score"),
        Charted.FAIL: words("Share of FAIL"),
        Charted.REVIEW: words("Share of REVIEW"),
        Charted.BRIGHTNESS: words("Brightness of the pictures"),
        Charted.CONTRAST: words("Contrast of the pictures"),
        Charted.SHARPNESS: words("Sharpness of the pictures"),
    }


def _told(words: Texts, chart: ControlChart, points: int) -> ToldChart:
    shown = chart.last(points)
    size = chart.parts_a_point
    title = chart_titles(words)[chart.kind]
    alarm = told_alarm(words, chart, None)
    found = words("No alarm runs.") if alarm is None else alarm.what
    plot = control_plot(
        shown.chart,
        title,
        words("parts before the last one"),
        found,
        "",
        at=[size * (place + 1.0 - len(shown.points)) for place in range(len(shown.points))],
        marked=chart.kind.is_share,
        words=ControlWords(
            words("points"),
            words("outside the limits"),
            words("upper limit"),
            words("lower limit"),
            words("share of parts") if chart.kind.is_share else words("deviations from the reference"),
        ),
    )
    figure = line_figure(plot)
    since = None if chart.began is None else chart.began.first_us
    return ToldChart(
        title, figure.svg, figure.legend, size, since, chart.may_be_older, found, chart.is_level,
        shown.points[0].first_us, shown.points[-1].last_us,
    )  # fmt: skip


def _sentences(words: Texts) -> dict[Charted, tuple[str, str, str]]:
    """Of each chart: what it means above and below its limits, and what to do."""
    parts = words("Look at the last parts: if they are as they should be, check camera and lamp, else the process.")
    light = words("Check the lamp for age and dirt, the exposure, and light from elsewhere.")
    lens = words("Check focus and lens, the distance of the part, and whether anything shakes or is dirty.")
    return {
        Charted.DISTANCE: (
            words("Parts lie farther from good ones than in the reference"),
            words("Parts lie nearer to good ones than in the reference"),
            parts,
        ),
        Charted.SCORE: (
            words("Scores are higher than in the reference"),
            words("Scores are lower than in the reference"),
            parts,
        ),
        Charted.FAIL: (
            words("More parts fail than in the reference"),
            words("Fewer parts fail than in the reference"),
            words("Review some of the parts: either the process changed, or the line judges otherwise than before."),
        ),
        Charted.REVIEW: (
            words("More parts need a person than in the reference"),
            words("Fewer parts need a person than in the reference"),
            words("Look at the reasons of the last parts at REVIEW; files that are no pictures are among them."),
        ),
        Charted.BRIGHTNESS: (
            words("Pictures are brighter than in the reference"),
            words("Pictures are darker than in the reference"),
            light,
        ),
        Charted.CONTRAST: (
            words("Pictures have more contrast than in the reference"),
            words("Pictures have less contrast than in the reference"),
            light,
        ),
        Charted.SHARPNESS: (
            words("Pictures are sharper than in the reference"),
            words("Pictures are less sharp than in the reference"),
            lens,
        ),
    }  # fmt: skip
