"""Regions are as large as what was drawn, whatever it is shifted, turned or scaled by, and coarse maps say so."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kenpin.errors import OptionError, ShapeError
from kenpin.masks import outline_of
from kenpin.models.looking.maps import map_of_cells
from kenpin.outlines import Outline, oriented_box
from kenpin.records import Detections, Map
from kenpin.regions import DefectRegion, regions_of_detections, regions_of_map, regions_of_mask, told_region
from kenpin.regions.finding import MOST_REGIONS, regions_of_grid
from kenpin.regions.places import touches
from kenpin.regions.region import scale_of

Mask = NDArray[np.bool_]
SIZE = 240
Y, X = np.mgrid[:SIZE, :SIZE] + 0.5
GOAL = 0.03
angles = st.floats(0, 180)
centres = st.tuples(st.floats(110, 130), st.floats(110, 130))


def _turned(centre: tuple[float, float], degrees: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    x, y = X - centre[0], Y - centre[1]
    return x * cosine + y * sine, y * cosine - x * sine


def _soft(distance: NDArray[np.float64]) -> Map:
    """A map at full resolution that is above 0.5 where the distance from an edge is above 0."""
    values = (0.5 + distance / 4).clip(0, 1).astype(np.float32)
    return Map(values, "what", "unit")


def _only(found: tuple[DefectRegion, ...]) -> DefectRegion:
    (one,) = found
    return one


def _off(measured: float | None, true: float) -> float:
    assert measured is not None
    return abs(measured / true - 1)


# of one that is nearly a circle all rectangles around it have nearly the same area, and any may be the least
@given(centres, st.floats(25, 60), st.floats(0.4, 0.75) | st.just(1.0), angles)
def test_ellipses_have_their_area_length_and_width(
    centre: tuple[float, float], radius: float, share: float, degrees: float
) -> None:
    along, across = _turned(centre, degrees)
    short = share * radius
    inside = np.hypot(along / radius, across / short)
    found = _only(regions_of_mask(inside < 1)), _only(regions_of_map(_soft((1 - inside) * short), 0.5))
    for one, least_px in zip(found, (2.0, 0.0), strict=True):  # at each end a row of pixels is inside, or it is not
        assert _off(one.area_px, math.pi * radius * short) < GOAL
        assert abs(one.length_px - 2 * radius) <= max(GOAL * 2 * radius, least_px)
        assert abs(one.width_px - 2 * short) <= max(GOAL * 2 * short, least_px)
        assert one.centre_xy_px == pytest.approx(centre, abs=0.4)


@given(centres, st.floats(60, 140), st.floats(24, 50), angles)
def test_turned_rectangles_have_their_area_length_and_width(
    centre: tuple[float, float], length: float, width: float, degrees: float
) -> None:
    along, across = _turned(centre, degrees)
    inwards = np.minimum(length / 2 - abs(along), width / 2 - abs(across))
    found = _only(regions_of_mask(inwards > 0)), _only(regions_of_map(_soft(inwards), 0.5))
    for one, least_px in zip(found, (1.0, 0.0), strict=True):
        assert _off(one.area_px, length * width) < GOAL + least_px / width
        assert abs(one.length_px - length) <= GOAL * length
        assert abs(one.width_px - width) <= max(GOAL * width, least_px)


@given(angles)
def test_an_l_has_the_area_of_its_arms_and_a_ring_lacks_its_hole(degrees: float) -> None:
    along, across = _turned((120, 120), degrees)
    arms = ((abs(along) < 60) & (abs(across - 45) < 15)) | ((abs(along + 45) < 15) & (abs(across) < 60))
    one = _only(regions_of_mask(arms))
    assert _off(one.area_px, 2 * 120 * 30 - 30 * 30) < GOAL
    assert _off(one.length_px, 120) < GOAL
    assert _off(one.width_px, 120) < GOAL
    hollow = (np.hypot(along, across) < 60) & (np.hypot(along - 10, across) > 30)
    ring = _only(regions_of_mask(hollow))
    assert _off(ring.area_px, math.pi * (60**2 - 30**2)) < GOAL
    assert _off(ring.length_px, 120) < GOAL
    assert len(ring.holes_px) == 1
    assert ring.area_px == hollow.sum()


blots = st.integers(0, 2**32 - 1).map(
    lambda seed: np.kron(np.random.default_rng(seed).random((9, 12)) > 0.6, np.ones((3, 3), bool))
)


def _figures(one: DefectRegion) -> list[float]:
    return [one.area_px, one.length_px, one.width_px]


def _in_order(regions: Iterable[DefectRegion]) -> list[list[float]]:
    # by rounded figures: regions of one length but for its last digits would be paired by those digits
    return sorted(map(_figures, regions), key=lambda figures: np.round(figures, 6).tolist())


def _multiset(mask: Mask) -> list[list[float]]:
    return _in_order(regions_of_mask(mask))


@given(blots, st.integers(0, 7), st.integers(0, 7))
def test_figures_do_not_depend_on_where_a_region_lies(mask: Mask, right: int, down: int) -> None:
    shifted = np.pad(mask, ((down, 3), (right, 1)))
    assert np.allclose(_multiset(shifted), _multiset(mask))
    for before, after in zip(regions_of_mask(mask), regions_of_mask(shifted), strict=True):
        assert np.subtract(after.box_xyxy_px, before.box_xyxy_px).tolist() == [right, down, right, down]
        assert np.allclose(np.subtract(after.centre_xy_px, before.centre_xy_px), (right, down))


@given(blots)
def test_figures_do_not_depend_on_a_turn_by_90_degrees_or_a_mirror(mask: Mask) -> None:
    assert np.allclose(_multiset(np.rot90(mask)), _multiset(mask))
    assert np.allclose(_multiset(mask[:, ::-1]), _multiset(mask))


@given(blots, st.integers(2, 4))
def test_areas_grow_by_the_square_of_the_scale(mask: Mask, times: int) -> None:
    large = np.kron(mask, np.ones((times, times), bool))
    areas = [np.array(sorted(one.area_px for one in regions_of_mask(some))) for some in (mask, large)]
    assert (areas[1] == times**2 * areas[0]).all()


@given(blots)
def test_regions_are_all_pixels_of_the_mask_and_no_others(mask: Mask) -> None:
    assert sum(one.area_px for one in regions_of_mask(mask)) == mask.sum()


@given(st.integers(0, 2**32 - 1), st.floats(0.2, 0.8), st.integers(2, 9))
def test_a_map_s_regions_scale_and_turn_with_it(seed: int, cut: float, times: int) -> None:
    grid = np.random.default_rng(seed).random((7, 9)).astype(np.float32)
    small = regions_of_grid(grid, (9 * 16, 7 * 16), cut)
    large = regions_of_grid(grid, (9 * 16 * times, 7 * 16 * times), cut)
    turned = regions_of_grid(np.rot90(grid), (7 * 16, 9 * 16), cut)
    assert len(small) == len(large) == len(turned)
    for some, factor in ((large, times), (turned, 1)):
        ours, theirs = (_in_order(found) for found in (small, some))
        assert np.allclose(np.multiply(ours, (factor**2, factor, factor)), theirs, rtol=1e-5, atol=1e-3)
    assert {one.resolution_px for one in small} == {16.0}


@given(st.integers(0, 2**32 - 1))
def test_each_cell_that_reaches_the_cut_lies_in_a_region_and_the_peak_is_kept(seed: int) -> None:
    grid = np.random.default_rng(seed).random((6, 8)).astype(np.float32)
    found = regions_of_grid(grid, (400, 300), 0.7)
    assert max((one.peak or 0 for one in found), default=0) == (grid.max() if grid.max() >= 0.7 else 0)
    for row, column in np.argwhere(grid >= 0.7):
        x, y = (column + 0.5) * 50, (row + 0.5) * 50
        around = (x - 2, y - 2, x + 2, y - 2, x + 2, y + 2, x - 2, y + 2)
        assert any(touches(one, around) for one in found)


def test_a_region_s_outline_is_that_of_the_interpolated_map() -> None:
    """A peak of one cell falls evenly to its neighbours: its outline is where the product of two slopes is the cut."""
    grid = np.zeros((5, 5))
    grid[2, 2] = 4.0
    one = _only(regions_of_grid(grid, (500, 500), 1.0))
    share = np.linspace(0, 0.75, 10_001)
    area = 4 * 100**2 * np.trapezoid(1 - 0.25 / (1 - share), share)  # (1 - x) (1 - y) = 1/4
    assert _off(one.area_px, float(area)) < 0.01
    assert np.allclose(one.centre_xy_px, (250, 250))
    assert one.resolution_px == 100
    assert np.allclose(one.box_xyxy_px, (175, 175, 325, 325))


def test_a_map_of_a_part_of_the_picture_lies_there() -> None:
    one = _only(
        regions_of_map(map_of_cells(np.ones((2, 2)), (200, 100), "what", "unit", region=(0.25, 0, 0.75, 1)), 0.5)
    )
    assert np.allclose(one.box_xyxy_px, (50, 0, 150, 100))
    assert one.area_px == 100 * 100


def test_a_slanting_scratch_of_one_pixel_is_one_region() -> None:
    one = _only(regions_of_mask(np.eye(50, dtype=bool)))
    assert one.area_px == 50
    assert one.length_px == pytest.approx(50 * math.sqrt(2), rel=0.02)


def test_without_a_number_that_reaches_the_cut_there_is_no_region() -> None:
    assert regions_of_grid(np.zeros((3, 3)), (30, 30), 1.0) == ()
    assert regions_of_mask(np.zeros((3, 3), bool)) == ()
    assert regions_of_grid(np.full((3, 3), np.nan), (30, 30), 1.0) == ()


def test_what_is_not_known_ends_a_region_and_infinity_is_a_peak() -> None:
    grid = np.full((4, 4), 2.0)
    grid[:, 2:] = np.nan
    grid[0, 0] = math.inf
    one = _only(regions_of_grid(grid, (40, 40), 1.0))
    assert one.peak == math.inf
    assert one.box_xyxy_px[0] == 0
    assert 15 <= one.box_xyxy_px[2] <= 25


@pytest.mark.parametrize("cut", [math.inf, -math.inf, math.nan])
def test_a_cut_that_is_no_number_is_refused(cut: float) -> None:
    with pytest.raises(ShapeError, match="is not finite"):
        regions_of_grid(np.ones((2, 2)), (20, 20), cut)


def test_of_noise_the_largest_regions_are_measured() -> None:
    noise = np.random.default_rng(0).random((600, 600)) > 0.9
    found = regions_of_mask(noise)
    assert len(found) == MOST_REGIONS
    assert [one.area_px for one in found] == sorted((one.area_px for one in found), reverse=True)
    dense = np.random.default_rng(0).random((800, 800)) > 0.5
    largest = regions_of_mask(dense)[0]
    assert largest.rings_px == ((0.0, 0.0, 800.0, 0.0, 800.0, 800.0, 0.0, 800.0),)  # who would draw such an outline?
    assert largest.area_px > 0.49 * 800**2


def test_outlines_are_short_and_cover_what_was_measured() -> None:
    one = _only(regions_of_mask(np.hypot(X - 120, Y - 120) < 90))
    assert len(one.rings_px[0]) // 2 <= 100
    drawn = _only(
        regions_of_detections(Detections((one.box_xyxy_px,), ("a",), outlines=(Outline(one.rings_px),)), (SIZE, SIZE))
    )
    assert _off(drawn.area_px, one.area_px) < 0.01


def test_millimetres_are_those_of_each_direction() -> None:
    mask = np.zeros((60, 60), bool)
    mask[10:20, 10:50] = True
    one = _only(regions_of_mask(mask, (20.0, 5.0)))
    assert np.allclose([one.area_mm2 or 0, one.length_mm or 0, one.width_mm or 0], (4.0, 2.0, 2.0))
    assert one.centre_xy_mm == pytest.approx((1.5, 3.0))
    assert one.resolution_mm == 0.2
    assert told_region(one) == "4 mm², 2 × 2 mm at 30, 15 px"
    same = _only(regions_of_mask(mask))
    assert [same.area_mm2, same.length_mm, same.centre_xy_mm] == [None] * 3


def test_detections_are_measured_by_outline_or_box_from_the_cut_on() -> None:
    mask = np.zeros((100, 200), bool)
    mask[10:30, 20:60] = mask[50:60, 20:30] = True
    turned = oriented_box((100, 50, 60, 20), 30)
    found = Detections(
        ((0, 0, 10, 5), (20, 10, 60, 60), turned.box_xyxy_px, (5, 5, 5, 9), (0, 0, 9, 9)),
        ("box", "mask", "turned", "empty", "faint"),
        (0.9, 0.5, 0.8, 0.9, 0.1),
        outlines=(None, outline_of(mask), turned, None, None),
    )
    by_label = {one.label: one for one in regions_of_detections(found, (200, 100), 0.5, (10.0, 10.0))}
    assert set(by_label) == {"box", "mask", "turned"}
    assert _figures(by_label["box"]) == [50, 10, 5]
    assert by_label["box"].resolution_px is None
    assert by_label["mask"].area_px == 900  # both pieces
    assert len(by_label["mask"].rings_px) == 2
    assert _figures(by_label["turned"]) == pytest.approx([1200, 60, 20])
    assert by_label["turned"].length_mm == pytest.approx(6)
    assert by_label["turned"].peak == 0.8


def test_a_region_touches_places_that_it_reaches_into() -> None:
    hollow = (np.hypot(X - 120, Y - 120) < 60) & (np.hypot(X - 120, Y - 120) > 30)
    one = _only(regions_of_mask(hollow))

    def square(x: float, y: float, half: float) -> tuple[float, ...]:
        return (x - half, y - half, x + half, y - half, x + half, y + half, x - half, y + half)

    assert touches(one, square(120, 120, 100))  # it lies within
    assert touches(one, square(165, 120, 3))  # the place lies within it
    assert touches(one, square(175, 120, 10))
    assert not touches(one, square(120, 120, 10))  # in its hole
    assert not touches(one, square(210, 120, 10))
    assert not touches(one, square(68, 68, 5))  # in its box, beside it


@pytest.mark.parametrize("scale", [0.0, -1.0, math.nan, math.inf, 1e9, (1.0, 0.0), (1.0, 2.0, 3.0), ()])
def test_a_scale_that_measures_nothing_is_refused(scale: float | tuple[float, ...]) -> None:
    with pytest.raises(OptionError, match="give one number of pixels a millimetre"):
        scale_of(scale)
