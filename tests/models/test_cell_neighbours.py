"""Neighbours of cells in the whitened space: the distance to the nearest, and which cells are kept."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import roc_auc_score
from torch import Tensor

from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError, UnitSpaceError
from kenpin.export import export_package
from kenpin.models.mahalanobis.cell_neighbours import CellNeighbours, farthest_points, fit_neighbours
from kenpin.predictor import load_predictor
from kenpin.runtime import version_of
from kenpin.training import train
from tests.commands import Run


def _pictures(count: int, cells: int = 9, items: int = 5, seed: int = 0) -> Tensor:
    """Cells of two kinds, whose items are correlated."""
    draw = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(items, items))
    kinds = 6 * (np.arange(cells) % 2)[None, :, None]
    return torch.from_numpy(((draw.normal(size=(count, cells, items)) + kinds) @ mixing).astype(np.float32))


def _between() -> Tensor:
    """Cells that are of neither kind, near the mean of all."""
    return _pictures(50, seed=4) * 0.5 + _pictures(50, seed=5).roll(1, dims=1) * 0.5


def _fitted(x: Tensor, **options: Any) -> CellNeighbours:
    return fit_neighbours(
        lambda: iter(torch.split(x, 4)), len(x), **{"kept": 10_000, "ridge": 0.0, "seed": 0} | options
    )


def test_the_distance_is_that_to_the_nearest_in_the_whitened_space() -> None:
    x, others = _pictures(40), _pictures(6, seed=1)
    found = _fitted(x)
    flat, new = (one.reshape(-1, 5).double().numpy() for one in (x, others))
    inverse = np.linalg.inv(np.cov(flat.T))
    apart = cdist(new, flat, "mahalanobis", VI=inverse) ** 2
    ours = found.distances(others).reshape(-1).numpy()
    factors = ours / apart.min(axis=1)
    np.testing.assert_allclose(factors, factors.mean(), rtol=1e-3)  # but for the scale, which good parts settle


def test_good_parts_lie_near_one_and_others_farther() -> None:
    found = _fitted(_pictures(200), ridge="ledoit-wolf")
    assert float(found.distances(_pictures(200, seed=3)).mean()) == pytest.approx(1, rel=0.1)
    between = _between()
    assert float(found.distances(between).mean()) > 2, "neither kind of cell, and near the mean of all"
    assert float(found.space.distances(between).mean()) < 1, "which a unit space of both kinds does not see"


def test_cells_that_are_kept_have_no_distance() -> None:
    x = _pictures(10)
    assert float(_fitted(x).distances(x).max()) < 1e-4


@given(st.integers(2, 60), st.integers(1, 30), st.integers(0, 1_000))
def test_farthest_points_cover_at_most_twice_as_far_as_the_best_choice(rows: int, count: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(rows, 2))
    chosen = farthest_points(torch.from_numpy(x), count).tolist()
    assert len(set(chosen)) == min(rows, count)
    assert chosen == sorted(chosen)
    if rows <= count:
        return
    apart = cdist(x, x)
    radius = apart[:, chosen].min(axis=1).max()
    # k + 1 rows that are pairwise as far from each other: two of them share a centre of any choice of k
    far = [*chosen, int(apart[:, chosen].min(axis=1).argmax())]
    least = min(apart[a, b] for a in far for b in far if a != b)
    assert least >= radius - 1e-9


def test_few_kept_cells_still_tell_what_is_between() -> None:
    """Of thirty kinds of cells each is kept at least once."""
    centres = np.random.default_rng(0).normal(size=(30, 5)) * 8

    def of_kinds(count: int, seed: int, share: float = 0.0) -> Tensor:
        draw = np.random.default_rng(seed)
        one, other = (centres[draw.integers(0, 30, (count, 9))] for _ in range(2))
        return torch.from_numpy(((1 - share) * one + share * other + draw.normal(size=one.shape) * 0.2).astype("f4"))

    x, others, between = of_kinds(300, 1), of_kinds(40, 2), of_kinds(40, 3, 0.5)
    whole, few = _fitted(x), _fitted(x, kept=60)
    assert (len(whole.cells), len(few.cells)) == (2_700, 60)
    for one in (whole, few):
        good, strange = (one.distances(some).reshape(-1).numpy() for some in (others, between))
        truth = np.repeat([0, 1], [good.size, strange.size])
        assert roc_auc_score(truth, np.concatenate([good, strange])) > 0.9


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    found, others = _fitted(_pictures(20)), _pictures(3, seed=1)
    np.savez(tmp_path / "space.npz", **found.to_arrays())  # type: ignore[arg-type]
    with np.load(tmp_path / "space.npz") as arrays:
        again = CellNeighbours.from_arrays(dict(arrays))
    assert torch.equal(again.distances(others), found.distances(others))


@pytest.mark.parametrize("kept", [1, 2, 5])
def test_however_few_are_kept_the_usual_distance_is_one(kept: int) -> None:
    """Also where all of them are of one part, which then has no neighbours in others."""
    found = _fitted(_pictures(30), kept=kept)
    assert 0 < found.usual < float("inf")
    assert float(found.distances(_pictures(30)).mean()) == pytest.approx(1, rel=0.1)


def test_parts_that_are_copies_are_refused() -> None:
    with pytest.raises(UnitSpaceError, match="leave copies out"):
        _fitted(_pictures(20).repeat(2, 1, 1), ridge="ledoit-wolf")


@pytest.fixture(scope="module")
def run(few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with neighbours. Read only."""
    out = tmp_path_factory.mktemp("neighbours") / "run"
    return train(
        "mahalanobis", data=str(few_parts), out=out, base="toy", where="neighbours", kept_cells=100, report=False
    )


def test_a_run_finds_scratches_and_shows_where(run: Path, few_parts: Path) -> None:
    predictor, dataset = load_predictor(run), load_dataset(few_parts)
    scores = {example.label: [] for example in dataset}  # type: ignore[var-annotated]
    for example, one in zip(dataset, predictor.predict(dataset), strict=True):
        scores[example.label].append(one.defect_score)
    assert np.median(scores["scratch"]) > np.median(scores["ok"])


@pytest.mark.skipif(version_of("openvino") is None, reason="the extra openvino is not installed")
def test_a_package_says_the_same(run: Path, few_parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(few_parts).select(range(0, 48, 3))
    package = load_predictor(export_package(run, tmp_path / "package", to="openvino"))
    ours, theirs = (
        [one.defect_score for one in predictor.predict(dataset)] for predictor in (load_predictor(run), package)
    )
    assert theirs == pytest.approx(ours, rel=1e-3)


def test_what_does_nothing_is_refused(kenpin: Run, few_parts: Path) -> None:
    words = ("train", "mahalanobis", "--data", few_parts, "--out", "r", "--base", "toy")
    assert "`--kept-cells` does nothing with where pooled" in kenpin(*words, "--where", "pooled", "--kept-cells", 5)[2]
    assert (
        "`--updatable` does nothing with where neighbours"
        in kenpin(*words, "--where", "neighbours", "--updatable", "always")[2]
    )


def test_neighbours_are_not_updated(run: Path, few_parts: Path, tmp_path: Path) -> None:
    from kenpin.updating import update

    with pytest.raises(OptionError, match="keeps patches of its good parts and not their moments"):
        update(run, data=str(few_parts), out=tmp_path / "new")
