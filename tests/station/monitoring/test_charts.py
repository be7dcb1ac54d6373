"""Charts of a line: limits that hold what they promise, shifts that are found where they begin, alarms that end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from kenpin.station.monitoring.charts import CALM, KEPT_PARTS, ControlChart, LineCharts, running_since
from kenpin.station.monitoring.stretches import (
    SHARE_OF,
    SUBGROUP,
    Charted,
    LineReference,
    Stretch,
    level_beginning,
    reference_of,
    searched,
)
from tests.station.monitoring.made import BEGAN_US, EVERY_US, skewed, stretch

PARTS = 500


def _reference(**more: NDArray[np.float64]) -> LineReference:
    draw = np.random.default_rng(0)
    measures = {"distance": skewed(draw, PARTS), **more}
    return reference_of(stretch(1, draw.random(PARTS) < 0.02, **measures))


def _of(charts: LineCharts, kind: Charted) -> ControlChart:
    (found,) = [one for one in charts.charts if one.kind is kind]
    return found


def test_a_shift_at_a_known_part_alarms_soon_after_it_and_names_it() -> None:
    draw = np.random.default_rng(1)
    before, after = skewed(draw, 2_000), skewed(draw, 300) * 1.5
    charts = LineCharts(_reference(), 100_000)
    charts.add(stretch(PARTS + 1, distance=before))
    assert not any(one.began for one in charts.charts)
    charts.add(stretch(PARTS + 2_001, distance=after))
    alarm = charts.alarm
    assert alarm is not None
    assert (alarm.kind, alarm.is_high, alarm.may_be_older) == (Charted.DISTANCE, True, False)
    assert alarm.began is not None
    assert PARTS + 2_000 < alarm.began.first_seq <= PARTS + 2_050
    assert alarm.began.first_us == BEGAN_US + alarm.began.first_seq * EVERY_US
    charts.add(stretch(PARTS + 2_301, distance=skewed(draw, 300)))
    assert charts.alarm is None, "it has ended"
    assert _of(charts, Charted.DISTANCE).chart.alarms, "and can still be seen"


def test_more_failures_alarm_and_pictures_that_grow_dark() -> None:
    draw = np.random.default_rng(2)
    charts = LineCharts(_reference(brightness=draw.normal(120, 2, PARTS)), 100_000)
    later = {"distance": skewed(draw, 2_000), "brightness": draw.normal(120, 2, 2_000)}
    failed = draw.random(2_000) < np.where(np.arange(2_000) < 1_000, 0.02, 0.2)
    charts.add(stretch(PARTS + 1, failed, **later))
    assert charts.alarm is not None
    assert charts.alarm.kind is Charted.FAIL
    assert charts.alarm.began is not None
    assert charts.alarm.began.first_seq == PARTS + 1_001
    charts.add(stretch(PARTS + 2_001, distance=skewed(draw, 200), brightness=draw.normal(112, 2, 200)))
    dark = _of(charts, Charted.BRIGHTNESS)
    assert dark.began is not None
    assert not dark.is_high
    assert PARTS + 2_000 < dark.began.first_seq <= PARTS + 2_030


@pytest.mark.parametrize(
    ("parts", "every", "later"),
    [(250, 2_000, 4_000), (500, 2_000, 4_000), (2_000, 2_000, 4_000), (250, 50_000, 20_000)],
)
def test_lines_without_a_change_alarm_as_rarely_as_promised(parts: int, every: int, later: int) -> None:
    """As many false alarms as promised, or fewer, over lines each with its own reference."""
    lines = 200 if every < 50_000 else 80
    draw = np.random.default_rng(3)
    begun = dict.fromkeys(Charted, 0)
    for _ in range(lines):
        reference = level_beginning(_line(draw, searched(parts)), parts)
        assert reference is not None
        charts = LineCharts(reference, every)
        charts.add(_line(draw, later))
        for chart in charts.charts:
            begun[chart.kind] += _begun(chart.chart.alarms)
    expected = lines * later / every
    assert sum(begun.values()) < expected, begun
    assert sum(begun.values()) > 0.15 * expected, "limits so wide would find nothing"
    for kind, count in begun.items():
        assert count < 1.25 * expected / 4, (kind, begun)


def test_a_chain_of_parts_is_no_level_beginning_and_its_own_limits_hold() -> None:
    """Parts of which each is like the one before alarm all the time where limits take them for independent."""
    draw = np.random.default_rng(4)
    chain = _chain(draw, searched(PARTS), 0.98)
    assert level_beginning(stretch(1, distance=chain), PARTS) is None
    outside = total = 0
    for _ in range(40):
        values = _chain(draw, 20_000, 0.98)
        reference = reference_of(stretch(1, distance=values[:10_000]))
        assert not reference.is_level
        charts = LineCharts(reference, 3 * SUBGROUP * 200.0)
        charts.add(stretch(10_001, distance=values[10_000:]))
        chart = _of(charts, Charted.DISTANCE)
        assert not chart.is_level
        outside += len(chart.chart.alarms)
        total += len(chart.points)
    assert outside / total < 2 / 600


def test_the_beginning_is_the_first_level_stretch() -> None:
    draw = np.random.default_rng(5)
    warming_up = np.linspace(2, 0, 400) + skewed(draw, 400)
    whole = stretch(1, distance=np.concatenate([warming_up, skewed(draw, 1_000)]))
    found = level_beginning(whole, PARTS)
    assert found is not None
    assert 250 < found.last_seq - PARTS + 1 <= 501, "it begins where the line is warm, or nearly so"
    assert level_beginning(whole[:PARTS], PARTS) is None
    assert level_beginning(whole[: PARTS - 1], PARTS) is None


def test_what_does_not_vary_or_is_lacking_is_not_charted() -> None:
    draw = np.random.default_rng(6)
    lacking = np.where(np.arange(PARTS) % 2, np.nan, draw.normal(size=PARTS))
    found = _reference(brightness=np.full(PARTS, 128.0), contrast=lacking, score=draw.normal(size=PARTS))
    assert found.kinds == (Charted.DISTANCE, Charted.FAIL, Charted.REVIEW)
    assert found.constant == (Charted.BRIGHTNESS,)
    with_score = reference_of(stretch(1, score=draw.normal(size=PARTS)))
    assert Charted.SCORE in with_score.kinds


def test_parts_without_a_value_count_for_shares_alone() -> None:
    draw = np.random.default_rng(7)
    distance = skewed(draw, 200)
    distance[::2] = np.nan
    charts = LineCharts(_reference(), 100_000)
    charts.add(stretch(PARTS + 1, distance=distance))
    assert len(_of(charts, Charted.DISTANCE).points) == 100 // SUBGROUP
    assert len(_of(charts, Charted.FAIL).points) == 200 // SHARE_OF


@given(cuts=st.lists(st.integers(1, 700), max_size=6).map(sorted), data=st.integers(0, 5))
def test_it_does_not_matter_in_which_pieces_parts_come(cuts: list[int], data: int) -> None:
    draw = np.random.default_rng(data)
    whole = stretch(PARTS + 1, distance=skewed(draw, 700), failed=draw.random(700) < 0.1)
    at_once, piece_by_piece = LineCharts(_reference(), 5_000), LineCharts(_reference(), 5_000)
    at_once.add(whole)
    for begin, end in zip([0, *cuts], [*cuts, 700], strict=True):
        piece_by_piece.add(whole[begin:end])
        assert len(piece_by_piece.charts) == len(at_once.charts)
    assert piece_by_piece.charts == at_once.charts


def test_points_are_kept_up_to_a_bound_and_an_old_alarm_says_so() -> None:
    draw = np.random.default_rng(8)
    charts = LineCharts(_reference(), 100_000)
    charts.add(stretch(PARTS + 1, distance=10 + skewed(draw, KEPT_PARTS + 500)))
    chart = _of(charts, Charted.DISTANCE)
    assert len(chart.points) == KEPT_PARTS // SUBGROUP
    assert chart.may_be_older
    assert chart.last(50).points == chart.points[-50:]
    assert len(chart.last(50).chart.values) == 50
    assert chart.last(50).since == 0


def test_an_alarm_runs_until_points_in_a_row_are_within() -> None:
    assert running_since([], 9) is None
    assert running_since([8], 9) == 8
    assert running_since([4, 5, 8], 9) == 4
    assert running_since([1, 5, 8], 9) == 5
    assert running_since([8], 9 + CALM - 1) == 8
    assert running_since([8], 9 + CALM) is None


def _line(draw: np.random.Generator, count: int) -> Stretch:
    failed = draw.random(count) < 0.03
    return stretch(1, distance=skewed(draw, count), brightness=draw.normal(120, 2, count), failed=failed)


def _chain(draw: np.random.Generator, count: int, like_the_last: float) -> NDArray[np.float64]:
    from scipy.signal import lfilter

    noise = draw.normal(size=count) * np.sqrt(1 - like_the_last**2)
    return np.asarray(lfilter([1.0], [1.0, -like_the_last], noise))


def _begun(outside: tuple[int, ...]) -> int:
    """How many alarms there were."""
    return sum(1 for before, place in zip((-1_000, *outside), outside, strict=False) if place - before > CALM)
