"""Charts as inline SVG: colours come from the page's style sheet, every chart has a title and a description."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from markupsafe import Markup

from kenpin.visible import columns, fitting
from kenpin.words import ENGLISH, Texts

Points = Sequence[tuple[float, float]]
Form = Literal["line", "steps", "marks", "dots"]

WIDTH, HEIGHT = 440, 320
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 14, 46
SKEWED = 20.0
"""Highest score over the median from which a linear axis would show one bar."""
_BINS = 32
_ROUNDING = 1e-9  # of the larger end: below it the ends of an axis are equal
_LEAST = 1e-300  # steps of less have no power of ten among the normal numbers
# of charts with a row for each name: room for these, for a letter, and a row's height
_NAMES, _MOST_LETTERS, _LETTER, _GAP, _ROW = 150.0, 34, 6.8, 10.0, 20.0


@dataclass(frozen=True, slots=True)
class Axis:
    """A range of values with its ticks; `log`: equal ratios are equal lengths."""

    label: str
    low: float
    high: float
    ticks: tuple[float, ...]
    show: Callable[[float], str]
    log: bool = False

    def fraction(self, value: float) -> float:
        """Position of a value between the ends, 0 to 1."""
        scale: Callable[[float], float] = math.log10 if self.log else float
        return (scale(value) - scale(self.low)) / (scale(self.high) - scale(self.low))


@dataclass(frozen=True, slots=True)
class Series:
    """Named points, joined by a line or by steps, each with its mark (`dots`), or both joined and marked (`marks`)."""

    name: str
    points: Points
    form: Form = "line"


@dataclass(frozen=True, slots=True)
class Change:
    """A named value that goes from one number to another."""

    name: str
    before: float
    after: float
    style: Literal["ok", "bad"]


@dataclass(frozen=True, slots=True)
class Level:
    """A named value with its interval, where there is one."""

    name: str
    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class PointGroup:
    """Named points of one style class."""

    name: str
    style: str
    points: Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart with the words around it; `legend`: (style class, name)."""

    title: str
    svg: Markup
    caption: str = ""
    legend: tuple[tuple[str, str], ...] = ()


def percent(value: float) -> str:
    """A share as a whole number of percent."""
    return f"{value * 100:.0f} %"


def plain(value: float) -> str:
    """A number with no more digits than it needs."""
    return f"{value:.6g}"


def linear_axis(
    label: str,
    low: float,
    high: float,
    show: Callable[[float], str] = plain,
    steps: int = 5,
    *,
    whole: bool = False,
) -> Axis:
    """An axis from the round number below to the round number above, in steps of 1, 2 or 5.

    Equal ends, or ends that differ by no more than rounding does, get room on both sides. whole: no step is below 1.
    """
    largest = max(abs(low), abs(high))
    if not high - low > max(largest * _ROUNDING, _LEAST):
        low, high = low - max(0.5, largest * 0.1), high + max(0.5, largest * 0.1)
    rough = max(1.0 if whole else 0.0, (high - low) / steps)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    ticks = tuple(i * step for i in range(first, last + 1))
    return Axis(label, ticks[0], ticks[-1], ticks, show)


