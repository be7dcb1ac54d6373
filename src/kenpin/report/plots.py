"""Charts and tables as data: stored as JSON, and drawn on a page of their own or in a report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from kenpin.report.drawing import (
    Axis,
    Figure,
    Form,
    Level,
    Series,
    bar_chart,
    line_chart,
    linear_axis,
    log_axis,
    percent,
    plain,
)
from kenpin.visible import visible

Point = tuple[float, float]
_BEGIN_NUMBERS = ("", *"0123456789+-–\N{MINUS SIGN}")


@dataclass(frozen=True, slots=True)
class PlotLine:
    """A named series; `form` as of `drawing.Series`: line, steps, marks or dots."""

    name: str
    points: tuple[Point, ...]
    form: str = "line"


@dataclass(frozen=True, slots=True)
class Span:
    """Title of an axis and its least range."""

    label: str
    low: float
    high: float
    log: bool = False
    whole: bool = False
    """Whether it counts something, so that nothing lies between whole numbers."""


@dataclass(frozen=True, slots=True)
class LinePlot:
    """Lines over two axes; `described` is the text alternative."""

    title: str
    described: str
    lines: tuple[PlotLine, ...]
    x: Span
    y: Span
    caption: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    """A named share, with its interval where there is one."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class BarPlot:
    """Shares one below the other; `marks`: named limits for them."""

    title: str
    described: str
    label: str
    bars: tuple[Bar, ...]
    marks: tuple[float, ...] = ()
    caption: str = ""
    in_percent: bool = True
    to: float = 1.0
    """Where the axis ends, at least."""


@dataclass(frozen=True, slots=True)
class Table:
    """Words and numbers in rows; the first cell of a row names it."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def numeric(self) -> tuple[bool, ...]:
        """For each column, whether it holds numbers, which are aligned to the right."""
        return tuple(all(cell[:1] in _BEGIN_NUMBERS for cell in column) for column in zip(*self.rows, strict=True))


def line_figure(plot: LinePlot) -> Figure:
    """The plot as a figure."""
    series = [Series(line.name, line.points, cast(Form, line.form)) for line in plot.lines]
    points = [point for line in plot.lines for point in line.points]
    x, y = (_axis(span, [point[i] for point in points]) for i, span in enumerate((plot.x, plot.y)))
    legend = tuple(
        (f"s{i % 4 + 1}{' dot' * (curve.form == 'dots')}", curve.name) for i, curve in enumerate(series) if curve.points
    )
    chart = line_chart(plot.title, plot.described, series, x, y)
    return Figure(plot.title, chart, _told(plot), legend)


def _axis(span: Span, values: Sequence[float]) -> Axis:
    """An axis over the span and all values."""
    ends = min(span.low, *values), max(span.high, *values)
    # a logarithm has no room for what is not above 0
    if span.log and ends[0] > 0:
        return log_axis(span.label, *ends)
    return linear_axis(span.label, *ends, whole=span.whole)


def bar_figure(plot: BarPlot) -> Figure:
    """The plot as a figure."""
    ends = [end for bar in plot.bars for end in (bar.value, bar.low, bar.high) if end is not None]
    ends += plot.marks
    x = linear_axis(plot.label, min(0.0, *ends), max(plot.to, *ends), percent if plot.in_percent else plain)
    levels = [Level(bar.name, bar.value, bar.low, bar.high) for bar in plot.bars]
    chart = bar_chart(plot.title, plot.described, levels, x, plot.marks)
    return Figure(plot.title, chart, _told(plot))


def _told(plot: LinePlot | BarPlot) -> str:
    """What the plot shows and its caption; Japanese and Chinese sentences have no space between them."""
    return f"{plot.described}{'' if plot.described.endswith('。') else ' '}{plot.caption}".strip()


def as_text(table: Table) -> str:
    """The table for a terminal, numbers aligned to the right."""
    from rich.cells import cell_len  # names may be of any script

    rows = [tuple(map(visible, row)) for row in (table.head, *table.rows)]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
    lines = [visible(table.title)]
    for row in rows:
        cells = []
        for cell, width, is_number in zip(row, widths, table.numeric, strict=True):
            space = " " * (width - cell_len(cell))
            cells.append(space + cell if is_number else cell + space)
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
