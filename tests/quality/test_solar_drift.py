"""Drift on real solar cells: the module type changes and the chart says so; in shuffled order it stays quiet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kenpin.demo import solar_cells
from kenpin.predictor import load_predictor
from kenpin.quality.control_charts import Chart, ewma_chart, normal_scores
from kenpin.quality.run_length import best_weight
from kenpin.report.plots import Table, as_text
from kenpin.training import train

pytestmark = pytest.mark.slow
ARL, SHIFT, SHUFFLES = 5000.0, 1.0, 200
FIRST, CHANGE, END = 841, 1455, 1908  # a stretch of monocrystalline cells, then polycrystalline ones
QUIET = 60  # cells before the change that are charted too


def test_the_chart_alarms_where_the_module_type_changes_and_not_in_shuffled_order(tmp_path: Path) -> None:
    cells = solar_cells()
    kinds = [cells[place].attributes["cell"] for place in (FIRST, CHANGE - 1, CHANGE, END - 1)]
    assert kinds == ["mono", "mono", "poly", "poly"]
    learned, reference = range(FIRST, CHANGE - QUIET, 2), range(FIRST + 1, CHANGE - QUIET, 2)
    run = train("mahalanobis", data="-", dataset=cells.select(learned), out=tmp_path / "run", report=False)
    predictor = load_predictor(run)

    def distances(places: range) -> list[float]:
        return [prediction.distance or 0.0 for prediction in predictor.predict(cells.select(places))]

    before, now = np.array(distances(reference)), np.array(distances(range(CHANGE - QUIET, END)))
    weight = best_weight(ARL, SHIFT)

    def chart(
        new: np.ndarray[tuple[int], np.dtype[np.float64]], old: np.ndarray[tuple[int], np.dtype[np.float64]]
    ) -> Chart:
        return ewma_chart(normal_scores(new, old), 0.0, 1.0, weight=weight, arl=ARL, reference=len(old))

    first = chart(now, before).alarms[0]
    assert 0 <= first - QUIET < 10
    generator = np.random.default_rng(0)
    alarmed = 0
    for _ in range(SHUFFLES):
        shuffled = generator.permutation(np.concatenate([before, now]))
        alarmed += bool(chart(shuffled[len(before) :], shuffled[: len(before)]).alarms)
    designed = 1 - (1 - 1 / ARL) ** len(now)
    rows = (
        ("file order", "1", "1", "", f"cell {QUIET + 1}: other module type", f"cell {first + 1}"),
        ("shuffled", str(SHUFFLES), str(alarmed), f"{designed * SHUFFLES:.1f}", "none", ""),
    )
    head = ("order", "charts", "that alarm", "by design", "change", "first alarm")
    print(f"\n{as_text(Table(f'EWMA of {len(now)} cells, one false alarm in {ARL:g} by design', head, rows))}")
    # three deviations of a count of as many shuffles
    assert alarmed <= SHUFFLES * designed + 3 * (SHUFFLES * designed * (1 - designed)) ** 0.5
