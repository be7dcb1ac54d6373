"""Triggers: a frame each so often, or once for each part that is seen, whatever flickers."""

from __future__ import annotations

import itertools
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kenpin.station.sources.naming import Belonging, belonging_by
from kenpin.station.sources.triggers import BrightnessTrigger, ChangeTrigger, DebouncedEdge, EveryTrigger, cut


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=60), st.sampled_from([0.1, 0.5, 1.0, 2.5]))
def test_one_frame_for_each_time_that_has_come(pauses_s: list[float], every_s: float) -> None:
    takes, time_s, taken = EveryTrigger(every_s), 0.0, list[float]()
    for pause_s in pauses_s:
        if takes(time_s):
            taken.append(time_s)
        time_s += pause_s
    assert taken[0] == 0.0
    slots = [int(one / every_s + 1e-6) for one in taken]
    assert len(set(slots)) == len(slots)  # never two in one interval
    seen = sorted({int((sum(pauses_s[:number]) + 1e-6) / every_s) for number in range(len(pauses_s))})
    assert len(slots) == len(seen)  # and one in each in which there was a frame


def test_a_stream_whose_times_begin_again_goes_on() -> None:
    takes = EveryTrigger(1.0)
    assert [takes(time_s) for time_s in (100.0, 100.5, 101.0, 0.0, 0.5, 1.0)] == [True, False, True, True, False, True]


@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 10)), max_size=40),
    st.integers(0, 5),
    st.sampled_from(["rises", "falls"]),
)
def test_an_edge_is_told_once_for_each_side_that_is_kept_to(
    runs: list[tuple[bool, int]], debounce: int, edge: Literal["rises", "falls"]
) -> None:
    """runs: high or low, and for how many frames of a second each."""
    signal = DebouncedEdge(10.0, edge, float(debounce))
    time_s, edges = 0, 0
    for high, frames in runs:
        for _ in range(frames):
            edges += signal.step(float(time_s), 20.0 if high else 0.0)
            time_s += 1
    joined: list[list[int]] = []
    for high, frames in runs:
        if joined and joined[-1][0] == high:
            joined[-1][1] += frames
        else:
            joined.append([high, frames])
    kept = [bool(high) for high, frames in joined if frames > debounce]
    changes = [after for before, after in itertools.pairwise(kept) if before != after]
    assert edges == changes.count(edge == "rises")


def _frame(value: int) -> NDArray[np.uint8]:
    return np.full((20, 30), value, np.uint8)


def _taken(trigger: BrightnessTrigger | ChangeTrigger, frames: list[NDArray[np.uint8]]) -> list[int]:
    return [number for number, frame in enumerate(frames) if trigger(number / 10, lambda frame=frame: frame)]  # type: ignore[misc]


def test_brightness_of_the_region_alone_takes_a_frame() -> None:
    frames = [_frame(0) for _ in range(30)]
    for number in (*range(5, 15), 20, *range(23, 30)):  # a part, a flash, a part
        frames[number][5:10, 10:20] = 200
    inside, outside = (10, 5, 20, 10), (0, 12, 30, 20)
    assert _taken(BrightnessTrigger(DebouncedEdge(100, "rises", 0.2), inside), frames) == [7, 25]
    assert _taken(BrightnessTrigger(DebouncedEdge(100, "falls", 0.2), inside), frames) == [17]
    assert _taken(BrightnessTrigger(DebouncedEdge(100, "rises", 0.2), outside), frames) == []


def test_a_part_is_taken_when_it_has_come_to_rest() -> None:
    frames = [_frame(0) for _ in range(40)]
    for number in range(10, 40):  # it moves in, a column with each frame, and rests from frame 20 on
        frames[number][:, : 3 * min(number - 9, 10)] = 250
    assert _taken(ChangeTrigger(DebouncedEdge(5, "falls", 0.3), None), frames) == [23]
    assert _taken(ChangeTrigger(DebouncedEdge(5, "rises", 0.3), None), frames) == [13]


def test_a_camera_that_changes_its_size_is_no_change_of_the_picture() -> None:
    trigger = ChangeTrigger(DebouncedEdge(5, "rises", 0.0), None)
    assert _taken(trigger, [_frame(0), _frame(0), np.zeros((5, 5), np.uint8), np.zeros((5, 5), np.uint8)]) == []


def test_a_region_outside_of_the_frame_is_the_whole_frame() -> None:
    assert cut(_frame(1), (100, 100, 200, 200)).shape == (20, 30)
    assert cut(_frame(1), (25, 15, 200, 200)).shape == (5, 5)


NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/_"), min_size=1, max_size=12)


@given(NAMES, NAMES, st.integers(0, 10**6))
def test_a_rule_finds_what_a_path_was_made_of(product: str, lot: str, number: int) -> None:
    found = Belonging(product, lot)
    assert belonging_by("{product}/{lot}/*", f"{product}/{lot}/{number}.png") == found
    assert belonging_by("**/{product}/{lot}_*.png", f"a/b/{product}/{lot}_{number}.png") == found
    assert belonging_by("{product}/{lot}/*", f"{product}/{lot}/below/{number}.png") == Belonging()
    assert belonging_by("{product}_{lot}", f"{product}_{lot}") == found


@pytest.mark.parametrize(
    ("rule", "text", "wanted"),
    [
        ("{lot}.*", "a.b.png", Belonging(None, "a")),
        ("(01){product}(10){lot}", "(01)0400(10)L7", Belonging("0400", "L7")),
        ("{lot}/**", "L7/a/b/c.png", Belonging(None, "L7")),
        ("{lot}/x", "L7/y", Belonging()),
        (None, "anything", Belonging()),
    ],
)
def test_rules(rule: str | None, text: str, wanted: Belonging) -> None:
    assert belonging_by(rule, text) == wanted


def test_what_is_found_first_counts() -> None:
    assert Belonging("a", None).or_else(Belonging("b", "L")) == Belonging("a", "L")
