"""The cost of each cut of the score as a chart, with the chosen cut and its cost."""

from __future__ import annotations

import math

from kenpin.metrics.ranking import thin
from kenpin.plural import counted
from kenpin.quality.costs import CutCosts
from kenpin.records import Threshold
from kenpin.report.drawing import SKEWED
from kenpin.report.plots import LinePlot, PlotLine, Point, Span


def cost_plot(
    threshold: Threshold,
    alone: CutCosts,
    with_review: CutCosts | None,
    realised: float | None = None,
    where: str = "here",
) -> LinePlot:
    """Cost per part over the cut from which parts fail: without reviews, and with the best band of them.

    realised: cost of the threshold on parts that it was not chosen on, which `where` names; "here" for those of the
    curves.
    """
    lines = [PlotLine("without review", _curve(alone), "steps")]
    if with_review is not None:
        lines.append(PlotLine("with the best review band", _curve(with_review), "steps"))
    # a band of reviews is a line from where it begins to where parts fail
    cuts = [cut for cut in (threshold.review_from, threshold.fail_from) if cut is not None and math.isfinite(cut)]
    chosen = "chosen" if realised is None else "chosen, as expected"
    for name, cost in ((chosen, threshold.expected_cost), ("realised", realised)):
        if cuts and cost is not None:
            points = tuple((cut, cost) for cut in dict.fromkeys(cuts))
            lines.append(PlotLine(name, points, "marks" if len(points) > 1 else "dots"))
    xs = sorted(x for line in lines for x, _ in line.points)
    highest = max(y for line in lines for _, y in line.points)
    best = float((alone if with_review is None else with_review).least.min())
    described = f"{counted(len(alone.cuts), 'possible cut')}; the least cost on these parts is {best:.4g} per part."
    if realised is not None:
        expected = "" if threshold.expected_cost is None else f"was expected to cost {threshold.expected_cost:.4g} and "
        described += f" The chosen threshold {expected}costs {realised:.4g} {where}."
    if len(set(cuts)) > 1:
        described += " Parts between the two marks are reviewed."
    return LinePlot(
        "Cost of each cut",
        described,
        tuple(lines),
        Span("FAIL from this score", xs[0], xs[-1], log=xs[0] > 0 and xs[-1] > SKEWED * xs[len(xs) // 2]),
        Span("cost per part", 0.0, highest),
    )


def _curve(costs: CutCosts) -> tuple[Point, ...]:
    return tuple(thin(costs.cuts[1:], costs.least[1:]))  # the first cut is -inf: all parts fail
