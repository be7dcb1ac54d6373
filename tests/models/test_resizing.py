"""Pictures brought to the size of a network: a grey one gives the very bytes that it gives as colour."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.Image import Resampling

from kenpin.models.resizing import Resizing

SIDES = st.integers(1, 40)


@given(
    st.tuples(SIDES, SIDES),
    st.tuples(SIDES, SIDES),
    st.sampled_from(list(Resampling)),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_grey_is_resized_as_colour_is(
    picture_wh: tuple[int, int], size_wh: tuple[int, int], resample: Resampling, crops: bool, seed: int
) -> None:
    grey = Image.fromarray(np.random.default_rng(seed).integers(0, 256, picture_wh[::-1], np.uint8))
    resizing = Resizing(size_wh, int(resample), max(size_wh) if crops else None)
    found = resizing.of(grey)
    assert found.shape == (*size_wh[::-1], 3)
    np.testing.assert_array_equal(found, resizing.of(grey.convert("RGB")))
