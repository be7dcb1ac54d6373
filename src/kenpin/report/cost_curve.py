"""What each cut of the score would cost, as a figure, with the one that was chosen."""

from __future__ import annotations

import numpy as np

from kenpin.metrics.ranking import Curve, thin
from kenpin.quality.costs import CutCosts
from kenpin.records import Threshold
from kenpin.report.drawing import Figure, Series, line_chart, linear_axis


def cost_figure(threshold: Threshold, alone: CutCosts, with_review: CutCosts | None) -> Figure:
    """Expected cost per part over the cut from which parts fail: without reviews, and with the best band of them."""
    series = [Series("without review", _curve(alone), "steps")]
    if with_review is not None:
        series.append(Series("with the best review band", _curve(with_review), "steps"))
    if np.isfinite(threshold.fail_from) and threshold.expected_cost is not None:
        series.append(Series("chosen", [(threshold.fail_from, threshold.expected_cost)], "dots"))
    points = [point for one in series for point in one.points]
    x = linear_axis("FAIL from this score", min(p[0] for p in points), max(p[0] for p in points))
    y = linear_axis("expected cost per part", 0.0, max(p[1] for p in points))
    described = f"{len(alone.cuts)} possible cuts; the least cost is {threshold.expected_cost:.4g} per part."
    legend = tuple((f"s{i + 1}", one.name) for i, one in enumerate(series))
    return Figure("Cost of each cut", line_chart("Cost of each cut", described, series, x, y), described, legend)


def _curve(costs: CutCosts) -> Curve:
    return thin(costs.cuts[1:], costs.least[1:])  # the first cut is -inf: everything fails
