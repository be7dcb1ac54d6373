"""The charts of a run's results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kenpin.evaluation.measures import MEASURES
from kenpin.quality.costs import cut_costs, realised_cost
from kenpin.records import Evaluation, JudgedExample
from kenpin.report import words
from kenpin.report.cost_curve import cost_plot
from kenpin.report.drawing import (
    SKEWED,
    UNIT,
    Axis,
    Figure,
    Series,
    histogram_chart,
    line_chart,
    linear_axis,
    log_axis,
    percent,
    plain,
)
from kenpin.report.plots import line_figure
from kenpin.words import ENGLISH, Texts

_LINES = 4  # lines in one chart: the number of line styles
_LARGEST_COST = 1e100  # sums of larger ones have no axis
_MARKED = 12  # most points of a training that get marks
_CURVES = 24  # classes with a curve; the table holds all


def evaluation_figures(evaluations: Mapping[str, Evaluation], texts: Texts = ENGLISH) -> tuple[Figure, ...]:
    """Score histogram of the leading evaluation, then the curves of all evaluations over each other."""
    leading = next(iter(evaluations.values()))
    figures = [_histogram(leading, texts)]
    for name, title, x, y, form, caption in (
        ("roc", texts("ROC curve"), texts("OK parts alarmed"), texts("defective parts detected"), "line",
         texts("Up and left is better.")),
        ("precision_recall", texts("Precision and recall"), texts("defective parts detected"),
         texts("alarms that are right"), "steps", texts("Up and right is better.")),
    ):  # fmt: skip
        series = [
            Series(run, evaluation.curves[name], form)  # type: ignore[arg-type]
            for run, evaluation in evaluations.items()
            if evaluation.curves.get(name)
        ]
        if series:
            figures.append(_unit_figure(title, series, x, y, caption, texts, diagonal=name != "precision_recall"))
    figures.append(_reliability(evaluations, texts))
    return tuple(figure for figure in figures if figure is not None)


def _reliability(evaluations: Mapping[str, Evaluation], texts: Texts) -> Figure | None:
    """Stated probabilities beside observed rates, also as they were before they were calibrated."""
    series, errors = [], []
    for run, evaluation in evaluations.items():
        for suffix, name in (("", run), ("_before", texts("%(run)s, before calibration", run=run))):
            curve, error = (
                evaluation.curves.get(f"reliability{suffix}"),
                evaluation.measures.get(f"calibration_error{suffix}"),
            )
            if curve and error is not None:
                series.append(Series(name, curve, "marks"))
                shown = words.value("calibration_error", error.value)
                if span := words.interval("calibration_error", error, texts):
                    shown = texts("%(value)s (%(interval)s)", value=shown, interval=span)
                errors.append(texts("%(name)s: %(value)s", name=name, value=shown))
    if not series:
        return None
    caption = texts(
        "On the diagonal the stated probability equals the observed rate. Calibration error with its two-sided "
        "95 %% interval: %(errors)s.",
        errors=texts("; ").join(errors),
    )
    x, y = texts("stated probability of a defect"), texts("observed rate")
    return _unit_figure(texts("Reliability"), series, x, y, words.bound(caption), texts, diagonal=True)


def cost_figure(evaluation: Evaluation, texts: Texts = ENGLISH) -> Figure | None:
    """Cost of each cut on the judged pictures, and of the chosen threshold; None without costs."""
    threshold = evaluation.threshold
    known = [
        (score, part.defective, part.verdict)
        for part in evaluation.judged
        if (score := part.prediction.defect_score) is not None
        and np.isfinite(score)
        and part.defective is not None
        and part.verdict is not None
    ]
    if threshold is None or threshold.cost_escape is None or threshold.cost_overkill is None:
        return None
    costs = (threshold.cost_escape, threshold.cost_overkill, threshold.cost_review, threshold.expected_cost)
    if not all(cost is None or abs(cost) <= _LARGEST_COST for cost in costs):
        return None
    if len({defective for _, defective, _ in known}) < 2:
        return None
    scores, defective, verdicts = zip(*known, strict=True)
    prices = {name: getattr(threshold, name) for name in ("cost_escape", "cost_overkill", "defect_rate")}
    review = threshold.cost_review
    alone = cut_costs(scores, defective, **prices)
    with_review = None if review is None else cut_costs(scores, defective, cost_review=review, **prices)
    realised = realised_cost(verdicts, defective, cost_review=review, **prices)
    return line_figure(cost_plot(threshold, alone, with_review, realised, texts=texts))


def box_figures(evaluation: Evaluation, texts: Texts = ENGLISH) -> tuple[Figure, ...]:
    """Precision over recall of each class's boxes, the worst classes first, then the reliability of their scores."""
    worst_first = sorted(
        ((label, scores) for label, scores in evaluation.per_class.items() if scores.curve),
        key=lambda pair: pair[1].average_precision_50 or 0.0,
    )
    charts = [worst_first[i : i + _LINES] for i in range(0, min(len(worst_first), _CURVES), _LINES)]
    figures = [
        _unit_figure(
            texts("Precision and recall of boxes")
            if len(charts) == 1
            else texts("Precision and recall of boxes, %(number)s of %(all)s", number=number, all=len(charts)),
            [Series(label, scores.curve, "steps") for label, scores in chart],
            texts("true boxes found"),
            texts("boxes drawn that are right"),
            texts("Each class at every score cut, with an overlap of one half. Up and right is better."),
            texts,
        )
        for number, chart in enumerate(charts, 1)
    ]
    if reliability := evaluation.curves.get("box_reliability"):
        caption = texts("On the diagonal the score equals the share of boxes that are right.")
        series = [Series(texts("boxes"), reliability, "marks")]
        figures.append(
            _unit_figure(
                texts("Reliability of the scores"),
                series,
                texts("score"),
                texts("boxes that are right"),
                caption,
                texts,
                diagonal=True,
            )
        )
    return tuple(figures)


