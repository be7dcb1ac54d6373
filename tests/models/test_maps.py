"""Maps lie where the places lie, in the picture as it is displayed, and keep the places' numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import CLIPImageProcessorPil, ViTImageProcessorPil

from kenpin.heat import WHOLE, in_frame
from kenpin.models.looking.maps import seen_region

SIDES = st.integers(1, 40)


@given(rows=SIDES, columns=SIDES, width=SIDES, height=SIDES, seed=st.integers(0, 99))
def test_a_map_has_the_picture_s_shape_and_the_grid_s_maximum(
    rows: int, columns: int, width: int, height: int, seed: int
) -> None:
    grid = np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)
    values = in_frame(grid, (width, height))
    assert values.shape == (height, width)
    assert values.dtype == np.float32
    assert values.max() == grid.max()
    assert values.min() >= grid.min() - 1e-6


def test_each_place_keeps_its_number_at_its_centre() -> None:
    grid = np.arange(12, dtype=np.float32).reshape(3, 4)
    values = in_frame(grid, (40, 60))
    assert np.array_equal(values[10::20, 5::10], grid)
    assert values[20, 5] == pytest.approx(2.0)  # half way between the first two rows


def test_what_was_cut_off_is_unknown() -> None:
    processor = CLIPImageProcessorPil(
        size={"shortest_edge": 64}, crop_size={"height": 64, "width": 64}, do_center_crop=True
    )
    region = seen_region(processor, (200, 100))
    assert region == pytest.approx((0.25, 0, 0.75, 1))
    values = in_frame(np.ones((4, 4)), (200, 100), region)
    assert np.isnan(values[:, :50]).all()
    assert np.isnan(values[:, 150:]).all()
    assert (values[:, 50:150] == 1).all()


def test_what_is_squeezed_is_seen_whole() -> None:
    assert seen_region(ViTImageProcessorPil(size={"height": 32, "width": 32}), (200, 100)) == WHOLE
    assert seen_region(None, (200, 100)) == WHOLE