def log_axis(label: str, low: float, high: float) -> Axis:
    """A logarithmic axis between whole powers of ten, low > 0."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    last = max(last, first + 1)
    every = max(1, (last - first) // 6)
    return Axis(label, 10.0**first, 10.0**last, tuple(10.0**i for i in range(first, last + 1, every)), plain, log=True)


UNIT = linear_axis("", 0.0, 1.0, percent)


def line_chart(
    title: str, description: str, series: Sequence[Series], x: Axis, y: Axis, *, diagonal: bool = False
) -> Markup:
    """Series over two axes; `diagonal`: a faint line from corner to corner."""
    shapes = [_path([(x.low, y.low), (x.high, y.high)], x, y, "diagonal")] if diagonal else []
    for i, line in enumerate(series):
        style = f"s{i % 4 + 1}"
        points = _steps(line.points) if line.form == "steps" else line.points
        if line.form != "dots":
            shapes.append(_path(points, x, y, f"line {style}"))
        # a line between equal points has no length
        if line.form in ("marks", "dots") or len(set(points)) == 1:
            shapes += [
                Markup('<circle class="mark {}" cx="{:.1f}" cy="{:.1f}" r="3.5"></circle>').format(
                    style, *_point(p, x, y)
                )
                for p in line.points
            ]
    return _svg(title, description, [_grid(x, y), *shapes])


def point_chart(title: str, description: str, groups: Sequence[PointGroup], x: Axis, y: Axis) -> Markup:
    """Points in a square whose axes have no numbers; each group is named at the median of its points."""
    side = WIDTH - 2 * TOP

    def place(point: Sequence[float]) -> tuple[float, float]:
        return TOP + x.fraction(point[0]) * side, TOP + (1 - y.fraction(point[1])) * side

    frame = Markup('<rect x="{}" y="{}" width="{}" height="{}" fill="none" stroke="currentColor" opacity="0.3"></rect>')
    shapes = [frame.format(TOP, TOP, side, side)]
    for group in groups:
        shapes += [
            Markup('<circle class="dot {}" cx="{:.1f}" cy="{:.1f}" r="2"></circle>').format(group.style, *place(point))
            for point in group.points
        ]
    for group in groups:
        at = place(np.median(np.asarray(group.points), axis=0).tolist())
        shapes.append(_text(at[0], at[1] + 4, group.name, "middle", "named"))
    return _svg(title, description, shapes, WIDTH)


def histogram_chart(
    title: str,
    description: str,
    ok: Sequence[float],
    defective: Sequence[float],
    x: Axis,
    *,
    review_from: float | None,
    fail_from: float | None,
    texts: Texts = ENGLISH,
) -> Markup:
    """Scores of OK parts upward and of defective parts downward, each as shares of its own kind, with the cuts."""
    edges = (np.geomspace if x.log else np.linspace)(x.low, x.high, _BINS + 1)
    shares = [
        np.histogram(np.clip(values, x.low, x.high), edges)[0] / max(1, len(values)) for values in (ok, defective)
    ]
    top = linear_axis("", 0.0, max(0.05, float(max(share.max() for share in shares))), percent, steps=2).high
    y = Axis(
        texts("share of OK parts ↑, of defective ↓"),
        -top,
        top,
        (-top, -top / 2, 0.0, top / 2, top),
        lambda v: percent(abs(v)),
    )
    zero = _y(0.0, y)
    shapes = []
    if fail_from is not None and review_from is not None:
        left, right = (_x(min(max(cut, x.low), x.high), x) for cut in (review_from, fail_from))
        shapes.append(_rectangle("band", left, TOP, right - left, HEIGHT - TOP - BOTTOM))
    for style, share, upward in (("ok", shares[0], True), ("bad", shares[1], False)):
        for low, high, value in zip(edges[:-1], edges[1:], share, strict=True):
            length = zero - _y(float(value), y)
            left, right = _x(float(low), x), _x(float(high), x)
            if length > 0:
                shapes.append(
                    _rectangle(style, left + 0.5, zero - length if upward else zero, right - left - 1.0, length)
                )
    shapes.append(
        Markup('<line class="axis" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"></line>').format(
            LEFT, WIDTH - RIGHT, zero, zero
        )
    )
    if fail_from is not None and x.low <= fail_from <= x.high:
        at = _x(fail_from, x)
        side = "end" if x.fraction(fail_from) > 0.6 else "start"
        shapes.append(
            Markup('<line class="cut" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"></line>').format(
                at, TOP, HEIGHT - BOTTOM
            )
        )
        name = texts("FAIL from %(score)s", score=f"{fail_from:.3g}")
        shapes.append(_text(at + (-5 if side == "end" else 5), TOP + 11, name, side, "strong"))
    return _svg(title, description, [_grid(x, y), *shapes])


def change_chart(title: str, description: str, changes: Sequence[Change], x: Axis) -> Markup:
    """A row for each change, from a ring to a dot."""
    rows = _Rows([change.name for change in changes], x)
    shapes = rows.grid()
    for number, change in enumerate(changes):
        y = rows.y(number)
        before, after = rows.x(change.before), rows.x(change.after)
        shapes.append(
            Markup(
                '<g class="change {}"><line x1="{before:.1f}" x2="{after:.1f}" y1="{y:.1f}" y2="{y:.1f}"></line>'
                '<circle class="before" cx="{before:.1f}" cy="{y:.1f}" r="3.5"></circle>'
                '<circle cx="{after:.1f}" cy="{y:.1f}" r="4"></circle></g>'
            ).format(change.style, before=before, after=after, y=y)
        )
    return _svg(title, description, shapes, rows.bottom + 46)


def bar_chart(title: str, description: str, levels: Sequence[Level], x: Axis, marks: Sequence[float]) -> Markup:
    """A row for each level, a bar from 0 with a whisker over its interval; `marks`: dashed lines across."""
    rows = _Rows([level.name for level in levels], x)
    shapes, zero = rows.grid(), rows.x(0.0)
    for number, level in enumerate(levels):
        y, end = rows.y(number), rows.x(level.value)
        shapes.append(_rectangle("ok", min(zero, end), y - 5, abs(end - zero), 10))
        if level.low is not None and level.high is not None:
            ends = rows.x(level.low), rows.x(level.high)
            shapes.append(
                Markup(
                    '<path class="whisker" d="M{low:.1f} {y:.1f}H{high:.1f}M{low:.1f} {top:.1f}V{base:.1f}'
                    'M{high:.1f} {top:.1f}V{base:.1f}"></path>'
                ).format(low=ends[0], high=ends[1], y=y, top=y - 4, base=y + 4)
            )
    shapes += [
        Markup('<line class="cut" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2:.1f}"></line>').format(
            rows.x(mark), TOP, rows.bottom
        )
        for mark in marks
    ]
    return _svg(title, description, shapes, rows.bottom + 46)


class _Rows:
    """Named rows over a horizontal axis."""

    def __init__(self, names: Sequence[str], axis: Axis) -> None:
        self.names, self._axis = [fitting(name, _MOST_LETTERS) for name in names], axis
        self.left = max(_NAMES, _GAP + _LETTER * max(map(columns, self.names), default=0))
        self.bottom = TOP + _ROW * len(names)

    def x(self, value: float) -> float:
        """Where a value lies."""
        return self.left + self._axis.fraction(value) * (WIDTH - self.left - RIGHT)

    def y(self, number: int) -> float:
        """The middle of a row."""
        return TOP + _ROW * (number + 0.5)

    def grid(self) -> list[Markup]:
        """Lines and numbers of the axis, and the names."""
        shapes = []
        for tick in self._axis.ticks:
            shapes.append(
                Markup('<line class="grid" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2:.1f}"></line>').format(
                    self.x(tick), TOP, self.bottom
                )
            )
            shapes.append(_text(self.x(tick), self.bottom + 18, self._axis.show(tick), "middle"))
        shapes.append(_text((self.left + WIDTH - RIGHT) / 2, self.bottom + 38, self._axis.label, "middle", "label"))
        return [*shapes, *(_text(self.left - 8, self.y(i) + 4, name, "end") for i, name in enumerate(self.names))]


def _x(value: float, axis: Axis) -> float:
    return LEFT + axis.fraction(value) * (WIDTH - LEFT - RIGHT)


def _y(value: float, axis: Axis) -> float:
    return HEIGHT - BOTTOM - axis.fraction(value) * (HEIGHT - TOP - BOTTOM)


def _point(point: tuple[float, float], x: Axis, y: Axis) -> tuple[float, float]:
    return _x(point[0], x), _y(point[1], y)


def _steps(points: Points) -> Points:
    """Hold each value until the next point: what lies between two thresholds is not a straight mixture of both."""
    corners = [(point[0], before[1]) for before, point in pairwise(points)]
    return [point for pair in zip(points, [*corners, points[-1]], strict=True) for point in pair] if points else []


def _path(points: Points, x: Axis, y: Axis, style: str) -> Markup:
    line = " ".join(f"{px:.1f},{py:.1f}" for px, py in (_point(point, x, y) for point in points))
    return Markup('<polyline class="{}" points="{}"></polyline>').format(style, line)


def _rectangle(style: str, x: float, y: float, width: float, height: float) -> Markup:
    return Markup('<rect class="{}" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}"></rect>').format(
        style, x, y, max(0.0, width), height
    )


def _text(x: float, y: float, words: str, anchor: str, style: str = "") -> Markup:
    return Markup('<text class="{}" x="{:.1f}" y="{:.1f}" text-anchor="{}">{}</text>').format(
        style, x, y, anchor, words
    )


def _grid(x: Axis, y: Axis) -> Markup:
    bottom, right = HEIGHT - BOTTOM, WIDTH - RIGHT
    parts = []
    for tick in y.ticks:
        at = _y(tick, y)
        parts.append(
            Markup('<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"></line>').format(LEFT, right, at, at)
        )
        parts.append(_text(LEFT - 7, at + 4, y.show(tick), "end"))
    for tick in x.ticks:
        at = _x(tick, x)
        parts.append(
            Markup('<line class="tick" x1="{0:.1f}" x2="{0:.1f}" y1="{1}" y2="{2}"></line>').format(
                at, bottom, bottom + 4
            )
        )
        parts.append(_text(at, bottom + 18, x.show(tick), "middle"))
    parts.append(
        Markup('<line class="axis" x1="{}" x2="{}" y1="{}" y2="{}"></line>').format(LEFT, right, bottom, bottom)
    )
    parts.append(_text((LEFT + right) / 2, HEIGHT - 8, x.label, "middle", "label"))
    parts.append(
        Markup('<text class="label" transform="translate(13 {}) rotate(-90)" text-anchor="middle">{}</text>').format(
            (TOP + bottom) / 2, y.label
        )
    )
    return Markup("").join(parts)


def _svg(title: str, description: str, shapes: Sequence[Markup], height: float = HEIGHT) -> Markup:
    return Markup(
        '<svg role="img" viewBox="0 0 {} {}" aria-label="{}"><title>{}</title><desc>{}</desc>{}</svg>'
    ).format(WIDTH, height, f"{title}. {description}", title, description, Markup("").join(shapes))