def _unit_figure(
    title: str, series: Sequence[Series], x: str, y: str, caption: str, texts: Texts, *, diagonal: bool = False
) -> Figure:
    """Curves in the unit square."""
    described = texts("; ").join(
        texts.count("%(name)s: %(count)s point", "%(name)s: %(count)s points", len(line.points), name=line.name)
        for line in series
    )
    axes = Axis(x, 0.0, 1.0, UNIT.ticks, percent), Axis(y, 0.0, 1.0, UNIT.ticks, percent)
    chart = line_chart(title, described, series, *axes, diagonal=diagonal)
    return Figure(title, chart, caption, _legend(series))


def training_figures(rows: Sequence[Mapping[str, Any]], texts: Texts = ENGLISH) -> tuple[Figure, ...]:
    """Losses and validation measures of a training, over the steps."""
    by = "step" if any(_number(row.get("step")) is not None for row in rows) else "epoch"
    figures = []
    for of_loss, names in (
        (True, ("loss", "eval_loss")),
        (False, tuple(sorted({key for row in rows for key in row if _is_score(key)}))),
    ):
        series = [line for name in names if (line := _series(name, rows, by, texts)).points]
        if series:
            values = [point for line in series for point in line.points]
            title = texts("Loss") if of_loss else texts("Validation scores")
            steps = texts("step") if by == "step" else texts("epoch")
            x = linear_axis(steps, 0.0, max(px for px, _ in values), plain, whole=by == "step")
            lowest, highest = min(py for _, py in values), max(py for _, py in values)
            if of_loss:
                lowest = min(0.0, lowest)
            elif lowest == highest and 0 <= lowest <= 1:
                lowest, highest = 0.0, 1.0  # a constant share: its range is known
            y = linear_axis("", lowest, highest, plain)
            ends = texts("; ").join(
                texts("%(name)s ends at %(value)s", name=line.name, value=f"{line.points[-1][1]:.4g}")
                for line in series
            )
            caption = texts("%(sentence)s.", sentence=ends)
            figures.append(Figure(title, line_chart(title, ends, series, x, y), caption, _legend(series)))
    return tuple(figures)


def _histogram(evaluation: Evaluation, texts: Texts) -> Figure | None:
    ok, defective = (_scores(evaluation.judged, side) for side in (False, True))
    if not ok and not defective:
        return None
    values = np.array([*ok, *defective])
    cut = evaluation.threshold
    cuts = [at for at in (cut.fail_from, cut.review_from) if at is not None and np.isfinite(at)] if cut else []
    everything = np.array([*values, *cuts])
    label = texts("defect score")
    if values.min() >= 0 and values.max() <= 1:
        x = Axis(label, 0.0, 1.0, UNIT.ticks, plain)
    elif everything.min() > 0 and values.max() > SKEWED * np.median(values):
        x = log_axis(label, float(everything.min()), float(everything.max()))
    else:
        x = linear_axis(label, float(everything.min()), float(everything.max()))
    cut_text = texts("no threshold was given")
    if cut is not None:
        cut_text = texts("FAIL from %(score)s", score=words.score(cut.fail_from, texts))
        if cut.review_from is not None:
            cut_text = texts(
                "%(fail)s, review from %(score)s", fail=cut_text, score=words.score(cut.review_from, texts)
            )
    title = texts("Scores of OK and defective parts")
    chart = histogram_chart(
        title,
        texts(
            "%(ok)s upward, %(defective)s downward; %(cut)s.",
            ok=texts.count("%(count)s OK part", "%(count)s OK parts", len(ok)),
            defective=texts.count("%(count)s defective part", "%(count)s defective parts", len(defective)),
            cut=cut_text,
        ),
        ok,
        defective,
        x,
        review_from=cut.review_from if cut else None,
        fail_from=cut.fail_from if cut else None,
        texts=texts,
    )
    legend = [
        ("ok", texts("%(number)s OK", number=len(ok))),
        ("bad", texts("%(number)s defective", number=len(defective))),
    ]
    if cut is not None and cut.review_from is not None:
        legend.append(("band", texts("review")))
    caption = texts("%(sentence)s.", sentence=f"{cut_text[0].upper()}{cut_text[1:]}")
    return Figure(title, chart, caption, tuple(legend))


def _scores(judged: Sequence[JudgedExample], defective: bool) -> list[float]:
    scores = [part.prediction.defect_score for part in judged if part.defective is defective]
    return [score for score in scores if score is not None and np.isfinite(score)]


def _legend(series: Sequence[Series]) -> tuple[tuple[str, str], ...]:
    return tuple((f"s{i % 4 + 1}", line.name) for i, line in enumerate(series))


def _series(name: str, rows: Sequence[Mapping[str, Any]], by: str, texts: Texts) -> Series:
    pairs = [(_number(row.get(by)), _number(row.get(name))) for row in rows]
    points = [(x, y) for x, y in pairs if x is not None and y is not None]
    measure = name.removeprefix("eval_")
    if measure in MEASURES:
        title = texts(MEASURES[measure].title)
    else:
        losses = {"loss": texts("training"), "eval_loss": texts("validation")}
        title = losses.get(name) or measure.replace("_", " ")
    # a short training has too few points to be seen as a line
    return Series(title, points, "marks" if len(points) <= _MARKED else "line")


_TIMINGS = ("_runtime", "_per_second", "_loss", "_time")


def _is_score(key: str) -> bool:
    return key.startswith("eval_") and not key.endswith(_TIMINGS)


def _number(value: object) -> float | None:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and np.isfinite(value)
    return float(value) if usable else None  # type: ignore[arg-type]
