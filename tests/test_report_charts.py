"""Every point of a chart lies within its axes, whatever the numbers are, and can be seen however few there are."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kenpin.report.charts import training_figures
from kenpin.report.drawing import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, linear_axis
from kenpin.report.plots import Bar, BarPlot, LinePlot, PlotLine, Span, bar_figure, line_figure
from kenpin.report.scatter import Panel, scatter_figure
from kenpin.visible import columns

ROUNDED = 0.06  # coordinates have one digit
NUMBERS = st.one_of(
    st.floats(-1e150, 1e150),
    st.floats(-1, 1),
    st.integers(-3, 3).map(float),
    st.sampled_from([0.0, 1e-300, -1e-300, 1e-12, 1 / 3, 7.0, 7.0 + 1e-15, 1e18, 1e18 + 512]),
)
POINTS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8)


def drawn(svg: str) -> list[tuple[float, float]]:
    """Where the lines' corners and the marks' middles are."""
    marks = [(float(x), float(y)) for x, y in re.findall(r'cx="([^"]+)" cy="([^"]+)"', svg)]
    corners = [pair.split(",") for line in re.findall(r'points="([^"]*)"', svg) for pair in line.split()]
    return marks + [(float(x), float(y)) for x, y in corners]


def assert_within(svg: str, left: float = LEFT, bottom: float = HEIGHT - BOTTOM) -> None:
    found = drawn(svg)
    assert found
    for x, y in found:
        assert left - ROUNDED <= x <= WIDTH - RIGHT + ROUNDED
        assert TOP - ROUNDED <= y <= bottom + ROUNDED


@given(POINTS, st.sampled_from(["line", "steps", "marks", "dots"]), st.booleans(), NUMBERS, NUMBERS)
def test_lines_lie_within_their_axes(
    points: list[tuple[float, float]], form: str, log: bool, low: float, high: float
) -> None:
    spans = Span("x", min(low, high), max(low, high), log=log), Span("y", 0.0, 1.0)
    assert_within(line_figure(LinePlot("t", "d", (PlotLine("a", tuple(points), form),), *spans)).svg)


NAMES = st.text(st.sampled_from("aiMWß-, 傷検査员:"), min_size=1, max_size=80).filter(str.strip)


@given(st.lists(NAMES, min_size=1, max_size=4))
def test_names_of_bars_lie_within_the_chart_and_keep_both_ends(names: list[str]) -> None:
    svg = bar_figure(BarPlot("t", "d", "share", tuple(Bar(name, 0.5, 0.4, 0.6) for name in names))).svg
    found = re.findall(r'x="([^"]+)" y="[^"]+" text-anchor="end">([^<]*)<', svg)
    assert len(found) == len(names)
    for name, (x, told) in zip(names, found, strict=True):
        assert columns(told) * 6.5 <= float(x)  # of a common letter at this size
        assert float(x) < WIDTH - RIGHT - 100  # room for the bars
        assert (told[0], told[-1]) == (name[0], name[-1])


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=5), st.lists(NUMBERS, max_size=2))
def test_bars_lie_within_their_axis(ends: list[tuple[float, float]], marks: list[float]) -> None:
    bars = tuple(Bar("a", (a + b) / 2, min(a, b), max(a, b)) for a, b in ends)
    svg = bar_figure(BarPlot("t", "d", "share", bars, tuple(marks))).svg
    xs = [float(x) for x in re.findall(r'<line class="cut" x1="([^"]+)"', svg)]
    xs += [
        float(x) for path in re.findall(r'class="whisker" d="([^"]+)"', svg) for x in re.findall(r"[MH]([-\d.]+)", path)
    ]
    assert len(xs) >= 2 * len(bars)
    assert all(150 - ROUNDED <= x <= WIDTH - RIGHT + ROUNDED for x in xs)


@given(st.lists(st.tuples(st.integers(0, 10_000), NUMBERS, NUMBERS), min_size=1, max_size=6))
def test_curves_of_a_training_lie_within_their_axes(rows: list[tuple[int, float, float]]) -> None:
    logged = [{"step": step, "loss": loss, "eval_map_50": score} for step, loss, score in rows]
    for figure in training_figures(logged):
        assert_within(figure.svg)


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=8))
def test_points_in_a_plane_lie_within_it(points: list[tuple[float, float]]) -> None:
    svg = scatter_figure(Panel("t", np.array(points), ["a"] * len(points))).svg
    for x, y in drawn(svg):
        assert TOP <= x <= WIDTH - TOP
        assert TOP <= y <= WIDTH - TOP


@given(NUMBERS, NUMBERS)
@example(0.0, 5e-324)
def test_a_linear_axis_has_few_ticks_and_two_ends_whatever_it_holds(one: float, other: float) -> None:
    axis = linear_axis("", min(one, other), max(one, other))
    assert axis.low < axis.high
    assert 2 <= len(axis.ticks) <= 8
    assert list(axis.ticks) == sorted(set(axis.ticks))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_losses_of_a_short_training_can_be_seen(steps: int) -> None:
    rows: list[dict[str, Any]] = [{"step": i + 1, "loss": 1 / (i + 1), "eval_loss": 2.0} for i in range(steps)]
    (figure,) = training_figures(rows)
    marks = re.findall(r'<circle class="mark (s\d)"', figure.svg)
    assert (marks.count("s1"), marks.count("s2")) == (steps, steps)
    at_the_bottom = re.findall(r'y="292.0" text-anchor="middle">([^<]+)<', figure.svg)
    assert at_the_bottom == [str(number) for number in range(steps + 1)], "steps are whole"


def test_a_long_training_is_a_line_without_marks() -> None:
    (figure,) = training_figures([{"step": i, "loss": 1.0 / (i + 1)} for i in range(100)])
    assert "<circle" not in figure.svg


def test_scores_have_names_for_people() -> None:
    rows = [{"step": 1, "eval_map_50": 0.5, "eval_balanced_accuracy": 0.5, "eval_own_score": 0.5}]
    (figure,) = training_figures(rows)
    assert [name for _, name in figure.legend] == ["Balanced accuracy", "mAP 50", "own score"]


@pytest.mark.parametrize(("whole", "halves"), [(True, False), (False, True)])
def test_nothing_lies_between_two_lots(whole: bool, halves: bool) -> None:
    line = PlotLine("points", ((1.0, 3.0), (2.0, 4.0)), "marks")
    plot = LinePlot("Lots", "Two.", (line,), Span("lots", 0.0, 2.0, whole=whole), Span("value", 3.0, 4.0))
    assert (">1.5<" in line_figure(plot).svg) == halves
