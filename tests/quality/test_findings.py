"""What judge, gage and drift find comes back from their JSON and stands in a run's report, drawn and escaped."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from kenpin.errors import DatasetError
from kenpin.quality.control_charts import Chart
from kenpin.quality.costs import cut_costs
from kenpin.quality.threshold import threshold_from_costs
from kenpin.report.control import control_plot
from kenpin.report.cost_curve import cost_plot
from kenpin.report.findings import Findings, findings_to_json, read_findings, write_findings
from kenpin.report.plots import Bar, BarPlot, LinePlot, PlotLine, Span, Table, as_text
from kenpin.training import train
from tests.commands import Run
from tests.quality.test_commands import write_manual, write_predictions, write_scores

NASTY = "<b>傷</b>"
FOUND = Findings(
    "drift",
    NASTY,
    (f"Something drifted at {NASTY}.",),
    (
        LinePlot(
            "Chart", "Two points.", (PlotLine(NASTY, ((0.0, 1.0), (1.0, 2.0))),), Span(NASTY, 0, 1), Span("", 0, 2)
        ),
    ),
    (BarPlot("Bars", "One bar.", NASTY, (Bar(NASTY, 0.5, 0.25, None), Bar("b", -0.5)), (0.1,)),),
    (Table(NASTY, ("", "n"), ((NASTY, "1"), ("b", "12"))),),
)


def test_findings_survive_their_file(tmp_path: Path) -> None:
    path = tmp_path / "found.json"
    path.write_text(json.dumps(findings_to_json(FOUND), ensure_ascii=False, allow_nan=False), "utf-8")
    assert read_findings([path]) == (FOUND,)


def test_their_page_escapes_what_it_is_told(tmp_path: Path) -> None:
    page = write_findings(FOUND, tmp_path / "page.html").read_text("utf-8")
    assert NASTY not in page
    assert page.count("&lt;b&gt;傷&lt;/b&gt;") >= 6
    assert page.count("<svg") == 2


def test_a_table_for_the_terminal_puts_numbers_to_the_right() -> None:
    assert as_text(FOUND.tables[0]).splitlines() == [NASTY, "            n", f"{NASTY}   1", "b          12"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "holds no findings"),
        ('{"judged": []}', "holds no findings"),
        ('{"form": "kenpin findings 0"}', "holds no findings"),
        ('{"form": "kenpin findings 1", "kind": "gage"}', "is damaged"),
    ],
)
def test_what_holds_no_findings_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    path = tmp_path / "found.json"
    path.write_text(text)
    with pytest.raises(DatasetError, match=rf"found\.json: {sentence}; give what `kenpin judge`"):
        read_findings([path])


def test_the_chosen_cuts_and_what_they_cost_are_marked() -> None:
    scores, defective = [0.1, 0.2, 0.6, 0.4, 0.9], [False, False, False, True, True]
    prices = {"cost_escape": 10.0, "cost_overkill": 1.0}
    cut = threshold_from_costs(scores, defective, **prices, cost_review=0.2, basis="five parts")
    costs = cut_costs(scores, defective, **prices), cut_costs(scores, defective, **prices, cost_review=0.2)
    plot = cost_plot(cut, *costs, realised=0.5)
    assert plot.lines[-2].points == ((cut.review_from, cut.expected_cost), (cut.fail_from, cut.expected_cost))
    assert plot.lines[-1] == PlotLine("realised", ((cut.review_from or 0.0, 0.5), (cut.fail_from, 0.5)), "marks")
    assert plot.described.endswith("costs 0.5 here. Parts between the two marks are reviewed.")
    assert all(min(y for _, y in line.points) >= plot.y.low for line in plot.lines)
    nothing_passes = replace(cut, fail_from=-math.inf, review_from=-math.inf)
    assert [line.name for line in cost_plot(nothing_passes, *costs).lines] == ["without review", plot.lines[1].name]


def test_a_chart_marks_its_alarms() -> None:
    chart = Chart("failures", (0.1, 0.5, 0.9), 0.2, (0.0, 0.0, 0.0), (0.4, 0.6, 0.8))
    plot = control_plot(chart, "Share", "lots", "ALARM", "By design.")
    assert plot.lines[1] == PlotLine("alarms", ((3.0, 0.9),), "dots")
    assert plot.y.label == "share of FAIL"


def test_everything_stands_in_the_one_report(kenpin: Run, parts: Path) -> None:
    train("classifier", data=str(parts), out=Path("run"), base="toy", report=False)
    assert kenpin("report", "run", "--out", "alone.html")[0] == 0
    alone = Path("alone.html").read_text("utf-8")
    assert "What decisions cost" in alone
    assert "possible cut" in alone
    write_scores()
    write_manual(Path("study.csv"))
    write_predictions(Path("before.json"), np.random.default_rng(0).gamma(4, 0.25, 200))
    write_predictions(Path("now.json"), 3 + np.random.default_rng(1).gamma(4, 0.25, 100))
    assert kenpin("judge", "said.csv", "--truth", "truth.csv", "--cost-review", "0.3", "--json", "judge.json")[0] == 0
    assert kenpin("gage", "study.csv", "--json", "gage.json", "--out", "gage.html")[0] == 0
    assert kenpin("drift", "now.json", "--reference", "before.json", "--json", "drift.json")[0] == 1
    status, _, err = kenpin("report", "run", "--with", "judge.json", "gage.json", "drift.json", "--out", "all.html")
    assert (status, err) == (0, "")
    page = Path("all.html").read_text("utf-8")
    assert page.count("<svg") == alone.count("<svg") + 1 + 3 + 3
    for words in (
        "FAIL from 0.665",
        "0 of 3 defective parts escaped",
        "%GRR 27.9",
        "Fleiss’ kappa",
        "first seen at now000",
    ):
        assert words in page
    assert kenpin("report", "run", "--with", "now.json", "--out", "none.html")[0] == 2
    assert not Path("none.html").exists()
    assert kenpin("gage", "study.csv", "--json", "gage.json")[0] == 2  # it is there
