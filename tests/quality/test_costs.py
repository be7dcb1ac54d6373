"""Costs of cuts are those of the verdicts they give, as expected and as they came."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import OptionError, ShapeError
from kenpin.quality.costs import cut_costs, realised_cost
from kenpin.quality.threshold import threshold_from_costs, verdict_of
from kenpin.records import Threshold, Verdict

parts = st.lists(st.tuples(st.booleans(), st.integers(0, 9).map(float)), min_size=2, max_size=20).filter(
    lambda rows: len({bad for bad, _ in rows}) == 2
)


@given(parts, st.sampled_from([None, 0.02, 0.6]), st.sampled_from([0.0, 0.3, 4.0]))
def test_every_cut_costs_what_its_verdicts_cost(
    rows: list[tuple[bool, float]], defect_rate: float | None, cost_review: float
) -> None:
    defective, scores = [bad for bad, _ in rows], [score for _, score in rows]

    def realised(fail_from: float, review_from: float | None) -> float:
        cut = Threshold(fail_from, review_from, "test")
        verdicts = [verdict_of(score, cut) for score in scores]
        return realised_cost(
            verdicts, defective, cost_escape=10.0, cost_overkill=1.0, cost_review=cost_review, defect_rate=defect_rate
        )

    alone = cut_costs(scores, defective, cost_escape=10.0, cost_overkill=1.0, defect_rate=defect_rate)
    assert alone.least == pytest.approx([realised(cut, None) for cut in alone.cuts])
    both = cut_costs(
        scores, defective, cost_escape=10.0, cost_overkill=1.0, cost_review=cost_review, defect_rate=defect_rate
    )
    best = [min(realised(fail, low) for low in both.cuts[: i + 1]) for i, fail in enumerate(both.cuts)]
    assert both.least == pytest.approx(best)


def test_the_expected_cost_is_met_on_other_parts_of_the_same_line() -> None:
    generator = np.random.default_rng(0)
    defective = np.arange(40_000) % 4 == 0
    scores = generator.normal(2.0 * defective)
    prices = {"cost_escape": 20.0, "cost_overkill": 1.0, "cost_review": 0.4, "defect_rate": 0.05}
    threshold = threshold_from_costs(scores[:20_000], defective[:20_000], **prices, basis="test")
    verdicts = [verdict_of(score, threshold) for score in scores[20_000:]]
    assert realised_cost(verdicts, defective[20_000:], **prices) == pytest.approx(threshold.expected_cost, rel=0.05)


def test_what_has_no_cost_is_refused() -> None:
    with pytest.raises(ShapeError, match="one for each part"):
        realised_cost([Verdict.PASS], [True, False], cost_escape=1, cost_overkill=1)
    with pytest.raises(OptionError, match="there are 0 and 1"):
        realised_cost([Verdict.PASS], [True], cost_escape=1, cost_overkill=1)
