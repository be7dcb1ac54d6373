"""Labels of boxes never cover one another, stay in the picture, and are left out only where no room is left."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.records import Box
from kenpin.report.label_layout import lay_out

FRAME_WH = (120.0, 80.0)
LABEL_WH = st.tuples(st.integers(1, 90).map(float), st.integers(1, 30).map(float))


@st.composite
def boxes(draw: st.DrawFn) -> Box:
    x1, y1 = draw(st.floats(-10, 130)), draw(st.floats(-10, 90))
    return x1, y1, x1 + draw(st.floats(0, 100)), y1 + draw(st.floats(0, 100))


def overlap(one: Box, other: Box) -> float:
    """Area that two rectangles share."""
    sides = (min(one[i + 2], other[i + 2]) - max(one[i], other[i]) for i in (0, 1))
    width, height = (max(0.0, side) for side in sides)
    return width * height


@settings(max_examples=60)
@given(st.lists(st.tuples(boxes(), LABEL_WH), max_size=16))
def test_labels_lie_in_the_frame_and_share_no_area(labelled: list[tuple[Box, tuple[float, float]]]) -> None:
    spots = lay_out([box for box, _ in labelled], [size for _, size in labelled], FRAME_WH)
    placed = [spot for spot in spots if spot is not None]
    assert all(overlap(*pair) < 1e-3 for pair in combinations(placed, 2))
    for spot, (_, (width, height)) in zip(spots, labelled, strict=True):
        if spot is not None:
            assert np.allclose([spot[2] - spot[0], spot[3] - spot[1]], [width, height])
            assert spot[0] >= 0
            assert spot[1] >= 0
            assert spot[2] <= FRAME_WH[0] + 1e-9
            assert spot[3] <= FRAME_WH[1] + 1e-9


@settings(max_examples=60)
@given(st.lists(st.tuples(boxes(), LABEL_WH), min_size=1, max_size=16))
def test_a_label_is_left_out_only_where_no_room_is_left(labelled: list[tuple[Box, tuple[float, float]]]) -> None:
    spots = lay_out([box for box, _ in labelled], [size for _, size in labelled], FRAME_WH)
    for number, (spot, (_, (width, height))) in enumerate(zip(spots, labelled, strict=True)):
        if spot is None:
            assert not free(width, height, [one for one in spots[:number] if one is not None])


def free(width: float, height: float, taken: list[Box]) -> bool:
    """Whether a label has room anywhere on a grid of the frame; found by trying."""
    x, y = np.meshgrid(np.arange(0, FRAME_WH[0] - width + 1e-9, 1.0), np.arange(0, FRAME_WH[1] - height + 1e-9, 1.0))
    is_free = np.ones(x.shape, bool)
    for x1, y1, x2, y2 in taken:
        is_free &= (x >= x2) | (x + width <= x1) | (y >= y2) | (y + height <= y1)
    return bool(is_free.any())


def test_a_label_stands_above_its_box_where_that_is_free_and_beside_another_where_not() -> None:
    above, shifted = lay_out([(10, 40, 50, 60), (10, 40, 50, 60)], [(30, 10), (30, 10)], FRAME_WH)
    assert tuple(above or ()) == (10, 30, 40, 40)
    assert shifted is not None
    assert overlap(shifted, (10, 40, 50, 60)) > 0 or {shifted[1], shifted[3]} & {40.0, 60.0}, "it touches the box"
    (inside,) = lay_out([(0, 0, 120, 80)], [(30, 10)], FRAME_WH)
    assert tuple(inside or ()) == (0, 0, 30, 10)
    assert lay_out([(0, 0, 9, 9)], [(121, 10)], FRAME_WH) == [None]
