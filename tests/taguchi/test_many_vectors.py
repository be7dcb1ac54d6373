"""Ten million vectors in a hundred shards of unequal size: joined in any order, their space is that of one pass."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from kenpin.taguchi import Moments, PairMoments, UnitSpace, sum_of_fourth_powers

ITEMS, SHARDS = 16, 100


def vectors(file: Path, count: int) -> np.ndarray:
    """Skewed, correlated, float32, far from 0 and in units of their own, in a mapped file."""
    draw = np.random.default_rng(0)
    mixing = np.eye(ITEMS) + 0.3 * draw.normal(size=(ITEMS, ITEMS))
    scale, far = 10.0 ** draw.uniform(-3, 3, ITEMS), draw.normal(size=ITEMS)
    x = np.memmap(file, np.float32, "w+", shape=(count, ITEMS))
    for start in range(0, count, 100_000):
        block = draw.standard_exponential((min(100_000, count - start), ITEMS)) @ mixing
        x[start : start + len(block)] = (block + 5 * far) * scale
    return x


@pytest.mark.parametrize("count", [20_000, pytest.param(10_000_000, marks=pytest.mark.slow)])
def test_a_hundred_shards_are_one_pass(count: int, tmp_path: Path) -> None:
    x = vectors(tmp_path / "vectors", count)
    cuts = np.sort(np.random.default_rng(1).choice(np.arange(1, count), SHARDS - 1, replace=False)).tolist()
    shards = [x[start:end] for start, end in pairwise([0, *cuts, count])]
    order = np.random.default_rng(2).permutation(SHARDS).tolist()

    joined, pairs = Moments.of(shards[order[0]]), PairMoments.of(shards[order[0]])
    for number in order[1:]:
        joined, pairs = joined + Moments.of(shards[number]), pairs + PairMoments.of(shards[number])
    single = UnitSpace().fit(x)
    powers = sum(sum_of_fourth_powers(shards[number], joined) for number in order)
    of_powers = UnitSpace().fit_moments(joined, powers)
    # and without a second pass over the vectors, as an update has it
    of_pairs = UnitSpace().fit_moments(pairs.moments, float(pairs.sum_of_fourth_powers(1 / pairs.moments.scale)))

    new = x[:1_000] * np.float32(1.01)
    for space in (of_powers, of_pairs):
        assert space.parts_ == count
        np.testing.assert_allclose(space.mean_, single.mean_, rtol=1e-12)
        np.testing.assert_allclose(space.scale_, single.scale_, rtol=1e-12)
        assert space.ridge_ == pytest.approx(single.ridge_, rel=1e-9)  # a difference of nearly equal numbers
        np.testing.assert_allclose(space.score_samples(new), single.score_samples(new), rtol=1e-12)
