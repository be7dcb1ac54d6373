"""A place is where its box, its map or its mask lies, whatever the picture's size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.description.places import Place, place_of_mask, places_of_box, places_of_map
from kenpin.errors import ShapeError

SIZES = st.tuples(st.integers(9, 400), st.integers(9, 400))


@pytest.mark.parametrize("size_wh", [(90, 90), (300, 30), (31, 500)])
def test_the_nine_fields_in_reading_order(size_wh: tuple[int, int]) -> None:
    width, height = size_wh
    for number, place in enumerate(Place):
        x, y = (number % 3 + 0.5) / 3 * width, (number // 3 + 0.5) / 3 * height
        assert places_of_box((x - 1, y - 1, x + 1, y + 1), size_wh) == (place,)


@given(size_wh=SIZES, corners=st.tuples(*[st.floats(0, 1)] * 4))
def test_a_mirrored_box_lies_in_the_mirrored_field(
    size_wh: tuple[int, int], corners: tuple[float, float, float, float]
) -> None:
    width, height = size_wh
    (x1, x2), (y1, y2) = sorted(corners[:2]), sorted(corners[2:])
    box = x1 * width, y1 * height, x2 * width, y2 * height
    mirrored = width - box[2], box[1], width - box[0], box[3]
    if any(abs((x1 + x2) / 2 * 3 - edge) < 1e-6 for edge in (0, 1, 2, 3)):
        return  # a centre on the very edge between two fields belongs to one of them
    swapped = {"left": "right", "right": "left"}
    there = places_of_box(box, size_wh)[0]
    words = [swapped.get(word, word) for word in there.split()]
    assert places_of_box(mirrored, size_wh)[0] == " ".join(words)


def test_a_long_box_lies_in_every_field_that_it_fills() -> None:
    along = places_of_box((0, 40, 90, 50), (90, 90))
    assert along[0] == Place.CENTRE
    assert set(along) == {Place.MIDDLE_LEFT, Place.CENTRE, Place.MIDDLE_RIGHT}
    assert set(places_of_box((0, 0, 90, 90), (90, 90))) == set(Place)
    assert places_of_box((5, 5, 32, 25), (90, 90)) == (Place.UPPER_LEFT,), "a sliver in the next field does not count"


def test_a_box_without_area_or_beyond_the_frame_has_a_place() -> None:
    assert places_of_box((90, 90, 90, 90), (90, 90)) == (Place.LOWER_RIGHT,)
    assert places_of_box((-50, -50, 5, 5), (90, 90)) == (Place.UPPER_LEFT,)


def test_a_map_is_hottest_at_its_peak() -> None:
    values = np.zeros((40, 70), np.float32)
    values[36, 3] = 5
    values[20, 35] = 4.6
    values[2, 60] = 4.4
    assert places_of_map(values) == (Place.LOWER_LEFT, Place.CENTRE)
    values[36, 3] = np.nan
    assert places_of_map(values)[0] == Place.CENTRE


@pytest.mark.parametrize("values", [np.full((6, 6), np.nan), np.ones((6, 6))])
def test_a_map_that_shows_nothing_has_no_place(values: np.ndarray) -> None:
    assert places_of_map(values) == ()


def test_a_mask_lies_where_most_of_it_is() -> None:
    defective = np.zeros((60, 60), bool)
    assert place_of_mask(defective) is None
    defective[0:3, 0:3] = defective[41:60, 21:39] = True
    assert place_of_mask(defective) == Place.LOWER_MIDDLE


def test_tiny_pictures_have_places() -> None:
    assert places_of_map(np.array([[0.0, 1.0]])) == (Place.MIDDLE_RIGHT,)


def test_refuses_what_is_no_map() -> None:
    with pytest.raises(ShapeError, match="give \\(h, w\\)"):
        place_of_mask(np.zeros(3, bool))
