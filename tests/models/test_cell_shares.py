"""Which items make up the number at the cell that decides: sums at every cell, in tiles, framed, in packages."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.images import png_of
from kenpin.data.tiling import Tiling
from kenpin.errors import RunError
from kenpin.export import export_package
from kenpin.heat import WHOLE
from kenpin.models import tiles
from kenpin.models.contract import Task
from kenpin.models.deciding import SeenCell
from kenpin.models.mahalanobis.cell_items import items_of_cells
from kenpin.models.mahalanobis.cell_layout import CellLayout
from kenpin.models.mahalanobis.cell_neighbours import CellNeighbours, fit_neighbours
from kenpin.models.mahalanobis.cell_shares import CellShares
from kenpin.models.mahalanobis.cell_spaces import CellSpaces, fit_spaces
from kenpin.models.mahalanobis.decoding import CellDecoding
from kenpin.models.mahalanobis.layer_spaces import LayerSpaces, fit_layers
from kenpin.models.stitching import SeenInTiles, stitched
from kenpin.predictor import load_predictor
from kenpin.records import Example, ImageSource
from kenpin.runtime import version_of
from kenpin.training import train
from tests.pictures import part

KINDS = ("positions", "pooled", "neighbours", "apart")
CLOSE = 1e-9


@dataclass(frozen=True)
class Made:
    """Good parts and others as features of a layout, some of whose items never vary."""

    layout: CellLayout
    good: NDArray[np.float32]
    others: NDArray[np.float32]


@st.composite
def layouts(draw: st.DrawFn) -> CellLayout:
    """Of one to three layers, the first of which is the finest; one may have no chosen channel."""
    finest = draw(st.tuples(st.integers(1, 7), st.integers(1, 7)))
    sizes, channels = [], []
    for number in range(draw(st.integers(1, 3))):
        coarser = draw(st.integers(1, 3)) if number else 1
        count = draw(st.integers(1, 5))
        sizes.append((count, max(1, finest[0] // coarser), max(1, finest[1] // coarser)))
        least = 0 if number else 1
        channels.append(sorted(draw(st.sets(st.integers(0, count - 1), min_size=least, max_size=count))))
    return CellLayout.of_channels([f"layer{number}" for number in range(len(sizes))], sizes, channels)


@st.composite
def made(draw: st.DrawFn) -> Made:
    """Correlated features, of as few as three parts, so that matrices have any rank."""
    layout, count = draw(layouts()), draw(st.integers(3, 12))
    numbers, random = sum(layout.numbers), np.random.default_rng(draw(st.integers(0, 2**20)))
    rank = draw(st.integers(1, numbers))
    mixing = random.normal(size=(rank, numbers)) * 10.0 ** random.uniform(-2, 2, numbers)
    mixing[:, random.random(numbers) < draw(st.sampled_from([0.0, 0.3]))] = 0  # these never vary
    together = [random.normal(size=(n, rank)) @ mixing + 3 for n in (count, 3)]
    together[1] += random.normal(size=together[1].shape) * np.abs(mixing).max()
    return Made(layout, *(np.asarray(of, np.float32) for of in together))


def _fitted(kind: str, of: Made) -> CellSpaces | CellNeighbours | LayerSpaces | None:
    """Spaces of that kind; None where all good parts are alike."""
    x = items_of_cells(of.layout, torch.from_numpy(of.good))
    if float(x.std(dim=(0, 1)).max()) < 1e-4:
        return None
    pictures = partial(_batches, x)
    if kind == "neighbours":
        return fit_neighbours(pictures, len(x), kept=1 + len(x) // 2 * x.shape[1] // 2, ridge=0.1, seed=0)
    if kind == "apart":
        return fit_layers(pictures, len(x), [channels for *_, channels in of.layout.shapes if channels], ridge=0.1)
    return fit_spaces(pictures, pooled=kind == "pooled", ridge=0.1)


def _batches(x: Tensor) -> Any:
    return iter(torch.split(x, 4))


def _in_64_bits(spaces: CellSpaces | CellNeighbours | LayerSpaces, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """The squared distance of each cell, and of layers apart that of the layer that counts; and what the map shows."""

    def double(space: CellSpaces) -> CellSpaces:
        return CellSpaces(space.mean.double(), space.whitening.double(), space.ridge, space.parts)

    if isinstance(spaces, CellSpaces):
        return double(spaces).distances(x), None
    if isinstance(spaces, CellNeighbours):
        white = double(spaces.space).whitened(x)
        apart = torch.cdist(white, spaces.cells.double()[None], compute_mode="donot_use_mm_for_euclid_dist")
        return apart.amin(dim=2).square() / (x.shape[2] * spaces.usual), None
    found = LayerSpaces(tuple(map(double, spaces.spaces)), spaces.centre.double(), spaces.spread.double())
    return found.distances(x), found.distances(x)


@pytest.mark.parametrize("kind", KINDS)
@given(made())
@settings(max_examples=40, deadline=None)
def test_shares_add_up_to_the_number_of_every_cell(kind: str, of: Made) -> None:
    spaces = _fitted(kind, of)
    if spaces is None:
        return
    shares = CellShares.of_arrays(of.layout, spaces.to_arrays())
    for features in of.others:
        x = torch.from_numpy(of.layout.items(features))[None]
        distances, shown = _in_64_bits(spaces, x)
        for cell, distance in enumerate(distances[0].tolist()):
            if shown is None:
                parts = shares.at(features, cell)
                # parts of both signs cancel: the sum is as exact as they are
                assert abs(parts.sum() - distance) <= CLOSE * max(distance, np.abs(parts).sum())
            value = float((distances if shown is None else shown)[0, cell])
            brought = shares.of([SeenCell(features, cell, value)], value)
            if not brought.any():  # a layer none of whose items vary counts, which finds everything at distance 0
                assert not shares.at(features, cell).any()
                continue
            assert brought.sum() == pytest.approx(value, rel=CLOSE, abs=1e-300 if value else 0)
            assert sum(of.layout.of_layers(brought).values()) == pytest.approx(brought.sum(), rel=CLOSE, abs=1e-12)


@given(made())
@settings(max_examples=40, deadline=None)
def test_of_layers_apart_one_counts_and_its_shares_are_those_of_its_own_space(of: Made) -> None:
    spaces = _fitted("apart", of)
    if spaces is None:
        return
    assert isinstance(spaces, LayerSpaces)
    shares = CellShares.of_arrays(of.layout, spaces.to_arrays())
    counts = [channels for *_, channels in of.layout.shapes if channels]
    for features in of.others:
        x = torch.from_numpy(of.layout.items(features))
        away = []  # of each layer and each of its two distances: D²/k of all cells
        for space, own in zip(spaces.spaces, torch.split(x, counts, dim=1), strict=True):
            white = (own - space.mean.double()) @ space.whitening[0].double().T
            away.append(white.square().mean(dim=1))
        for cell in range(len(x)):
            heights = {
                (layer, kind): float((np.log(max(1e-12, float(found))) - spaces.centre[layer, kind])
                                     / spaces.spread[layer, kind])
                for layer, of_layer in enumerate(away)
                for kind, found in enumerate((of_layer[cell], of_layer.mean()))
            }  # fmt: skip
            (best, kind), second = sorted(heights, key=lambda key: -heights[key])[0], sorted(heights.values())[-2:-1]
            if second and heights[best, kind] - second[0] < 1e-9:
                continue  # either may count
            found = np.split(shares.at(features, cell), np.cumsum(counts)[:-1])
            expected = float(away[best].mean() if kind else away[best][cell])
            assert found[best].sum() == pytest.approx(expected, rel=CLOSE, abs=CLOSE * np.abs(found[best]).sum())
            assert not any(own.any() for layer, own in enumerate(found) if layer != best)


def test_a_score_without_a_distance_has_no_shares() -> None:
    """Of a layer that never varies, which lies as far as usual wherever the others lie nearer."""
    layout = CellLayout.of_channels(["layer1", "layer2"], [(1, 2, 2), (1, 1, 1)], [[0], [0]])
    good = np.random.default_rng(0).normal(3, 1, (9, 5)).astype(np.float32)
    good[:, 4] = 3
    items = items_of_cells(layout, torch.from_numpy(good))
    spaces = fit_layers(partial(_batches, items), 9, [1, 1], ridge=0.1)
    shares = CellShares.of_arrays(layout, spaces.to_arrays())
    usual = np.append(np.full(4, float(spaces.mean[0, 0])), 7).astype(np.float32)
    score = float(spaces.distances(items_of_cells(layout, torch.from_numpy(usual[None])))[0].max())
    assert score > 0
    assert not shares.of([SeenCell(usual, 0, score)], score).any()
    decoding = CellDecoding(Task(("ok",), ("ok",)), lambda size_wh: WHOLE)
    decoding._shares = shares
    outputs = {"map": np.full((1, 2, 2), score, np.float32), "cells": usual[None]}
    (one,) = decoding.decode(outputs, [Example("a", ImageSource())])
    one = decoding.with_shares(one, outputs, 0)
    assert (one.contributions, one.layer_contributions) == (None, None)


@given(layouts(), st.integers(0, 2**20))
@settings(max_examples=60, deadline=None)
def test_one_cell_is_described_as_all_are(layout: CellLayout, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(1, sum(layout.numbers))).astype(np.float32)
    by_torch = items_of_cells(layout, torch.from_numpy(features)).numpy()[0]
    items = layout.items(features[0])
    np.testing.assert_allclose(items, by_torch, rtol=1e-5, atol=1e-5)
    for cell in range(len(items)):
        np.testing.assert_allclose(layout.items_at(features[0], cell), items[cell], rtol=1e-12, atol=1e-12)
    assert len(layout.names) == len(set(layout.names)) == items.shape[1]


def test_an_item_that_is_moved_takes_the_distance() -> None:
    """Uncorrelated items, so that no other item explains it."""
    layout = CellLayout.of_channels(["layer1", "layer2"], [(3, 4, 4), (2, 2, 2)], [[0, 1, 2], [0, 1]])
    good = np.random.default_rng(0).normal(size=(400, sum(layout.numbers))).astype(np.float32)
    spaces = fit_spaces(partial(_batches, items_of_cells(layout, torch.from_numpy(good))), pooled=True, ridge=0.0)
    shares = CellShares.of_arrays(layout, spaces.to_arrays())
    moved = np.zeros(sum(layout.numbers), np.float32)
    moved[4 * 4 * 3 :: 2] = 5  # channel 0 of layer2
    found = shares.at(moved, 5)
    assert layout.names[int(found.argmax())] == "layer2.0"
    assert layout.of_layers(found)["layer2"] > 0.95 * found.sum()


@given(st.integers(0, 2**20), st.tuples(st.integers(20, 150), st.integers(20, 150)), st.sampled_from([0.0, 0.25, 0.5]))
@settings(max_examples=40, deadline=None)
def test_a_stitched_number_comes_from_cells_whose_values_add_up_to_it(
    seed: int, size_wh: tuple[int, int], overlap: float
) -> None:
    tiling = Tiling(32, overlap)
    count = len(tiling.tiles(size_wh))
    grids = np.random.default_rng(seed).gamma(1, size=(count, 4, 4)).astype(np.float32)
    asked: list[int] = []

    def cells_of(wanted: Any) -> NDArray[np.float32]:
        asked.extend(wanted)
        return np.array([[tile] for tile in wanted], np.float32)

    whole = stitched(grids, tiling, size_wh)
    seen = SeenInTiles(grids, tiling, size_wh, cells_of)
    for cell in range(0, whole.size, 1 + whole.size // 40):
        asked.clear()
        found = seen.at(cell)
        assert sum(one.value for one in found) == pytest.approx(float(whole.flat[cell]), rel=1e-6)
        assert len(found) <= 4 * len(asked)
        assert {int(one.features[0]) for one in found} == set(asked)


def _parts(first: int, count: int, *, bad: bool) -> Dataset:
    return Dataset.from_examples(
        Example(f"{seed}", ImageSource(f"{seed}.png", png_of(part(seed, scratched=bad), "")), label="ok")
        for seed in range(first, first + count)
    )


def _trained(out: Path, **options: Any) -> Path:
    how: dict[str, Any] = {"base": "toy", "layers": (1, 2), "report": False} | options
    if "roi" in options:
        roi = np.zeros((64, 64), np.uint8)
        roi[8:56, 4:40] = 255
        how["roi"] = str(out.parent / "roi.png")
        Image.fromarray(roi).save(how["roi"])
    return train("mahalanobis", out=out, data="-", dataset=_parts(0, 24, bad=False), **how)


RUNS: list[Any] = [
    pytest.param({"where": "positions", "place_items": 20}, id="positions"),
    pytest.param({"where": "pooled"}, id="pooled"),
    pytest.param({"where": "neighbours"}, id="neighbours"),
    pytest.param({"where": "pooled", "join_layers": "apart"}, id="apart"),
    pytest.param({"where": "neighbours", "tile_px": 32}, id="in tiles"),
    pytest.param({"where": "pooled", "roi": "roi.png"}, id="framed"),
    pytest.param({"where": "pooled", "roi": "roi.png", "tile_px": 32}, id="framed, in tiles"),
]
FEW = [(0, "openvino"), (2, "onnx"), (4, "openvino")]


@pytest.mark.parametrize("options", RUNS)
def test_a_prediction_tells_items_and_layers_that_make_up_its_distance(options: dict[str, Any], tmp_path: Path) -> None:
    predictor = load_predictor(_trained(tmp_path / "run", **options))
    judged = _parts(100, 5, bad=True)
    for one in predictor.predict(judged):
        assert one.layer_contributions is not None
        assert one.contributions is not None
        assert one.distance is not None
        assert set(one.layer_contributions) == {"layer1", "layer2"}
        assert sum(one.layer_contributions.values()) == pytest.approx(one.distance, rel=CLOSE)
        assert [*one.contributions.values()] == sorted(one.contributions.values(), reverse=True)
        assert {name.split(".")[0] for name in one.contributions} <= {"layer1", "layer2"}
    alone = [predictor.predict(example) for example in judged]
    for one, again in zip(alone, predictor.predict(judged), strict=True):
        assert one.layer_contributions == pytest.approx(again.layer_contributions, rel=1e-3, abs=1e-3)


def test_without_other_scales_shares_need_no_bringing_to_the_map(tmp_path: Path) -> None:
    """The numbers of the map in 32 bits, and shares in 64 of what the network saw, are the same distance."""
    for where in ("positions", "pooled", "neighbours"):
        predictor = load_predictor(_trained(tmp_path / where, where=where))
        decoding = predictor.model
        assert isinstance(decoding, CellDecoding)
        assert isinstance(decoding.shares, CellShares)
        for _, outputs in predictor._outputs(_parts(100, 4, bad=True), None, None, None):
            for grid, features in zip(outputs["map"], outputs["cells"], strict=True):
                for cell in (0, int(grid.argmax())):
                    found = decoding.shares.at(features, cell).sum()
                    assert found == pytest.approx(float(grid.flat[cell]), rel=1e-3, abs=1e-3)


def test_tiles_that_decide_are_looked_at_again_where_not_all_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    predictor = load_predictor(_trained(tmp_path / "run", where="pooled", tile_px=24))
    judged = _parts(100, 4, bad=True)
    expected = [one.layer_contributions for one in predictor.predict(judged)]
    singly = [predictor.predict(one.image.data).layer_contributions for one in judged if one.image.data]
    monkeypatch.setattr(tiles, "_MOST_BYTES", 0)
    for found, wanted in zip(predictor.predict(judged), expected, strict=True):
        assert found.layer_contributions == pytest.approx(wanted, rel=1e-4)
    for one, wanted in zip(judged, singly, strict=True):
        assert one.image.data is not None
        assert predictor.predict(one.image.data).layer_contributions == pytest.approx(wanted, rel=1e-4)


@pytest.mark.skipif(version_of("openvino") is None or version_of("onnx") is None, reason="needs both engines")
@pytest.mark.parametrize(
    ("to", "options"),
    [
        pytest.param(to, *one.values, id=f"{one.id}, {to}", marks=() if (number, to) in FEW else pytest.mark.slow)
        for number, one in enumerate(RUNS)
        for to in ("openvino", "onnx")
    ],
)
def test_a_package_tells_the_same(options: dict[str, Any], to: Any, tmp_path: Path) -> None:
    run = _trained(tmp_path / "run", **options)
    package = load_predictor(export_package(run, tmp_path / "package", to=to))
    judged = _parts(100, 3, bad=True)
    for found, wanted in zip(package.predict(judged), load_predictor(run).predict(judged), strict=True):
        assert found.layer_contributions == pytest.approx(wanted.layer_contributions, rel=1e-2, abs=1e-3)
        assert sum((found.layer_contributions or {}).values()) == pytest.approx(found.distance, rel=CLOSE)
        assert next(iter(found.contributions or {})) == next(iter(wanted.contributions or {}))


@pytest.mark.skipif(version_of("openvino") is None, reason="needs OpenVINO")
def test_a_package_whose_cells_are_others_is_refused(tmp_path: Path) -> None:
    package = export_package(_trained(tmp_path / "run", where="pooled"), tmp_path / "package", to="openvino")
    file = package / "decision" / "cells.npz"
    with np.load(file) as saved:
        kept = {name: saved[name] for name in saved if name != "mean"}
    np.savez(file, **kept)
    from kenpin.models.mahalanobis.decoding import read_shares

    with pytest.raises(RunError, match="holds no unit spaces of cells"):
        read_shares(file)


def test_of_pooled_features_too_the_layers_share_the_distance(tmp_path: Path) -> None:
    predictor = load_predictor(_trained(tmp_path / "run"))
    for one in predictor.predict(_parts(100, 3, bad=True)):
        assert sum((one.layer_contributions or {}).values()) == pytest.approx(one.distance, rel=CLOSE)
    single = load_predictor(_trained(tmp_path / "single", layers=(2,)))
    assert next(single.predict(_parts(100, 1, bad=True))).layer_contributions is None
