"""Unit spaces of single layers: each counts on its own scale, by parts that it has not seen, by cells and whole."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from kenpin.errors import OptionError, RunError
from kenpin.export import export_package
from kenpin.models import get_family
from kenpin.models.mahalanobis.cell_spaces import CellSpaces, fit_spaces
from kenpin.models.mahalanobis.layer_spaces import LayerSpaces, fit_layers
from kenpin.predictor import load_predictor
from kenpin.runtime import version_of
from kenpin.training import train
from tests.commands import Run

ITEMS = (4, 6)
CELLS = 30


def _pictures(count: int, seed: int = 0, cells: int = CELLS) -> Tensor:
    """Cells of correlated items, of which those of the second layer vary a hundred times as much."""
    draw = np.random.default_rng(seed)
    mixing = np.random.default_rng(7).normal(size=(10, 10)) * np.repeat((1.0, 100.0), ITEMS)
    return torch.from_numpy((draw.normal(size=(count, cells, 10)) @ mixing).astype(np.float32))


def _fitted(x: Tensor) -> LayerSpaces:
    return fit_layers(lambda: iter(torch.split(x, 4)), len(x), ITEMS, ridge=0.01)


def test_the_farthest_cell_of_a_good_part_is_as_far_as_usual() -> None:
    far = _fitted(_pictures(60)).distances(_pictures(200, seed=3)).amax(dim=1).log()
    assert abs(float(far.mean())) < 0.3
    assert float(far.std()) < 0.3


@pytest.mark.parametrize("layer", [0, 1])
def test_a_defect_of_one_layer_is_seen_beside_the_others(layer: int) -> None:
    found, x = _fitted(_pictures(60)), _pictures(40, seed=4)
    space = found.spaces[layer]
    own = slice(0, 4) if layer == 0 else slice(4, 10)
    # a direction that good parts hardly go in, in units of its own spread
    x[:, 7, own] = space.mean[0] + torch.linalg.solve(space.whitening[0], torch.full((ITEMS[layer],), 6.0))
    away = found.distances(x)
    assert (away.argmax(dim=1) == 7).all()
    assert float(away.amax(dim=1).min()) > float(found.distances(_pictures(200, seed=5)).max())


def test_what_is_spread_over_the_whole_picture_counts_where_no_cell_stands_out() -> None:
    learned, good, others = (_pictures(count, seed, cells=400) for count, seed in ((60, 0), (100, 6), (100, 7)))
    faded = 1.1 * others  # by less than cells differ
    apart, together = _fitted(learned), fit_spaces(lambda: iter([learned]), pooled=True, ridge=0.01)

    def ranked(spaces: LayerSpaces | CellSpaces) -> float:
        best, rest = (spaces.distances(one).amax(dim=1).numpy() for one in (faded, good))
        return float((best[:, None] > rest).mean())

    assert ranked(apart) > 0.99
    assert ranked(together) < 0.9


def test_scales_of_layers_do_not_matter() -> None:
    x, new = _pictures(30), _pictures(10, seed=8)
    factors = torch.tensor(np.repeat((1e3, 1e-2), ITEMS), dtype=torch.float32)
    scaled = _fitted(x * factors).distances(new * factors)
    torch.testing.assert_close(scaled, _fitted(x).distances(new), rtol=0.02, atol=0)


@given(st.integers(1, 12), st.integers(0, 1_000))
def test_any_number_of_parts_gives_finite_distances(count: int, seed: int) -> None:
    found = _fitted(_pictures(count, seed))
    away = found.distances(_pictures(3, seed=seed + 1))
    assert torch.isfinite(away).all()
    assert (away > 0).all()
    assert (found.spread > 0).all()


def test_arrays_hold_all_of_it() -> None:
    found = _fitted(_pictures(20))
    again = LayerSpaces.from_arrays(found.to_arrays())
    x = _pictures(5, seed=9)
    assert torch.equal(again.distances(x), found.distances(x))
    assert (again.mean.shape, again.ridge.shape) == ((1, 10), (2,))


@pytest.fixture(scope="module")
def run(few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose layers are joined so."""
    return train("mahalanobis", out=tmp_path_factory.mktemp("layers") / "run", data=str(few_parts), base="toy",
                 where="pooled", layers=(1, 2), join_layers="apart", report=False)  # fmt: skip


def test_a_run_tells_how_layers_are_joined_and_keeps_it(run: Path, few_parts: Path) -> None:
    picture = few_parts / "scratch" / "000.png"
    predictor = load_predictor(run)
    assert predictor.record is not None
    assert any("one unit space of each of 2 layers" in note for note in predictor.record.notes)
    assert predictor.predict(picture).distance == load_predictor(run).predict(picture).distance
    good = [one.distance or 0.0 for one in predictor.predict_files(sorted((few_parts / "ok").iterdir()))]
    bad = [one.distance or 0.0 for one in predictor.predict_files(sorted((few_parts / "scratch").iterdir()))]
    assert np.median(bad) > np.median(good)


@pytest.mark.parametrize("engine", ["openvino", "onnx"])
def test_a_package_joins_them_in_its_graph(run: Path, few_parts: Path, tmp_path: Path, engine: Any) -> None:
    if version_of(engine) is None:
        pytest.skip(f"needs {engine}")
    package = load_predictor(export_package(run, tmp_path / "package", to=engine))
    for picture in sorted((few_parts / "scratch").iterdir())[:4]:
        theirs = load_predictor(run).predict(picture).distance
        assert package.predict(picture).distance == pytest.approx(theirs, rel=1e-3)


def test_it_takes_no_further_parts_and_says_so(run: Path, few_parts: Path, kenpin: Run, tmp_path: Path) -> None:
    status, _, err = kenpin("update", run, "--data", few_parts, "--out", tmp_path / "new")
    assert status != 0
    assert "train again on all parts" in err


def test_where_it_does_nothing_it_is_refused() -> None:
    for options in ({"where": "positions"}, {"where": "neighbours"}, {}):
        with pytest.raises(OptionError, match="`join_layers` does nothing"):
            get_family("mahalanobis").Options.from_mapping({"data": "-", "out": "-", "join_layers": "apart", **options})
    with pytest.raises(OptionError, match="`updatable` does nothing with join_layers apart"):
        get_family("mahalanobis").Options.from_mapping(
            {"data": "-", "out": "-", "join_layers": "apart", "where": "pooled", "updatable": "always"}
        )


def test_a_run_of_other_files_is_refused(run: Path, tmp_path: Path) -> None:
    import shutil

    broken = shutil.copytree(run, tmp_path / "broken")
    file = broken / "model" / "place_spaces.npz"
    arrays = dict(np.load(file))
    arrays.pop("layer1_mean")
    np.savez(file, **arrays)
    with pytest.raises(RunError):
        load_predictor(broken)
