"""Streaming moments against NumPy's in one piece, sharded fits against single ones, and memory bounded by the block."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf_shrinkage

from kenpin.errors import OptionError, ShapeError, UnitSpaceError
from kenpin.taguchi import Moments, UnitSpace, sum_of_fourth_powers
from kenpin.taguchi import _parts as blocks_of


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_of, "_BLOCK_BYTES", 1)  # 64 parts, the least


def _parts(count: int, items: int, seed: int = 0, *, far: float = 100) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(count, items)) @ rng.normal(size=(items, items)) + rng.normal(size=items) * far


@settings(max_examples=25)
@given(st.integers(2, 400), st.integers(1, 6), st.integers(0, 1000), st.sampled_from(["float32", "float64"]))
def test_blocks_add_up_to_the_whole(count: int, items: int, seed: int, kind: str) -> None:
    x = _parts(count, items, seed).astype(kind)
    moments = Moments.of(x)
    exact = x.astype(np.float64)
    assert moments.count == count
    np.testing.assert_allclose(moments.mean, exact.mean(axis=0), rtol=1e-12)
    expected = np.cov(exact.T, ddof=0).reshape(items, items) * count
    np.testing.assert_allclose(moments.scatter, expected, rtol=1e-10, atol=1e-11 * expected.max())


@settings(max_examples=25)
@given(st.lists(st.integers(1, 150), min_size=1, max_size=6), st.integers(0, 1000))
def test_a_fit_by_shards_is_the_single_fit(sizes: list[int], seed: int) -> None:
    x = _parts(sum(sizes) + 40, 5, seed)
    shards = np.split(x, np.cumsum(sizes))
    joined = sum((Moments.of(shard) for shard in shards[1:]), Moments.of(shards[0]))
    fourth_powers = sum(sum_of_fourth_powers(shard, joined) for shard in shards)
    single, sharded = UnitSpace().fit(x), UnitSpace().fit_moments(joined, fourth_powers)
    assert sharded.ridge_ == pytest.approx(single.ridge_, rel=1e-10)
    new = _parts(20, 5, seed + 1)
    np.testing.assert_allclose(sharded.score_samples(new), single.score_samples(new), rtol=1e-10)


def test_a_mean_far_away_costs_no_digits() -> None:
    x = _parts(1_000, 3, far=0)
    np.testing.assert_allclose(Moments.of(x + 1e8).scatter, Moments.of(x).scatter, rtol=1e-6)


@pytest.mark.parametrize("items", [1, 3, 40])
def test_the_ridge_is_scikit_learns(items: int) -> None:
    x = _parts(60, items, seed=items)
    z = (x - x.mean(axis=0)) / x.std(axis=0)
    expected = ledoit_wolf_shrinkage(z, assume_centered=True)
    assert UnitSpace().fit(x).ridge_ == pytest.approx(expected, rel=1e-9)


def test_moments_of_some_items_are_those_of_their_columns() -> None:
    x = _parts(100, 5)
    some, alone = Moments.of(x).of_items([3, 0]), Moments.of(x[:, [3, 0]])
    np.testing.assert_allclose(some.scatter, alone.scatter, rtol=1e-12)
    np.testing.assert_allclose(some.mean, alone.mean, rtol=1e-12)


def test_moments_survive_a_file(tmp_path: Path) -> None:
    moments = Moments.of(_parts(100, 5))
    saved: dict[str, Any] = moments.to_arrays()
    np.savez(tmp_path / "shard.npz", **saved)
    with np.load(tmp_path / "shard.npz", allow_pickle=False) as arrays:
        again = Moments.from_arrays(arrays)
    assert again.count == moments.count
    np.testing.assert_array_equal(again.scatter, moments.scatter)


def test_a_number_that_is_none_is_refused_by_its_place_in_any_block() -> None:
    x = _parts(300, 3)
    space = UnitSpace().fit(x)
    x[270, 1] = np.inf
    for refuses in (Moments.of, space.fit, space.score_samples, space.contributions):
        with pytest.raises(UnitSpaceError, match="item 1 of part 270"):
            refuses(x)
    x[270, 1] = 1e300
    with pytest.raises(UnitSpaceError, match="too large"):
        Moments.of(x)


def test_what_does_not_belong_together_is_refused() -> None:
    with pytest.raises(ShapeError, match="3 and of 2 items"):
        Moments.of(_parts(40, 3)) + Moments.of(_parts(40, 2))
    with pytest.raises(OptionError, match="fourth powers"):
        UnitSpace().fit_moments(Moments.of(_parts(40, 3)))


def test_memory_does_not_grow_with_the_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    peaks = []
    for count in (80_000, 200_000):
        path = tmp_path / f"{count}.npy"
        mapped = np.lib.format.open_memmap(path, "w+", np.float32, (count, 64))
        mapped[:] = np.random.default_rng(0).standard_normal((count, 64), np.float32)
        tracemalloc.start()
        space = UnitSpace().fit(mapped)
        space.score_samples(mapped)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[0] < peaks[1] < peaks[0] + 8 * 120_000 + 100_000  # a distance in float64 each
    assert peaks[1] < 40 << 20
