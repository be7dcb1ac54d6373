"""Costs on real solar cells: what a threshold was expected to cost is what it does cost on cells held out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.splitting import split_by_ratio
from kenpin.demo import solar_cells
from kenpin.predictor import load_predictor
from kenpin.quality.bounds import at_most
from kenpin.quality.costs import realised_cost
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.report.plots import Table, as_text
from kenpin.report.words import percent_at_most
from kenpin.training import train

pytestmark = pytest.mark.slow
RESAMPLES = 300


def test_three_cost_ratios_cost_as_expected_on_cells_held_out(tmp_path: Path) -> None:
    every_second = solar_cells().select(range(0, 2329, 2))
    cells = split_by_ratio(every_second, {"train": 0.34, "validation": 0.33, "test": 0.33}, seed=0)
    run = train("mahalanobis", data="-", dataset=cells.of_split("train"), out=tmp_path / "run", report=False)
    predictor = load_predictor(run)

    def judged(part: Dataset) -> tuple[list[float], list[bool]]:
        scores = [prediction.distance or 0.0 for prediction in predictor.predict(part)]
        return scores, [label == "defective" for label in part.column("label")]

    (scores, defective), (test_scores, test_defective) = (
        judged(cells.of_split(name)) for name in ("validation", "test")
    )
    generator = np.random.default_rng(0)
    rows = []
    for escape in (5.0, 20.0, 100.0):
        prices = {"cost_escape": escape, "cost_overkill": 1.0, "defect_rate": 0.1}
        threshold = threshold_from_costs(scores, defective, **prices, basis="validation cells")
        verdicts = np.array([verdict_of(score, threshold) for score in test_scores])
        truth = np.array(test_defective)
        realised = realised_cost(verdicts.tolist(), truth, **prices)
        resampled = []
        for _ in range(RESAMPLES):
            drawn = generator.integers(0, len(truth), len(truth))
            resampled.append(realised_cost(verdicts[drawn].tolist(), truth[drawn], **prices))
        low, high = np.quantile(resampled, [0.025, 0.975])
        escapes, overkills = int(((verdicts == "PASS") & truth).sum()), int(((verdicts == "FAIL") & ~truth).sum())
        most = [at_most(escapes, int(truth.sum())) or 0.0, at_most(overkills, int((~truth).sum())) or 0.0]
        rows.append(
            (f"{escape:g}", f"{threshold.fail_from:.3f}", f"{threshold.expected_cost:.3f}", f"{realised:.3f}",
             f"{low:.3f} to {high:.3f}", *map(percent_at_most, most), f"{min(0.1 * escape, 0.9):.3f}")
        )  # fmt: skip
        assert threshold.expected_cost is not None
        # both are estimates from as many cells, so their difference spreads √2 times as far
        assert abs(realised - threshold.expected_cost) < 3 * 2**0.5 * np.std(resampled)
        # less than passing all or failing all; at 100 the distance is worth no more than failing all
        assert escape == 100 or realised < min(0.1 * escape, 0.9)
    head = ("escape costs", "FAIL from", "expected", "realised", "95 % interval", "escapes up to", "overkills up to",
            "passing or failing all")  # fmt: skip
    title = f"Cost per cell, an overkill costing 1 and one cell in ten defective; {len(truth)} cells held out"
    print(f"\n{as_text(Table(title, head, tuple(rows)))}")
