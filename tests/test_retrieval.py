"""Precision among the nearest, against counting by hand, and the interval of its mean."""

from __future__ import annotations

from itertools import permutations
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist

from kenpin.errors import ShapeError
from kenpin.metrics.intervals import mean_measure
from kenpin.metrics.retrieval import distances, precision_at_k


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans()), min_size=1, max_size=6), st.data())
def test_precision_is_the_mean_over_all_orders_of_the_tied(rows: list[tuple[int, bool]], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(rows)))
    distances, wanted = zip(*rows, strict=True)
    by_hand = [
        np.mean([wanted[place] for place in sorted(order, key=lambda place: distances[place])[:k]])
        for order in permutations(range(len(rows)))
    ]
    assert precision_at_k([distances], [wanted], k) == pytest.approx([np.mean(by_hand)])


def test_each_query_is_judged_by_its_own_neighbours() -> None:
    distances = [[0.3, 0.1, 0.2], [0.1, 0.2, 0.3]]
    assert precision_at_k(distances, [[True, False, False], [True, False, True]], 2).tolist() == [0.0, 0.5]


@pytest.mark.parametrize(
    ("distances", "wanted", "k", "sentence"),
    [
        ([[1.0, 2.0]], [[True]], 1, "one for each"),
        ([[1.0, 2.0]], [[True, False]], 3, "from 1 to 2"),
        ([[1.0, 2.0]], [[True, False]], 0, "from 1 to 2"),
        ([[1.0, float("nan")]], [[True, False]], 1, "not a number"),
    ],
)
def test_what_cannot_be_measured_is_refused(
    distances: list[list[float]], wanted: list[list[bool]], k: int, sentence: str
) -> None:
    with pytest.raises(ShapeError, match=sentence):
        precision_at_k(distances, wanted, k)


@pytest.mark.parametrize(("metric", "of_scipy"), [("cosine", "cosine"), ("l2", "euclidean")])
def test_distances_are_those_of_scipy(metric: Literal["cosine", "l2"], of_scipy: str) -> None:
    draw = np.random.default_rng(0)
    queries, others = draw.normal(3, 1, (5, 7)), draw.normal(3, 1, (9, 7))
    assert np.allclose(distances(queries, others, metric), cdist(queries, others, of_scipy))
    assert distances(queries, queries, metric).diagonal() == pytest.approx(np.zeros(5), abs=1e-6)
    with pytest.raises(ShapeError, match="rows of one length"):
        distances(queries, others[:, :3], metric)


def test_the_interval_of_a_mean_is_that_of_the_normal_law() -> None:
    values = np.random.default_rng(0).normal(2.0, 1.0, 400)
    measure = mean_measure(values)
    half = 1.96 * values.std() / 20
    assert measure.value == pytest.approx(values.mean())
    assert [measure.low, measure.high] == pytest.approx([values.mean() - half, values.mean() + half], abs=0.02)


def test_without_values_or_without_spread_there_is_no_interval() -> None:
    assert mean_measure([]).value is None
    assert (mean_measure([1.0, 1.0]).value, mean_measure([1.0, 1.0]).low) == (1.0, None)
