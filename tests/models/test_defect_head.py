"""The head on cells that learned from known defects: what it weighs, by how much, and which cells teach it."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from kenpin.data.tiling import Tiling
from kenpin.errors import DatasetError
from kenpin.masks import outline_of
from kenpin.metrics.ranking import auroc
from kenpin.models.mahalanobis import defect_head
from kenpin.models.mahalanobis.cell_spaces import fit_spaces
from kenpin.models.mahalanobis.defect_head import DefectHead, fit_head
from kenpin.models.mahalanobis.marked_cells import MarkedBy, cells_of_defect, marked_by
from kenpin.records import Detections, Example, ImageSource

K, CELLS = 6, 12


def _good(count: int, seed: int) -> Tensor:
    """Cells whose first item is -20 or 20: what lies between is near to their mean, and is no good part's."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, CELLS, K))
    x[:, :, 0] += 20 * draw.choice((-1, 1), (count, CELLS))
    return torch.from_numpy(x.astype(np.float32))


def _bad(count: int, seed: int) -> Tensor:
    """The same with one cell in between."""
    x = _good(count, seed)
    x[:, 3] = torch.from_numpy(np.random.default_rng(seed).normal(size=(count, K)).astype(np.float32))
    return x


def _fitted(seed: int, steps: int | None = None) -> tuple[DefectHead, Tensor]:
    """A head that knows cell 3 of defective parts, and the good parts that it has learned from. steps: fewer than are
    taken to learn."""
    good, bad = _good(40, seed), _bad(24, seed + 1)
    space = fit_spaces(lambda: iter(torch.split(good, 16)), pooled=True, ridge=0.01)
    with pytest.MonkeyPatch.context() as patch:
        if steps is not None:
            patch.setattr(defect_head, "_STEPS", steps)
        head = fit_head(lambda: iter(torch.split(good, 16)), 40, list(bad[:, 3:4]), space.distances, seed=seed)
    return head, good


@given(st.integers(0, 2**20))
@settings(max_examples=8, deadline=None)
def test_a_defect_that_is_near_the_mean_is_found_once_it_is_known(seed: int) -> None:
    head, good = _fitted(seed)
    space = fit_spaces(lambda: iter([good]), pooled=True, ridge=0.01)
    x = torch.cat([_good(60, seed + 2), _bad(60, seed + 3)])
    is_bad = np.arange(120) >= 60
    plain = space.distances(x)
    before, after = (auroc(is_bad, of.amax(dim=1).numpy()) for of in (plain, head.weighed(x, plain)))
    assert before is not None
    assert before < 0.7
    # the head's part alone, for a cell at no distance stays there whatever it is multiplied with
    of_cells = auroc((np.arange(12) == 3).tolist() * 60, head.logits(x[60:]).flatten().numpy())
    assert of_cells is not None
    assert of_cells > 0.9
    assert after is not None
    assert after > before


@given(st.integers(0, 2**20))
@settings(max_examples=5, deadline=None)
def test_the_most_suspect_cells_of_good_parts_keep_their_distance_in_the_mean_of_logarithms(seed: int) -> None:
    head, good = _fitted(seed, steps=50)
    most = head.logits(good).argmax(dim=1, keepdim=True)
    factors = head.weighed(good, torch.ones(40, CELLS)).gather(1, most)
    assert abs(float(factors.log().mean())) < 1e-4


@cache
def _learned_once() -> DefectHead:
    return _fitted(3)[0]


@given(st.floats(1, 1e6), st.integers(0, 99))
@settings(deadline=None)
def test_whatever_a_cell_is_like_its_factor_has_bounds(far: float, seed: int) -> None:
    head = _learned_once()
    x = torch.from_numpy(np.random.default_rng(seed).normal(size=(3, CELLS, K)) * far).float()
    factors = head.weighed(x, torch.ones(3, CELLS))
    assert float(factors.min()) >= math.exp(-4) * 0.999
    assert float(factors.max()) <= math.exp(4) * 1.001


def test_a_large_defect_counts_no_more_than_a_small_one() -> None:
    good, large = _good(40, 0), torch.full((5_000, K), 0.0)
    large[:, 1] = 9
    small = torch.zeros(1, K)
    small[:, 2] = 9
    space = fit_spaces(lambda: iter([good]), pooled=True, ridge=0.01)
    head = fit_head(lambda: iter([good]), 40, [large, small], space.distances, seed=0)
    logits = head.logits(torch.stack([large[:1], small]))
    assert float((logits[0] - logits[1]).abs()) < 2
    assert float(logits.min()) > float(head.logits(good).max())


