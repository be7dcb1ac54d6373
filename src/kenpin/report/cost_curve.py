"""The cost of each cut of the score as a chart, with the chosen cut and its cost."""

from __future__ import annotations

import math

from kenpin.metrics.ranking import thin
from kenpin.quality.costs import CutCosts
from kenpin.records import Threshold
from kenpin.report.drawing import SKEWED
from kenpin.report.plots import LinePlot, PlotLine, Point, Span
from kenpin.words import ENGLISH, Texts


def cost_plot(
    threshold: Threshold,
    alone: CutCosts,
    with_review: CutCosts | None,
    realised: float | None = None,
    where: str = "here",
    texts: Texts = ENGLISH,
) -> LinePlot:
    """Cost per part over the cut from which parts fail: without reviews, and with the best band of them.

    realised: cost of the threshold on parts that it was not chosen on, which `where` names in the language of `texts`;
    "here" for those of the curves.
    """
    lines = [PlotLine(texts("without review"), _curve(alone), "steps")]
    if with_review is not None:
        lines.append(PlotLine(texts("with the best review band"), _curve(with_review), "steps"))
    # a band of reviews is a line from where it begins to where parts fail
    cuts = [cut for cut in (threshold.review_from, threshold.fail_from) if cut is not None and math.isfinite(cut)]
    chosen = texts("chosen") if realised is None else texts("chosen, as expected")
    for name, cost in ((chosen, threshold.expected_cost), (texts("realised"), realised)):
        if cuts and cost is not None:
            points = tuple((cut, cost) for cut in dict.fromkeys(cuts))
            lines.append(PlotLine(name, points, "marks" if len(points) > 1 else "dots"))
    xs = sorted(x for line in lines for x, _ in line.points)
    highest = max(y for line in lines for _, y in line.points)
    best = float((alone if with_review is None else with_review).least.min())
    sentences = [
        texts.count(
            "%(count)s possible cut; the least cost on these parts is %(best)s per part.",
            "%(count)s possible cuts; the least cost on these parts is %(best)s per part.",
            len(alone.cuts),
            best=f"{best:.4g}",
        )
    ]
    if realised is not None:
        values = {"realised": f"{realised:.4g}", "where": texts("here") if where == "here" else where}
        if threshold.expected_cost is None:
            sentences.append(texts("The chosen threshold costs %(realised)s %(where)s.", **values))
        else:
            expected = f"{threshold.expected_cost:.4g}"
            sentences.append(
                texts(
                    "The chosen threshold was expected to cost %(expected)s and costs %(realised)s %(where)s.",
                    expected=expected,
                    **values,
                )
            )
    if len(set(cuts)) > 1:
        sentences.append(texts("Parts between the two marks are reviewed."))
    return LinePlot(
        texts("Cost of each cut"),
        texts.in_a_row(sentences),
        tuple(lines),
        Span(texts("FAIL from this score"), xs[0], xs[-1], log=xs[0] > 0 and xs[-1] > SKEWED * xs[len(xs) // 2]),
        Span(texts("cost per part"), 0.0, highest),
    )


def _curve(costs: CutCosts) -> tuple[Point, ...]:
    return tuple(thin(costs.cuts[1:], costs.least[1:]))  # the first cut is -inf: all parts fail
