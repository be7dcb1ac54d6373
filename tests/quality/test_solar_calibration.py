"""Calibration on real solar cells: stated probabilities come true more nearly, and no decision changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.data.splitting import split_by_ratio
from kenpin.demo import solar_cells
from kenpin.files import read_json
from kenpin.records import Evaluation
from kenpin.records_json import evaluation_from_json
from kenpin.report.plots import Table, as_text
from kenpin.report.words import interval, value
from kenpin.training import train

pytestmark = pytest.mark.slow


def test_a_linear_heads_probabilities_become_meant_and_its_decisions_stay(tmp_path: Path) -> None:
    every_third = solar_cells().select(range(0, 2329, 3))
    cells = split_by_ratio(every_third, {"train": 0.34, "validation": 0.33, "test": 0.33}, seed=0)

    def tested(method: str) -> Evaluation:
        run = train(
            "classifier", data="-", dataset=cells, out=tmp_path / method, head="linear", calibrate=method, report=False
        )
        return evaluation_from_json(read_json(run / "evaluation.json"))

    found = {method: tested(method) for method in ("none", "isotonic", "platt")}
    names = ("calibration_error", "auroc", "cost_per_part")
    rows = [
        (method, *(f"{value(name, one.measures[name].value)} ({interval(name, one.measures[name])})" for name in names))
        for method, one in found.items()
    ]
    title = f"Linear head on {len(cells.of_split('test'))} cells held out"
    print(f"\n{as_text(Table(title, ('calibrate', 'calibration error', 'AUROC', 'cost per cell'), tuple(rows)))}")
    plain = found["none"]
    before = plain.measures["calibration_error"]
    assert before.low is not None
    for method in ("isotonic", "platt"):
        one = found[method]
        error = one.measures["calibration_error"].value
        assert error is not None
        assert error < before.low
        assert one.measures["calibration_error_before"].value == pytest.approx(before.value)
        assert one.measures["auroc"].value == pytest.approx(plain.measures["auroc"].value)
        assert [part.verdict for part in one.judged] == [part.verdict for part in plain.judged]
