"""The page of the machine: how sources and sinks stand and since when, and what a person does about them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.clock import now_us
from kenpin.station.running import Station
from kenpin.station.settings import RetentionRule, StationSettings
from kenpin.station.sinks.delivery import SinkState
from kenpin.station.sinks.message import part_of
from kenpin.station.store.sink_tables import SinkMarks
from kenpin.station.told import Told
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, NotAllowedError, Person, Right, Role
from tests.station.conftest import SignIn
from tests.station.sinks.ports import free_port


@pytest.fixture
def station(tmp_path: Path, settings: StationSettings) -> Iterator[Station]:
    """A station whose source is missing, and of whose two sinks one does not answer."""
    patient = {"first_wait_s": 600.0, "longest_wait_s": 600.0}
    settings = settings.model_copy(
        update={
            "sources": {"camera": {"kind": "video", "file": "film.mp4", **patient}},
            "sinks": {
                "mes": {"kind": "webhook", "url": f"http://127.0.0.1:{free_port()}/parts", **patient},
                "files": {"kind": "folder", "folder": str(tmp_path / "out")},
            },
            "retention": (RetentionRule(after_days=30, verdicts=(Verdict.PASS,), reviewed=False),),
        }
    )
    with Station(tmp_path / "station", settings, engine="torch") as opened:
        yield opened


def _until(holds: Callable[[], object], seconds: float = 20.0) -> None:
    ends_s = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends_s, "it did not come to pass"
        time.sleep(0.02)


def _deeds(station: Station) -> list[tuple[str, str, dict[str, object]]]:
    entries = read_entries(station.trail.path)
    return [(one.who, one.what, dict(one.about)) for one in entries if one.what.startswith(("s", "m"))][-9:]


def _put_aside(station: Station, *positions: int) -> None:
    """Messages of one part that the sink `mes` refused, and those that wait behind."""
    marks = SinkMarks(station.store, "mes", station.settings.node)
    for position in positions:
        told = Told(
            position, "judged", "parts", 1, "2026-11-27T10:00:00.000000+00:00", "a.png", "c0", None, Verdict.FAIL
        )
        first = position == positions[0]
        marks.put_aside(told, part_of(told), "400: no such lot" if first else "It waits.", 3 if first else 0)


def test_it_shows_how_each_stands_since_when_and_what_waits(sign_in: SignIn, station: Station, few_parts: Path) -> None:
    browser = sign_in(Role.ENGINEER)
    began_us = now_us()
    picture = next(few_parts.glob("*/*")).read_bytes()
    for number in range(3):
        assert browser.post("/api/v1/parts", params={"id": f"{number}"}, content=picture).status_code == 200

    def state(name: str) -> SinkState:
        return next(one for one in station.sinks.states if one.name == name)

    _until(lambda: state("mes").standing == "away" and state("files").waiting == 0)
    _until(lambda: station.sources.states[0].standing == "away")
    away, up = state("mes"), state("files")
    assert away.waiting == 3
    assert away.oldest_us is not None
    assert began_us <= away.oldest_us <= now_us()
    assert (up.oldest_us, up.standing) == (None, "up")
    assert state("mes").since_us == away.since_us, "since when it is away, not since the last try"
    assert '<span class="hidden">2 stand still</span>' in browser.get("/line").text
    page = browser.get("/machine").text
    for text in ("cannot be reached", "film.mp4", "3 events wait", "the oldest for", "after 30 days where", "kenpin"):
        assert text in page, text
    assert "torch" in page
    assert 'id="now"' in browser.get("/machine/now").text


def test_a_person_tries_again_at_once_and_the_trail_knows(sign_in: SignIn, station: Station) -> None:
    browser = sign_in(Role.ENGINEER)
    _until(lambda: station.sources.states[0].standing == "away")
    before = station.sources.states[0].last_error_us
    assert browser.post("/machine/source", data={"name": "camera"}).url.path == "/machine"
    _until(lambda: station.sources.states[0].last_error_us != before)
    assert browser.post("/machine/sink", data={"name": "mes", "deed": "try"}).url.path == "/machine"
    assert _deeds(station)[-2:] == [
        ("ann", "source-tried", {"source": "camera"}),
        ("ann", "sink-tried", {"sink": "mes"}),
    ]
    refused = browser.post("/machine/sink", data={"name": "mess", "deed": "try"})
    assert (refused.status_code, "did you mean `mes`" in refused.text) == (400, True)
    assert browser.post("/machine/sink", data={"name": "mes", "deed": "explode"}).status_code == 404


def test_a_message_is_given_up_for_a_reason_or_sent_again(sign_in: SignIn, station: Station) -> None:
    browser = sign_in(Role.ENGINEER)
    _put_aside(station, 4, 5)
    page = browser.get("/machine").text
    assert "400: no such lot" in page
    assert "Messages that mes refused" in page
    form = {"name": "mes", "deed": "give-up", "position": "4"}
    refused = browser.post("/machine/sink", data=form | {"reason": " "})
    assert (refused.status_code, "for a reason" in refused.text) == (400, True)
    assert browser.post("/machine/sink", data=form | {"position": "7", "reason": "x"}).status_code == 400
    sink = station.sinks.of("mes")
    assert [one.told.position for one in sink.asides(9)] == [4, 5]
    assert browser.post("/machine/sink", data=form | {"reason": "the lot is gone"}).url.path == "/machine"
    assert [one.told.position for one in sink.asides(9)] == [5]
    _put_aside(station, 6)
    assert browser.post("/machine/sink", data={"name": "mes", "deed": "again", "position": "6"}).status_code == 200
    assert [one.told.position for one in sink.asides(9) if one.again][-1] == 6
    assert browser.post("/machine/sink", data={"name": "mes", "deed": "all-again"}).status_code == 200
    about = {"sink": "mes", "position": 4, "event": "judged", "product": "parts", "part": "a.png"}
    assert _deeds(station)[-3:] == [
        ("ann", "message-given-up", {**about, "reason": "the lot is gone"}),
        ("ann", "messages-sent-again", {**about, "position": 6}),
        ("ann", "messages-sent-again", {"sink": "mes"}),
    ]


@pytest.mark.parametrize("role", [role for role in Role if Right.OPERATE not in RIGHTS_OF[role]])
def test_who_lacks_the_right_does_nothing(station: Station, role: Role) -> None:
    _put_aside(station, 4)
    person, operating, entries = Person("ren", role, RIGHTS_OF[role], None), station.operating, len(station.trail)
    deeds: tuple[Callable[[], None], ...] = (
        lambda: operating.try_source(person, "camera"),
        lambda: operating.try_sink(person, "mes"),
        lambda: operating.send_again(person, "mes"),
        lambda: operating.give_up(person, "mes", 4, "because"),
    )
    for deed in deeds:
        with pytest.raises(NotAllowedError, match="takes the right operate"):
            deed()
    assert len(station.trail) == entries
    with pytest.raises(OptionError, match="source 'camra' is not in the settings; did you mean `camera`"):
        operating.try_source(CONSOLE, "camra")


def test_forms_of_refused_messages_stand_outside_of_what_is_loaded_anew(sign_in: SignIn, station: Station) -> None:
    """Else a reason that somebody types would be gone with the next look."""
    browser = sign_in(Role.ENGINEER)
    _put_aside(station, 4)
    assert not re.search(r'name="reason"', browser.get("/machine/now").text)
    assert re.search(r'name="reason"', browser.get("/machine").text)
