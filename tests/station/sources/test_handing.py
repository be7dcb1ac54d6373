"""Handing parts on: each until it has its record, however full the line is, and none twice."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import create_engine
from sqlalchemy.pool import StaticPool

from kenpin.errors import OptionError
from kenpin.inspection.record import PartRecord
from kenpin.station.arrival import Arrival, LineFullError, LineStoppedError, PartArrival
from kenpin.station.sources import handing as handing_module
from kenpin.station.sources.contract import KINDS, SourceAwayError, SourceOptions
from kenpin.station.sources.handing import Handing
from kenpin.station.sources.running import RunningSource, RunningSources
from kenpin.station.store.metadata import METADATA
from kenpin.station.store.source_tables import SOURCE_FILES, StoredFiles
from tests.station.sinks.told_events import until
from tests.station.sources.lines import MadeLine, MemorySeen, place, record_of, running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handing_module, "_LONGEST_PAUSE_S", 0.001)
    monkeypatch.setattr(handing_module, "_LOOKS_EVERY_S", 0.001)


def _arrival(number: int) -> Arrival:
    return Arrival(f"p{number}", b"x" * number)


OUTCOMES = st.sampled_from(["record", "full", "stopped", "full later", "stopped later", "refused", "refused later"])


@given(st.lists(OUTCOMES, max_size=40), st.integers(1, 4))
def test_each_part_gets_its_record_or_is_refused_once(outcomes: list[str], most: int) -> None:
    coming: Iterator[str] = iter(outcomes)
    recorded: list[str] = []
    refused: list[str] = []
    on_their_way = 0

    def submit(arrival: Arrival | PartArrival) -> Future[PartRecord]:
        nonlocal on_their_way
        outcome = next(coming, "record")
        errors = {
            "full": LineFullError("full", 0.0),
            "stopped": LineStoppedError("stopped"),
            "refused": OptionError("no"),
        }
        word = outcome.split()[0]
        if outcome in errors:
            if word == "refused":
                refused.append(arrival.id)
            raise errors[outcome]
        answer: Future[PartRecord] = Future()
        if outcome == "record":
            recorded.append(arrival.id)
            answer.set_result(record_of(arrival))
        else:
            if word == "refused":
                refused.append(arrival.id)
            answer.set_exception(errors[word])
        return answer

    handing = Handing(submit, threading.Event(), most=most)
    done: dict[str, PartRecord | None] = {}
    for number in range(10):

        def note(record: PartRecord | None, id: str = f"p{number}") -> None:
            assert id not in done
            done[id] = record

        assert handing.hand(_arrival(number), note)
        assert len(handing) <= most
    handing.finish()
    assert set(done) == {f"p{number}" for number in range(10)}
    assert {id for id, record in done.items() if record is None} == set(refused)
    assert sorted(recorded) == sorted(set(done) - set(refused))
    state = handing.state
    assert (state.recorded, state.refused) == (len(recorded), len(refused))


def test_a_full_line_is_waited_for_and_shown() -> None:
    full = threading.Event()
    full.set()

    def submit(arrival: Arrival | PartArrival) -> Future[PartRecord]:
        if full.is_set():
            raise LineFullError("valve: 64 parts wait already.", 5.0)
        answer: Future[PartRecord] = Future()
        answer.set_result(record_of(arrival))
        return answer

    handing = Handing(submit, threading.Event())
    thread = threading.Thread(target=handing.hand, args=(_arrival(1),))
    thread.start()
    until(lambda: handing.state.hindrance == "valve: 64 parts wait already.")
    full.clear()
    thread.join()
    assert handing.state.hindrance is None


def test_a_station_that_ends_is_not_waited_for() -> None:
    stop = threading.Event()

    def submit(arrival: Arrival | PartArrival) -> Future[PartRecord]:
        raise LineStoppedError("closing")

    handing = Handing(submit, stop)
    thread = threading.Timer(0.02, stop.set)
    thread.start()
    assert not handing.hand(_arrival(1))
    thread.join()
    never: Future[PartRecord] = Future()
    stop.clear()
    waiting = Handing(lambda arrival: never, stop, most=1)
    assert waiting.hand(_arrival(1))
    thread = threading.Timer(0.02, stop.set)
    thread.start()
    assert not waiting.hand(_arrival(2))
    waiting.finish()
    thread.join()


# ---- running ----


class _Failing:
    """A kind of source that fails so often, and then hands on one part."""

    SUMMARY = NEEDS = "A test."
    OPTIONS = SourceOptions

    def __init__(self, failures: int, at: str) -> None:
        self.failures, self.at, self.opened = failures, at, 0

    def open(self, options: SourceOptions, place: Any) -> _Failing:
        self.opened += 1
        if self.at == "open" and self.opened <= self.failures:
            raise SourceAwayError("camera: there is none; it is tried again.")
        return self

    def run(self, handing: Handing) -> None:
        if self.at == "run" and self.opened <= self.failures:
            raise KeyError("what nobody thought of")
        handing.hand(_arrival(1))
        handing.finish()


@pytest.mark.parametrize(("at", "told"), [("open", "camera: there is none"), ("run", "KeyError: 'what nobody")])
def test_a_source_that_fails_is_shown_and_tried_again(tmp_path: Path, at: str, told: str) -> None:
    line, kind = MadeLine(), _Failing(3, at)
    with running(line, tmp_path, kind) as source:
        until(lambda: source.state.standing == "finished")
        assert kind.opened == 4
        assert told in (source.state.last_error or "")
        assert source.state.next_try_us is None
        assert source.state.parts.recorded == 1
    assert line.ids == ["p1"]


def test_a_source_that_is_away_says_when_it_is_tried_again_and_ends_at_once(tmp_path: Path) -> None:
    began_s = time.monotonic()
    with running(MadeLine(), tmp_path, _Failing(99, "open"), first_wait_s=60.0, longest_wait_s=60.0) as source:
        until(lambda: source.state.standing == "away")
        assert source.state.next_try_us is not None
    assert time.monotonic() - began_s < 5


def test_a_person_need_not_wait_for_a_source_that_is_away(tmp_path: Path) -> None:
    kind = _Failing(1, "open")
    with running(MadeLine(), tmp_path, kind, first_wait_s=60.0, longest_wait_s=60.0) as source:
        until(lambda: source.state.standing == "away")
        away = source.state
        source.try_now()
        until(lambda: source.state.standing == "finished", 10)
        assert source.state.since_us > away.since_us
        source.try_now()  # nothing to try
    assert kind.opened == 2


def test_sources_do_not_stop_each_other(tmp_path: Path) -> None:
    settings: dict[str, dict[str, Any]] = {
        "gone": {"kind": "video", "file": "none.mp4", "first_wait_s": 0.01},
        "here": {"kind": "folder", "folder": "in"},
    }
    (tmp_path / "in").mkdir()
    sources = RunningSources(
        settings, MadeLine().submit, folder=tmp_path, asides=tmp_path, seen=lambda name: MemorySeen()
    )
    sources.start()
    until(lambda: [one.standing for one in sources.states] == ["away", "up"])
    sources.close(10)
    assert "none.mp4: cannot be read (No such file" in (sources.states[0].last_error or "")


# ---- settings and memory ----


def test_each_kind_says_what_it_is_and_what_it_needs() -> None:
    assert KINDS.names() == ("camera", "folder", "stream", "video")
    for name in KINDS.names():
        kind = KINDS.get(name)
        assert kind.SUMMARY
        assert kind.NEEDS.endswith(".")
        assert all(one.description and one.description.endswith(".") for one in kind.OPTIONS.model_fields.values())


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "source 'line-1': `kind` is missing; there are camera, folder, stream, video."),
        ({"kind": "foldr"}, "did you mean `folder`?"),
        ({"kind": "folder", "fodler": "x"}, "unknown option `fodler`; did you mean `folder`?"),
        ({"kind": "folder", "folder": "x", "path": "{lto}/*"}, "{lto} is not known; did you mean `lot`?"),
        ({"kind": "folder", "folder": "x", "path": "*.png"}, "names neither {product} nor {lot}"),
        ({"kind": "folder", "folder": "x", "path": "{lot"}, "has a brace without its other half"),
        ({"kind": "folder", "folder": "x", "path": "{lot}/{lot}"}, "{lot} is there twice"),
        ({"kind": "folder", "folder": "x", "barcode_region": [0, 0, 9, 9]}, "is of no use without `barcode`"),
        ({"kind": "video", "file": "x", "region": [9, 0, 9, 9]}, "[9, 0, 9, 9] is not a region"),
        ({"kind": "stream", "url": "file:///etc/passwd"}, "is not an address of a stream"),
        ({"kind": "stream", "url": "rtsp://user:secret@camera/1"}, "the address holds a password"),
        ({"kind": "stream", "url": "rtsp://c/1", "ffmpeg": {"protocol_whitelist": "file"}}, "cannot be set"),
        ({"kind": "camera", "size": "large"}, "option `size` is 'large'"),
    ],
)
def test_wrong_settings_are_one_sentence(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        RunningSources(
            {"line-1": values}, MadeLine().submit, folder=tmp_path, asides=tmp_path, seen=lambda _: MemorySeen()
        )
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("source 'line-1': ")
    assert "secret" not in str(refused.value)


def test_the_memory_of_a_source_is_its_own_and_holds_the_last_state() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    METADATA.create_all(engine, tables=[SOURCE_FILES])
    one, other = StoredFiles(engine, "a", "n"), StoredFiles(engine, "b", "n")
    many = {f"folder/{number}.png": (number, number * 10**9) for number in range(1200)}
    one.add({})
    one.add(many)
    one.add({"folder/7.png": (1, 2), "x" * 4000: (2**40, 2**62)})
    assert one.all() == many | {"folder/7.png": (1, 2), "x" * 4000: (2**40, 2**62)}
    assert other.all() == {}
    one.remove([*many])
    assert [*one.all()] == ["x" * 4000]
    engine.dispose()


def test_a_source_needs_no_thread_to_be_described(tmp_path: Path) -> None:
    source = RunningSource("made", _Failing(0, "run"), SourceOptions(), place(tmp_path), MadeLine().submit)
    assert source.state.standing == "starting"
    source.close()
