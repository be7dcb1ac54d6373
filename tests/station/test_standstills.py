"""What stands still, and why: each cause from the states that it comes from, the gravest first, else nothing."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.station.clock import SECOND_US
from kenpin.station.intake.product_line import LineState
from kenpin.station.pages.told_standstills import told_standstill
from kenpin.station.running import NotLoaded
from kenpin.station.sinks.delivery import SinkState
from kenpin.station.sources.handing import HandingState
from kenpin.station.sources.running import SourceState
from kenpin.station.standstills import Cause, Standstill, found, hindered
from kenpin.words import LANGUAGES, Texts

NOW = 1_000_000 * SECOND_US
RUNS = LineState(1, 0, None, None, 100, NOW - SECOND_US)
FULL = LineState(1, 0, "a: the disk has 3 bytes left.", "disk", 100, NOW - SECOND_US)
BROKEN = LineState(1, 0, "a: parts cannot be recorded.", "records", 100, NOW - SECOND_US)
STEADY = [NOW - number * 3 * SECOND_US for number in range(1, 50)]


def _source(standing: Any, hindrance: str | None = None, last_us: int | None = NOW - 11 * SECOND_US) -> SourceState:
    parts = HandingState(9, 0, 0, last_us, hindrance, None, None if hindrance is None else last_us)
    return SourceState("door", "folder", standing, NOW, parts, "gone", NOW, None)


def _sink(standing: Any = "up", waiting: int = 0, aside: int = 0, oldest_us: int | None = None) -> SinkState:
    return SinkState("plc", "modbus", standing, NOW, waiting, oldest_us, aside, NOW, "no route", NOW, None)


def _found(line: LineState | None = RUNS, **more: Any) -> list[tuple[Cause, str]]:
    given: dict[str, Any] = {
        "not_loaded": None, "waiting_versions": [], "arrivals_us": STEADY, "sources": [], "sinks": [], "now": NOW,
    }  # fmt: skip
    return [(one.cause, one.name) for one in found("a", line, **given | more)]


def test_nothing_stands_still_while_parts_come() -> None:
    assert _found() == []
    assert _found(sources=[_source("up"), _source("starting"), _source("finished")]) == []
    assert _found(sinks=[_sink(), _sink("starting", 3), _sink(waiting=3)]) == []
    assert _found(sources=[_source("waits", "its queue is full", NOW - SECOND_US)]) == [], "it waits for a moment"
    assert _found(arrivals_us=[NOW - 3600 * SECOND_US]) == [], "of few parts it is not known when the next one comes"


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        ({"line": FULL}, Cause.DISK_FULL),
        ({"line": BROKEN}, Cause.CANNOT_RECORD),
        ({"line": None}, Cause.NO_VERSION),
        ({"line": None, "waiting_versions": [1, 2]}, Cause.VERSION_WAITS),
        ({"line": None, "not_loaded": NotLoaded(1, NOW, "it is damaged")}, Cause.NOT_LOADED),
        ({"not_loaded": NotLoaded(2, NOW, "it is damaged")}, Cause.NOT_LOADED),
        ({"arrivals_us": [one - 100 * SECOND_US for one in STEADY]}, Cause.SILENT),
        ({"sources": [_source("away")]}, Cause.SOURCE_AWAY),
        ({"sources": [_source("waits", "its queue is full")]}, Cause.SOURCE_WAITS),
        ({"sinks": [_sink("away", 7)]}, Cause.SINK_AWAY),
        ({"sinks": [_sink("refuses", 7)]}, Cause.SINK_REFUSES),
        ({"sinks": [_sink(waiting=3, oldest_us=NOW - 90 * SECOND_US)]}, Cause.SINK_BEHIND),
        ({"sinks": [_sink(waiting=1_000)]}, Cause.SINK_BEHIND),
        ({"sinks": [_sink(aside=2)]}, Cause.MESSAGES_ASIDE),
    ],
)
def test_each_cause_is_told(given: dict[str, Any], cause: Cause) -> None:
    ((told, name),) = _found(**given)
    assert told is cause
    assert name == ("door" if given.get("sources") else "plc" if given.get("sinks") else "a")


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["starting", "up", "away", "finished", "waits"]), st.booleans()), max_size=4),
    st.lists(
        st.tuples(st.sampled_from(["starting", "up", "away", "refuses"]), st.sampled_from([0, 3, 1_000]), st.booleans(),
                  st.integers(0, 2)),
        max_size=4,
    ),
)  # fmt: skip
def test_the_menu_counts_each_source_and_sink_of_which_the_page_tells(
    sources: list[tuple[str, bool]], sinks: list[tuple[str, int, bool, int]]
) -> None:
    ins = [
        replace(_source(standing, last_us=NOW - (60 if is_stuck else 1) * SECOND_US), name=f"source {number}")
        for number, (standing, is_stuck) in enumerate(sources)
    ]
    outs = [
        replace(_sink(standing, waiting, aside, NOW - (90 if is_late else 1) * SECOND_US), name=f"sink {number}")
        for number, (standing, waiting, is_late, aside) in enumerate(sinks)
    ]
    told = {name for _, name in _found(sources=ins, sinks=outs) if name != "a"}
    assert hindered(ins, outs, NOW) == len(told)


def test_the_gravest_comes_first_and_a_silence_is_not_told_beside_its_cause() -> None:
    late = [one - 100 * SECOND_US for one in STEADY]
    everything = _found(FULL, sources=[_source("away")], sinks=[_sink("away", 1, aside=1)], arrivals_us=late)
    assert [cause for cause, _ in everything] == [
        Cause.DISK_FULL, Cause.SOURCE_AWAY, Cause.SINK_AWAY, Cause.MESSAGES_ASIDE,
    ]  # fmt: skip


def test_slow_lines_may_be_slow() -> None:
    slow = [NOW - (100 + number * 60) * SECOND_US for number in range(50)]
    assert _found(arrivals_us=slow) == []
    assert _found(arrivals_us=[one - 1_200 * SECOND_US for one in slow]) == [(Cause.SILENT, "a")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_cause_has_a_sentence_with_what_to_do(language: Any) -> None:
    told = [
        told_standstill(Texts(language), Standstill(cause, "door", None, 1_234, None), "Plates", "plates")
        for cause in Cause
    ]
    assert len({one.what for one in told}) == len(Cause)
    for one in told:
        assert one.todo
        assert not re.search(r"%\(|%s", one.what + one.todo)
        assert ("Plates" in one.what) != ("door" in one.what)
    assert "1,200" in told[[*Cause].index(Cause.SINK_AWAY)].what
