"""The energy test is SciPy's in one dimension, holds its level and sees what Hotelling's T² cannot."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import energy_distance

from kenpin.errors import ShapeError
from kenpin.quality.same_distribution import MOST, energy_test, least_p_value, mean_distances


def test_the_distance_is_scipys_in_one_dimension() -> None:
    generator = np.random.default_rng(0)
    old, new = generator.normal(size=40), generator.exponential(size=25)
    found = energy_test(old[:, None], new[:, None], permutations=9)
    assert found.energy == pytest.approx(energy_distance(old, new) ** 2)


def test_the_level_holds_without_a_change() -> None:
    generator = np.random.default_rng(1)
    p_values = [energy_test(*generator.normal(size=(2, 30, 8)), permutations=99, seed=i).p_value for i in range(300)]
    assert np.mean(np.array(p_values) <= 0.05) == pytest.approx(0.05, abs=0.035)
    assert min(p_values) >= 0.01


def test_a_change_of_spread_alone_is_seen() -> None:
    generator = np.random.default_rng(2)
    old, new = generator.normal(size=(60, 20)), generator.normal(size=(60, 20)) * 2
    assert energy_test(old, new).p_value == 1 / 1000
    assert energy_test(old, new - new.mean(0) + old.mean(0)).p_value == 1 / 1000


def test_more_vectors_than_needed_are_sampled_the_same_way_each_time() -> None:
    x = np.random.default_rng(3).normal(size=(MOST + 50, 2))
    first, again = (energy_test(x, x[:100], permutations=19) for _ in range(2))
    assert first == again
    assert first.compared == (MOST, 100)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(ShapeError, match="at least 2 of each"):
        energy_test(np.zeros((3, 2)), np.zeros((3, 4)))
    with pytest.raises(ShapeError, match="finite"):
        energy_test(np.full((3, 2), np.nan), np.zeros((3, 2)))


def test_mean_distances_make_up_the_energy() -> None:
    generator = np.random.default_rng(4)
    old, new = generator.normal(size=(20, 3)), generator.normal(size=(15, 3)) + 1
    within_old, between = mean_distances(old, new)
    within_new, _ = mean_distances(new, old)
    # the energy distance counts each vector's distance 0 to itself too
    energy = 2 * between.mean() - within_old.mean() * 19 / 20 - within_new.mean() * 14 / 15
    assert energy_test(old, new, permutations=9).energy == pytest.approx(energy)


def test_mean_distances_tell_which_vectors_are_far() -> None:
    x = np.random.default_rng(5).normal(size=(MOST + 20, 4))
    known, seen = mean_distances(x, np.concatenate([x[:50], x[:50] + 5]))
    assert known.shape == (MOST,)
    assert seen[:50].max() < seen[50:].min()


@pytest.mark.parametrize(("old", "new"), [(2, 2), (3, 2), (4, 2), (3, 3)])
def test_no_difference_has_a_smaller_p_value_than_the_least(old: int, new: int) -> None:
    """However far apart they lie: some of the divisions are the true one."""
    far = [energy_test(np.arange(old)[:, None], 1e6 + np.arange(new)[:, None], seed=seed) for seed in range(20)]
    expected = least_p_value(old, new)
    assert np.mean([one.p_value for one in far]) == pytest.approx(expected, abs=0.02)
    assert least_p_value(500, 500) == 1 / 1000
