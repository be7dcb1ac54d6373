"""The part found by features: cells on one side of the first principal component, in training, runs and packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from kenpin.data.dataset import Dataset
from kenpin.data.object_masks import object_mask
from kenpin.errors import KenpinError, OptionError, UnitSpaceError
from kenpin.export import export_package
from kenpin.models.contract import Explained
from kenpin.models.explaining import maps_of
from kenpin.models.looked_at import looked_at
from kenpin.models.mahalanobis.object_cells import ObjectCells, fit_object_cells, rolled_by_half
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Example, ImageSource
from kenpin.runtime import version_of
from kenpin.training import train

GRID, K = (12, 10), 5
SIDE_PX, PART_PX = 224, 112


def _cells(count: int, seed: int, apart: float = 12.0) -> tuple[Tensor, np.ndarray]:
    """Cells of two kinds, (count, cells, K), and which are of the part: a rectangle of five rows or more."""
    draw = np.random.default_rng(seed)
    inside = np.zeros((count, *GRID), bool)
    for one in inside:
        (top, left), (high, wide) = draw.integers(1, 3, 2), draw.integers(5, 7, 2)
        one[top : top + high, left : left + wide] = True
    direction = np.random.default_rng(seed + 1).normal(size=K)
    x = draw.normal(size=(count, *GRID, K)) + apart * inside[..., None] * direction / np.linalg.norm(direction)
    return torch.from_numpy(x.reshape(count, -1, K).astype(np.float32)), inside


def _fitted(x: Tensor) -> tuple[ObjectCells, float]:
    return fit_object_cells(lambda: iter(torch.split(x, 7)), GRID)


@given(st.integers(0, 2**20), st.booleans())
@settings(max_examples=15, deadline=None)
def test_the_part_is_on_the_side_away_from_the_border(seed: int, is_reverse: bool) -> None:
    x, inside = _cells(20, seed, -12.0 if is_reverse else 12.0)
    found, shown = _fitted(x)
    seen = found.inside(x).reshape(-1, *GRID).numpy() > 0
    assert (seen == inside).mean() > 0.97
    assert shown == pytest.approx(inside.mean(), abs=0.03)
    assert set(np.unique(seen)) == {False, True}


@given(st.integers(0, 2**20))
@settings(max_examples=10, deadline=None)
def test_files_and_batches_change_nothing(seed: int) -> None:
    x, _ = _cells(12, seed)
    found, _ = _fitted(x)
    again = ObjectCells.from_arrays(found.to_arrays())
    whole, _ = fit_object_cells(lambda: iter([x]), GRID)
    assert torch.equal(again.inside(x), found.inside(x))
    assert torch.equal(whole.inside(x), found.inside(x))


def test_one_kind_of_cell_is_refused() -> None:
    x = torch.from_numpy(np.random.default_rng(0).normal(size=(30, GRID[0] * GRID[1], K)).astype(np.float32))
    with pytest.raises(UnitSpaceError, match="two sides explain"):
        _fitted(x)
    with pytest.raises(UnitSpaceError, match="alike"):
        _fitted(torch.ones(3, GRID[0] * GRID[1], K))


def test_a_border_that_is_of_both_kinds_is_refused() -> None:
    x, _ = _cells(20, 3)
    x = x.reshape(20, *GRID, K).roll(5, dims=2).reshape(20, -1, K)
    halves = torch.zeros(20, *GRID, K)
    halves[:, :, 5:] = 9
    with pytest.raises(UnitSpaceError, match="both sides of the cut"):
        _fitted(x * 0.1 + halves.reshape(20, -1, K))


def test_a_component_of_kinds_of_parts_is_refused() -> None:
    """Half of the parts have nothing on the side of the part."""
    x, _ = _cells(40, 5)
    empty = torch.from_numpy(np.random.default_rng(6).normal(size=(20, *x.shape[1:])).astype(np.float32))
    with pytest.raises(UnitSpaceError, match="in 50% of them nothing"):
        _fitted(torch.cat([x[:20], empty]))


def test_a_missing_piece_is_looked_at_and_so_is_a_picture_without_a_part() -> None:
    x, inside = _cells(20, 4)
    found, _ = _fitted(x)
    at = np.flatnonzero(inside.all(axis=0).ravel())
    assert len(at) > 4
    background = x[0, 0].expand_as(x[:1]).clone()
    assert bool((found.inside(background)[0, at] == 1).all()), "every good part shows the part there"
    nowhere = ObjectCells(found.mean, found.axis, found.cut, torch.zeros_like(found.always))
    assert bool((nowhere.inside(background) == 1).all())
    assert not bool((nowhere.inside(x[:1]) == 1).all())


@pytest.mark.parametrize("name", ["mean", "axis", "cut", "always"])
def test_arrays_that_do_not_fit_together_are_refused(name: str) -> None:
    arrays = _fitted(_cells(12, 1)[0])[0].to_arrays()
    with pytest.raises(ValueError, match="do not fit together"):
        ObjectCells.from_arrays(arrays | {name: np.zeros((2, 2, 2), np.float32)})
    with pytest.raises(KeyError):
        ObjectCells.from_arrays({other: values for other, values in arrays.items() if other != name})


@given(st.integers(3, 90), st.integers(3, 90))
def test_what_was_at_the_border_is_in_the_middle(width: int, height: int) -> None:
    pixels = np.zeros((height, width), np.uint8)
    pixels[0, 0] = 255
    at = np.argwhere(np.asarray(rolled_by_half(Image.fromarray(pixels), (4, 6))))
    assert at.tolist() == [[round(height / 2) % height, round(width / 2) % width]]


def _picture(seed: int, *, bad: bool = False, flat: bool = False) -> Image.Image:
    """A striped part as bright as the noise around it, so that brightness does not tell them apart; bad: a dark spot on
    it; flat: with no part at all."""
    draw = np.random.default_rng(seed)
    pixels = draw.normal(128, 40, (SIDE_PX, SIDE_PX))
    left, top = draw.integers(40, 72, 2)
    stripes = 128 + 40 * np.sign(np.sin(np.arange(PART_PX) / 4))
    if not flat:
        pixels[top : top + PART_PX, left : left + PART_PX] = stripes + draw.normal(0, 4, (PART_PX, PART_PX))
    if bad:
        pixels[top + 40 : top + 72, left + 40 : left + 72] = 20
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).convert("RGB")


def _where(seed: int) -> np.ndarray:
    """Which pixels show the part."""
    draw = np.random.default_rng(seed)
    draw.normal(128, 40, (SIDE_PX, SIDE_PX))
    left, top = draw.integers(40, 72, 2)
    found = np.zeros((SIDE_PX, SIDE_PX), bool)
    found[top : top + PART_PX, left : left + PART_PX] = True
    return found


def _data(folder: Path, *, flat: bool = False, held: str = "test") -> Dataset:
    """held: the split of those that are not learned from; `validation` decides, and nothing is fitted for each fold."""
    folder.mkdir()
    examples = []
    for number in range(22):
        name, split = f"{number}.png", "train" if number < 16 else held
        bad = number >= 19
        _picture(number, bad=bad, flat=flat).save(folder / name)
        label = "spot" if bad else "ok"
        examples.append(Example(name, ImageSource(str(folder / name)), split=split, label=label))
    return Dataset.from_examples(examples, classes=("ok", "spot"))


def _grid(predictor: Predictor, image: Image.Image) -> np.ndarray:
    assert isinstance(predictor.model, Explained)
    ((map_,),) = maps_of(predictor.model, [image], [Example("a", ImageSource(), size_wh=image.size)])
    return np.asarray(map_.grid)


_OPTIONS: dict[str, Any] = {"object": "features", "report": False}


@pytest.mark.skipif(version_of("openvino") is None, reason="needs openvino")
@pytest.mark.parametrize(
    ("where", "held"), [("neighbours", "validation"), ("pooled", "test"), ("positions", "validation")]
)
def test_a_run_and_its_package_look_at_the_part_alone(where: str, held: str, tmp_path: Path) -> None:
    """Where brightness finds nothing, and what changes around the part changes no score."""
    data = _data(tmp_path / "data", held=held)
    assert all(object_mask(_picture(seed)) is None for seed in range(5))
    run = train("mahalanobis", data="-", dataset=data, out=tmp_path / "run", where=where, **_OPTIONS)
    (good, bad), predictor = (_picture(50), _picture(51, bad=True)), load_predictor(run)
    blot = np.array(good)
    blot[:24, :24] = (255, 0, 0)
    spoiled = Image.fromarray(blot)
    package = load_predictor(export_package(run, tmp_path / "package", to="openvino"))
    for judge in (predictor, package):
        grid = _grid(judge, good)
        assert (grid == 0).mean() > 0.4
        assert (grid[0] == 0).all()
        scores = [judge.predict(np.asarray(one)).defect_score or 0.0 for one in (good, spoiled, bad)]
        assert (_grid(judge, spoiled)[:2, :2] == 0).all(), "the farthest cell by far, were it looked at"
        assert scores[1] < 0.5 * scores[2]
        assert scores[2] > 1.5 * scores[0]
    seen, there = looked_at(predictor.model, good, Example("a", ImageSource())), _where(50)
    assert (seen & there).sum() > 0.6 * (seen | there).sum()
    ours, theirs = (_grid(one, bad) for one in (predictor, package))
    np.testing.assert_allclose(theirs, ours, rtol=0.02, atol=0.02)


def test_two_good_parts_are_enough_of_which_each_is_judged_by_the_other(tmp_path: Path) -> None:
    data = _data(tmp_path / "data").select([0, 1])
    run = train("mahalanobis", data="-", dataset=data, out=tmp_path / "run", where="neighbours", **_OPTIONS)
    assert (load_predictor(run).predict(np.asarray(_picture(51, bad=True))).defect_score or 0) > 0


def test_pictures_without_a_part_are_refused_in_a_sentence(tmp_path: Path) -> None:
    data = _data(tmp_path / "data", flat=True)
    with pytest.raises(UnitSpaceError, match="option `object` features: the first principal component") as refused:
        train("mahalanobis", data="-", dataset=data, out=tmp_path / "run", where="pooled", **_OPTIONS)
    assert "Take brightness, a region of interest" in str(refused.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "give `where`, or take brightness"),
        ({"where": "pooled", "tile_px": 64}, "`object` features is for whole pictures"),
        ({"where": "pooled", "join_layers": "apart"}, "leave one out"),
        ({"where": "pooled", "updatable": "always"}, "`updatable` does nothing with object features"),
    ],
)
def test_what_it_cannot_go_with_is_said(options: dict[str, Any], sentence: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=sentence):
        train("mahalanobis", data=str(tmp_path), out=tmp_path / "run", object="features", **options)


def test_other_families_do_not_offer_it(tmp_path: Path) -> None:
    with pytest.raises(KenpinError, match="object"):
        train("classifier", data=str(tmp_path), out=tmp_path / "run", object="features")
