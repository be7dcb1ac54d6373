"""Box arithmetic: inverses, frames and units, with boxes that no swap of axes leaves as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin import boxes
from kenpin.data import BoxForm
from kenpin.errors import ShapeError

SIZE_WH = (200, 50)
ASYMMETRIC = [10.0, 20.0, 110.0, 30.0]
sizes = st.tuples(st.integers(1, 5000), st.integers(1, 5000))


def test_conversions_by_hand() -> None:
    np.testing.assert_allclose(boxes.xywh_from_xyxy([ASYMMETRIC]), [[10, 20, 100, 10]])
    np.testing.assert_allclose(boxes.xyxy_from_xywh([[10, 20, 100, 10]]), [ASYMMETRIC])
    np.testing.assert_allclose(boxes.cxcywh_unit_from_xyxy_px([ASYMMETRIC], SIZE_WH), [[0.3, 0.5, 0.5, 0.2]])
    np.testing.assert_allclose(boxes.xyxy_px_from_cxcywh_unit([[0.3, 0.5, 0.5, 0.2]], SIZE_WH), [ASYMMETRIC])


@given(sizes, st.integers(1, 2048))
def test_every_bin_survives_the_round_trip(size_wh: tuple[int, int], bins: int) -> None:
    every = np.arange(bins)
    four = np.stack([every, every[::-1], every, every[::-1]], axis=1)
    np.testing.assert_array_equal(boxes.quantise(boxes.dequantise(four, size_wh, bins), size_wh, bins), four)


@given(sizes, st.integers(1, 2048))
def test_a_full_frame_box_takes_the_last_bin_and_none_beyond(size_wh: tuple[int, int], bins: int) -> None:
    full = boxes.quantise([[0, 0, *size_wh]], size_wh, bins)
    np.testing.assert_array_equal(full, [[0, 0, bins - 1, bins - 1]])


@given(sizes, st.integers(2, 2048), st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_quantising_moves_an_edge_by_half_a_bin_at_most(
    size_wh: tuple[int, int], bins: int, shares: list[float]
) -> None:
    scale = np.array([*size_wh, *size_wh])
    box = np.array([shares]) * scale
    again = boxes.dequantise(boxes.quantise(box, size_wh, bins), size_wh, bins)
    assert (np.abs(again - box) <= scale / bins / 2 + 1e-6).all()


def test_overlap_by_hand() -> None:
    overlaps = boxes.iou([[0, 0, 10, 20]], [[0, 0, 10, 20], [5, 0, 15, 20], [10, 0, 20, 20], [0, 0, 10, 5]])
    np.testing.assert_allclose(overlaps, [[1, 100 / 300, 0, 50 / 200]])


def test_empty_and_inverted_boxes_overlap_nothing() -> None:
    assert boxes.iou([[5, 5, 5, 5]], [[5, 5, 5, 5]]).tolist() == [[0.0]]
    assert boxes.area([[10, 10, 5, 5]]).tolist() == [0.0]
    assert boxes.iou([], [ASYMMETRIC]).shape == (0, 1)


def test_clipping_keeps_to_the_picture() -> None:
    np.testing.assert_allclose(boxes.clip([[-5, -6, 300, 60]], SIZE_WH), [[0, 0, 200, 50]])


@pytest.mark.parametrize("wrong", [[1, 2, 3, 4], [[1, 2, 3]], [[[1, 2, 3, 4]]]])
def test_other_shapes_are_refused(wrong: list[int]) -> None:
    with pytest.raises(ShapeError, match=r"give \(n, 4\)"):
        boxes.area(wrong)


@given(sizes, st.tuples(*[st.floats(-1e9, 1e9)] * 4))
def test_one_box_is_converted_to_the_bit_as_an_array_of_boxes(
    size_wh: tuple[int, int], box: tuple[float, float, float, float]
) -> None:
    assert list(BoxForm.XYWH.to_xyxy_px(box, size_wh)) == boxes.xyxy_from_xywh([box])[0].tolist()
    assert (
        list(BoxForm.CXCYWH_UNIT.to_xyxy_px(box, size_wh)) == boxes.xyxy_px_from_cxcywh_unit([box], size_wh)[0].tolist()
    )


@pytest.mark.parametrize("form", [*BoxForm])
@given(sizes, st.tuples(*[st.floats(0, 2000)] * 4))
def test_a_box_of_any_form_comes_back(form: BoxForm, size_wh: tuple[int, int], box: tuple[float, ...]) -> None:
    (x1, x2), (y1, y2) = sorted(box[0::2]), sorted(box[1::2])
    written = form.from_xyxy_px((x1, y1, x2, y2), size_wh)
    np.testing.assert_allclose(form.to_xyxy_px(written, size_wh), (x1, y1, x2, y2), atol=1e-6)
