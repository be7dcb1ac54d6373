"""What each cut of the score would cost, as a chart, with the one that was chosen and what it did cost."""

from __future__ import annotations

import math

from kenpin.metrics.ranking import thin
from kenpin.quality.costs import CutCosts
from kenpin.records import Threshold
from kenpin.report.drawing import SKEWED
from kenpin.report.plots import Line, LinePlot, Point, Span


def cost_plot(
    threshold: Threshold, alone: CutCosts, with_review: CutCosts | None, realised: float | None = None
) -> LinePlot:
    """Cost per part over the cut from which parts fail: without reviews, and with the best band of them.

    realised: what the threshold cost on these parts, where it was chosen on others.
    """
    lines = [Line("without review", _curve(alone), "steps")]
    if with_review is not None:
        lines.append(Line("with the best review band", _curve(with_review), "steps"))
    at = threshold.fail_from
    for name, cost in (("chosen", threshold.expected_cost), ("realised", realised)):
        if math.isfinite(at) and cost is not None and math.isfinite(cost):
            lines.append(Line(name, ((at, cost),), "dots"))
    points = [point for line in lines for point in line.points]
    cuts = sorted([*alone.cuts[1:].tolist(), *(x for x, _ in points)])
    best = float((alone if with_review is None else with_review).least.min())
    described = f"{len(alone.cuts)} possible cuts; the least cost on these parts is {best:.4g} per part."
    if realised is not None:
        expected = "" if threshold.expected_cost is None else f"was expected to cost {threshold.expected_cost:.4g} and "
        described += f" The chosen threshold {expected}costs {realised:.4g} here."
    return LinePlot(
        "Cost of each cut",
        described,
        tuple(lines),
        Span("FAIL from this score", cuts[0], cuts[-1], log=cuts[0] > 0 and cuts[-1] > SKEWED * cuts[len(cuts) // 2]),
        Span("cost per part", 0.0, max(y for _, y in points)),
    )


def _curve(costs: CutCosts) -> tuple[Point, ...]:
    return tuple(thin(costs.cuts[1:], costs.least[1:]))  # the first cut is -inf: everything fails
