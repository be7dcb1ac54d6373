"""Platt's curve is logistic regression on his targets, and says how often what it is asked for happens."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from kenpin.errors import ShapeError
from kenpin.metrics.calibration import calibration_error
from kenpin.quality.platt import fit_platt


@pytest.mark.parametrize(("scale", "centre"), [(1.0, 0.0), (300.0, 5000.0), (1e-3, -1.0)])
def test_it_is_logistic_regression_on_platts_targets(scale: float, centre: float) -> None:
    generator = np.random.default_rng(0)
    z = generator.normal(size=200)
    event = generator.random(200) < expit(1.5 * z - 0.5)
    hits, misses = event.sum(), 200 - event.sum()
    target = np.where(event, (hits + 1) / (hits + 2), 1 / (misses + 2))
    # a soft target is a part seen with both outcomes, each with its weight
    other = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000).fit(
        np.tile(z, 2)[:, None], np.repeat([1, 0], 200), sample_weight=np.concatenate([target, 1 - target])
    )
    found = fit_platt(z * scale + centre, event)
    assert found.apply(z * scale + centre) == pytest.approx(other.predict_proba(z[:, None])[:, 1], abs=1e-5)


def test_other_parts_happen_as_often_as_is_said() -> None:
    generator = np.random.default_rng(1)
    distance = generator.gamma(4.0, size=4000)
    event = generator.random(4000) < expit(2 * distance - 9)
    said = fit_platt(distance[:2000], event[:2000]).apply(distance[2000:])
    error = calibration_error(said, event[2000:])
    assert error is not None
    assert error < 0.03


def test_scores_that_separate_make_no_step() -> None:
    found = fit_platt([0.0, 0.1, 0.9, 1.0], [False, False, True, True])
    assert found.apply([0.0, 1.0]) == pytest.approx([0.2, 0.8], abs=0.08)


def test_one_outcome_alone_is_refused() -> None:
    with pytest.raises(ShapeError, match="2 of 2 outcomes"):
        fit_platt([1.0, 2.0], [True, True])
    with pytest.raises(ShapeError, match="one finite score for each"):
        fit_platt([1.0, np.nan], [True, False])