def test_the_same_seed_learns_the_same_and_disturbs_no_other_randomness() -> None:
    torch.manual_seed(5)
    first, _ = _fitted(7, steps=50)
    after = torch.rand(3)
    torch.manual_seed(5)
    assert torch.equal(torch.rand(3), after)
    second, _ = _fitted(7, steps=50)
    assert all(np.array_equal(first.to_arrays()[name], value) for name, value in second.to_arrays().items())
    again = DefectHead.from_arrays(first.to_arrays())
    x = _bad(4, 1)
    assert torch.equal(again.weighed(x, torch.ones(4, CELLS)), first.weighed(x, torch.ones(4, CELLS)))


@pytest.mark.parametrize("name", ["mean", "hidden_bias", "last", "usual"])
def test_arrays_that_do_not_fit_together_are_refused(name: str) -> None:
    arrays = _learned_once().to_arrays()
    with pytest.raises(ValueError, match="do not fit together"):
        DefectHead.from_arrays(arrays | {name: np.zeros((2,), np.float32)})
    with pytest.raises(KeyError):
        DefectHead.from_arrays({other: values for other, values in arrays.items() if other != name})


# ---- cells

boxes = st.tuples(st.integers(0, 55), st.integers(0, 39), st.integers(1, 30), st.integers(1, 30))


def _example(box: tuple[int, int, int, int], *, outlined: bool) -> tuple[Example, np.ndarray]:
    """A picture of 64 × 48 pixels with a marked box, and the pixels in it."""
    x, y, width, height = box
    mask = np.zeros((48, 64), bool)
    mask[y : y + height, x : x + width] = True
    marked = (float(x), float(y), float(min(64, x + width)), float(min(48, y + height)))
    outlines = (outline_of(mask),) if outlined else None
    return Example(
        "a", ImageSource(), boxes=Detections((marked,), ("dent",), outlines=outlines), size_wh=(64, 48)
    ), mask


@given(boxes, st.integers(0, 999))
@settings(deadline=None)
def test_cells_are_those_that_the_mark_covers_half_as_much_as_the_most_covered(
    box: tuple[int, int, int, int], seed: int
) -> None:
    example, mask = _example(box, outlined=True)
    away = torch.from_numpy(np.random.default_rng(seed).random((6, 8)).astype(np.float32))
    counts = mask.reshape(6, 8, 8, 8).sum(axis=(1, 3)).ravel()  # of 6 × 8 cells of 8 × 8 pixels
    wanted = set(np.flatnonzero((counts > 0) & (2 * counts >= counts.max())).tolist())
    found = cells_of_defect(example, away, (0, 0, 1, 1)).tolist()
    assert set(found) == wanted
    assert found == sorted(found, key=lambda cell: -away.flatten()[cell])
    boxed = cells_of_defect(_example(box, outlined=False)[0], away, (0, 0, 1, 1)).tolist()
    assert boxed == found[: math.ceil(len(found) / 2)]


def test_without_a_mark_the_farthest_tenth_teaches() -> None:
    away = torch.from_numpy(np.random.default_rng(0).permutation(60).reshape(6, 10).astype(np.float32))
    found = cells_of_defect(Example("a", ImageSource(), label="dent"), away, (0, 0, 1, 1))
    assert away.flatten()[found].tolist() == [59, 58, 57, 56, 55, 54]


def test_marks_are_cut_to_what_the_network_sees() -> None:
    away = torch.zeros(4, 4)
    example, _ = _example((0, 0, 8, 8), outlined=False)
    assert cells_of_defect(example, away, (0.25, 0.25, 0.75, 0.75)).tolist() == []
    example, _ = _example((32, 24, 2, 2), outlined=False)
    assert cells_of_defect(example, away, (0.25, 0.25, 0.75, 0.75)).tolist() == [10]


def test_marks_of_a_tile_beyond_the_picture_lie_where_they_are() -> None:
    example, mask = _example((40, 30, 20, 15), outlined=True)
    region = Tiling(32, 0.25).region_in((38, 28), (0, 0, 1, 1), (64, 48))
    found = cells_of_defect(example, torch.zeros(8, 8), region).tolist()
    tile = np.zeros((32, 32), bool)
    tile[:20, :26] = mask[28:, 38:]
    counts = tile.reshape(8, 4, 8, 4).sum(axis=(1, 3)).ravel()
    assert found == np.flatnonzero(2 * counts >= counts.max()).tolist()


def test_a_mask_without_a_pixel_marks_nothing_and_one_of_another_size_is_refused(tmp_path: Path) -> None:
    file = str(tmp_path / "mask.png")
    Image.new("L", (64, 48)).save(file)
    example = Example("a", ImageSource(), mask=file, size_wh=(64, 48))
    assert marked_by(example) is MarkedBy.MASK
    assert len(cells_of_defect(example, torch.zeros(5, 4), (0, 0, 1, 1))) == 2
    Image.new("L", (48, 64), 255).save(file)
    with pytest.raises(DatasetError, match="48 × 64 pixels, its picture 64 × 48"):
        cells_of_defect(example, torch.zeros(5, 4), (0, 0, 1, 1))
