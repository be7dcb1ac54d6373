"""The nearest product: on scales that neither units nor a wrong label move, and only where it is near and alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from kenpin.errors import OptionError
from kenpin.inspection.nearest import FEWEST, UNLIKE, GoodScale, choose, told
from kenpin.inspection.record import Nearness

DISTANCES = st.lists(st.floats(0.1, 50), min_size=FEWEST, max_size=60)
NEAR = st.lists(st.tuples(st.floats(0.1, 300), st.floats(-3, 60)), min_size=1, max_size=6).map(
    lambda pairs: [Nearness(f"p{number}", 1.0, *pair) for number, pair in enumerate(pairs)]
)
LIMITS, MARGINS = st.floats(0.5, 200), st.floats(1, 5)
CELLS, BOLTS = Nearness("cells", 1.1, 1.05, 0.3), Nearness("bolts", 40.0, 75.3, 25.0)


def _scale(distances: list[float]) -> GoodScale:
    try:
        return GoodScale.of(distances)
    except OptionError:
        assume(False)
        raise


def _numbers(near: Nearness) -> tuple[float, float]:
    return near.times, near.spreads


@given(DISTANCES, st.floats(0.01, 100), st.floats(0.01, 1_000))
def test_the_unit_of_distances_does_not_matter(distances: list[float], unit: float, distance: float) -> None:
    found = _scale(distances).nearness("p", distance)
    scaled = _scale([unit * one for one in distances]).nearness("p", unit * distance)
    assert _numbers(scaled) == pytest.approx(_numbers(found), rel=1e-6, abs=1e-6)


@given(DISTANCES, st.floats(0.01, 1_000), st.floats(0.01, 1_000))
def test_farther_is_never_nearer(distances: list[float], one: float, other: float) -> None:
    scale = _scale(distances)
    near, far = (_numbers(scale.nearness("p", distance)) for distance in sorted((one, other)))
    assert near <= far
    assert _numbers(scale.nearness("p", float(np.median(distances)))) == pytest.approx((1, 0), abs=1e-6)


def test_chi_squares_are_told_in_standard_deviations() -> None:
    # of a chi-square over its k degrees of freedom, as many lie beyond 2 and 3 spreads as of a normal distribution
    draw = np.random.default_rng(0)
    for k in (20, 200):
        scale = GoodScale.of(draw.chisquare(k, 4_000) / k)
        others = np.array([scale.nearness("p", one).spreads for one in draw.chisquare(k, 20_000) / k])
        assert np.mean(others > 2) == pytest.approx(0.0228, abs=0.005)
        assert np.mean(others > UNLIKE) == pytest.approx(0.0013, abs=0.0015)


def test_a_defective_part_that_was_taken_for_a_good_one_hardly_moves_the_scale() -> None:
    good = [*(np.random.default_rng(1).chisquare(100, 40) / 100)]
    clean, spoilt = (_numbers(GoodScale.of(some).nearness("p", 5.0)) for some in (good, [*good, 900.0]))
    assert spoilt == pytest.approx(clean, rel=0.2)


@pytest.mark.parametrize("distances", [[], [1.0, 2.0], [1.0, np.nan] * (FEWEST - 1), [3.0] * 40, [0.0] * 30 + [1.0]])
def test_what_gives_no_scale_is_refused(distances: list[float]) -> None:
    with pytest.raises(OptionError, match=r"too few for a scale|which is no scale"):
        GoodScale.of(distances)


@given(NEAR, LIMITS, MARGINS)
def test_it_is_the_nearest_within_the_limit_and_alone(near: list[Nearness], limit: float, margin: float) -> None:
    choice = choose(near, limit, margin)
    assert [*choice.nearest] == sorted(near, key=lambda one: (one.times, one.product))
    assert choice == choose(near[::-1], limit, margin)
    first = choice.nearest[0]
    rivals = [one for one in near if one is not first and (one.times < margin * first.times or one.spreads < UNLIKE)]
    assert choice.product == (first.product if first.times <= limit and not rivals else None)
    assert first.product in told(choice)
    # who is far away changes nothing
    far = Nearness("far", 9.0, 10_000.0, 1_000.0)
    assert choose([*near, far], limit, margin).product == choice.product


@given(NEAR, LIMITS, MARGINS)
def test_what_looks_like_a_good_part_of_a_product_is_never_given_to_another(
    near: list[Nearness], limit: float, margin: float
) -> None:
    like = {one.product for one in near if one.spreads < UNLIKE}
    chosen = choose(near, limit, margin).product
    assert chosen is None or not like - {chosen}


def test_reasons_tell_both_products_and_why() -> None:
    assert told(choose([CELLS, BOLTS], 100, 1.5)) == (
        "It came without a product; the nearest is cells, 1.05 times as far as its usual good part; the next, bolts, "
        "75.3 times."
    )
    assert told(choose([BOLTS], 50, 1.5)) == (
        "It came without a product and is near none: the nearest is bolts, 75.3 times as far as its usual good part; "
        "50 is the limit."
    )
    assert told(choose([CELLS, replace(BOLTS, times=1.2)], 50, 1.5)).endswith(
        "cells, 1.05 times as far as its usual good part, and bolts, 1.2 times; 1.5 must be between them."
    )
    assert told(choose([CELLS, replace(BOLTS, times=4.0, spreads=2.0)], 50, 1.5)).endswith(
        "and bolts, 4 times; it could be a good part of the latter."
    )
    assert "no product could be measured" in told(choose([], 12, 3))
