"""Class names tell which class is the good one, and which ones a mirrored picture would swap."""

from __future__ import annotations

from difflib import SequenceMatcher
from itertools import combinations
from time import process_time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.data import flip_classes
from kenpin.data.flip_classes import Axis, flip_swapped_pairs
from kenpin.data.ok_labels import guess_ok_labels
from kenpin.nearest import did_you_mean, nearest_name

FULL_WIDTH_OK = "\uff2f\uff2b品"


@pytest.mark.parametrize(
    "name",
    [
        "ok",
        "OK",
        "Good",
        "passed",
        "NORMAL",
        "intact",
        "no_defect",
        "no defect",
        "i.O.",
        "良品",
        "合格",
        FULL_WIDTH_OK,
        "정상",
    ],
)
def test_names_of_good_parts(name: str) -> None:
    assert guess_ok_labels(["scratch", name, "不良"]) == (name,)


@pytest.mark.parametrize(
    "name", ["not ok", "ng", "不合格", "不良品", "defect", "n.i.O.", "abnormal", "good_0_bad", "", "_"]
)
def test_other_names_are_not_good(name: str) -> None:
    assert guess_ok_labels([name]) == ()


def test_several_good_classes_keep_their_order() -> None:
    assert guess_ok_labels(["pass", "ng", "OK"]) == ("pass", "OK")


@pytest.mark.parametrize(
    ("first", "second", "axes"),
    [
        ("Xplus", "Xminus", "x"),
        ("Yplus", "Yminus", "y"),
        ("x+", "x-", "x"),
        ("+X", "-X", "x"),
        ("shift_x_plus", "shift_x_minus", "x"),
        ("plus_y", "minus_y", "y"),
        ("shiftYneg", "shiftYpos", "y"),
        ("x\N{MINUS SIGN}", "x+", "x"),
        ("left", "right", "x"),
        ("Bent-Left", "Bent-Right", "x"),
        ("bentLeft", "bentRight", "x"),
        ("edge_l", "edge_r", "x"),
        ("左ずれ", "右ずれ", "x"),
        ("上ずれ", "下ずれ", "y"),
        ("upper crack", "lower crack", "y"),
        ("top", "bottom", "y"),
        ("top left", "top right", "x"),
        ("oben", "unten", "y"),
        ("cw", "ccw", "xy"),
        ("counter-clockwise", "clockwise", "xy"),
    ],
)
def test_opposites_are_found_in_either_order(first: str, second: str, axes: str) -> None:
    assert flip_swapped_pairs(["ok", first, second]) == [(first, second, axis) for axis in axes]
    assert flip_swapped_pairs([second, "ok", first]) == [(second, first, axis) for axis in axes]


@pytest.mark.parametrize(
    "classes",
    [
        ["Xplus", "Yplus"],
        ["Xplus", "Yminus"],
        ["left"],
        ["left", "left"],
        ["plus", "minus"],
        ["copyright", "copyleft"],
        ["solder-bridge", "solder"],
        ["ok", "ng"],
        ["up", "left"],
        ["positive", "negative"],
        ["5+", "5-"],
        ["left crack", "right dent"],
        ["uplift", "downlift"],
    ],
)
def test_other_names_are_no_pair(classes: list[str]) -> None:
    assert flip_swapped_pairs(classes) == []


def test_all_four_directions() -> None:
    assert flip_swapped_pairs(["passed", "Xplus", "Xminus", "Yplus", "Yminus"]) == [
        ("Xplus", "Xminus", "x"),
        ("Yplus", "Yminus", "y"),
    ]


def test_corners_are_swapped_along_both_axes() -> None:
    assert flip_swapped_pairs(["top left", "top right", "bottom left", "bottom right"]) == [
        ("top left", "top right", "x"),
        ("bottom left", "bottom right", "x"),
        ("top left", "bottom left", "y"),
        ("top right", "bottom right", "y"),
    ]


_WORDS = st.sampled_from(
    [
        *"lrxy+-7左右_",
        "left",
        "right",
        "up",
        "down",
        "clockwise",
        "counterclockwise",
        "anticlockwise",
        "plus",
        "Xplus",
        "edge",
    ]
)


@given(st.lists(st.lists(_WORDS, max_size=5).map(" ".join), max_size=12))
def test_pairs_are_those_of_comparing_every_two_names(names: list[str]) -> None:
    tokens = {name: flip_classes._tokens(name) for name in names}
    axes: tuple[Axis, ...] = ("x", "y")
    assert flip_swapped_pairs(names) == [
        (first, second, axis)
        for axis in axes
        for first, second in combinations(tokens, 2)
        if flip_classes._are_mirrored(tokens[first], tokens[second], axis, flip_classes._opposites(axis))
    ]


@given(st.text("abclsier-_A", max_size=12), st.lists(st.text("abclsier-_A", max_size=12), max_size=6))
def test_the_nearest_name_is_that_of_comparing_all_in_full(name: str, known: list[str]) -> None:
    def bare(text: str) -> str:
        return text.casefold().replace("_", "-").strip("-")

    ratios = {one: SequenceMatcher(None, bare(one), bare(name)).ratio() for one in known}
    near = {one: ratio for one, ratio in ratios.items() if ratio >= (0.5 if bare(one)[:1] == bare(name)[:1] else 0.7)}
    assert nearest_name(name, known) == max(near, key=near.__getitem__, default=None)


def test_thousands_of_classes_and_endless_names_take_moments() -> None:
    began_s = process_time()
    names = [f"class {number}" for number in range(16_000)]
    assert flip_swapped_pairs([*names, "left edge", "right edge"]) == [("left edge", "right edge", "x")]
    endless = "x" * 50_000_000
    assert flip_swapped_pairs([endless, endless + "left"]) == []
    assert len(did_you_mean(endless, [*names, endless])) < 200
    assert process_time() - began_s < 4
