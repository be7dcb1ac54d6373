"""Delivery to sinks: each event at least once, in order per part, whatever dies and whatever is refused."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, delete
from sqlalchemy.exc import OperationalError

from kenpin.errors import OptionError, RunError
from kenpin.records import Verdict
from kenpin.station.sinks.contract import KINDS, MessageRefusedError, SinkAwayError, SinkOptions
from kenpin.station.sinks.deliveries import Deliveries
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.sinks.message import as_bytes, key_of, message_of, part_of
from kenpin.station.store.sink_tables import SINK_ASIDES, SINK_CURSORS, SinkMarks
from kenpin.station.store.tables import micros_of
from kenpin.station.told import Told, ToldKind
from kenpin.station.waits import wait_s
from tests.station.sinks.told_events import (
    QUICK,
    MemoryEvents,
    ToldSink,
    delivery_to,
    file_store,
    memory_store,
    place,
    told,
    until,
)


@pytest.fixture
def store() -> Iterator[Engine]:
    engine = memory_store()
    yield engine
    engine.dispose()


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    """For the many examples of a property, each of which empties it."""
    engine = memory_store()
    yield engine
    engine.dispose()


def _emptied(engine: Engine) -> Engine:
    with engine.begin() as connection:
        for table in (SINK_CURSORS, SINK_ASIDES):
            connection.execute(delete(table))
    return engine


def _never_backwards(events: list[Told]) -> bool:
    """Whether each part is told in the order of its events, the same again allowed."""
    by_part: dict[str, int] = defaultdict(int)
    for one in events:
        if one.position < by_part[part_of(one)]:
            return False
        by_part[part_of(one)] = one.position
    return True


def _turn_to_the_end(delivery: Delivery) -> None:
    """Deliver in this thread until nothing is left, as its thread would, without the waiting."""
    for _ in range(10_000):
        try:
            if not delivery.turn():
                return
        except Exception as error:  # noqa: BLE001 as the thread does
            delivery.failed(error)
    raise AssertionError("it never ends")


# ---- at least once, in order ----


def test_a_sink_that_is_dead_for_a_while_is_told_all_in_order(tmp_path: Path) -> None:
    engine = file_store(tmp_path)
    events = MemoryEvents()
    sink = ToldSink()

    def dies_at_times(one: Told) -> None:
        if 100 <= len(sink.told) < 110 or (one.position % 97 == 0 and sink.opened % 2):
            sink.told.append(sink.told[-1])  # so that the first outage ends
            raise SinkAwayError("It is dead.")

    sink.before = dies_at_times
    delivery = delivery_to(sink, events, engine, first_wait_s=0.001, longest_wait_s=0.002)
    delivery.start()
    for position in range(1, 501):
        events.add(told(position, f"part-{position % 50}", "judged" if position <= 50 else "reviewed"))
        delivery.wake()
    until(lambda: delivery.state.waiting == 0)
    state = delivery.state
    delivery.close()
    engine.dispose()
    assert {one.position for one in sink.told} == set(range(1, 501))
    assert _never_backwards(sink.told)
    assert (state.standing, state.aside, state.last_error) == ("up", 0, "It is dead.")
    assert sink.closed == sink.opened > 1


class Killed(BaseException):
    """The process is killed here."""


class _Dying:
    """Anything whose calls are killed at a step, before or after they were done."""

    def __init__(self, inner: Any, steps: list[int]) -> None:
        self._inner, self._steps = inner, steps

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._inner, name)
        if not callable(value):
            return value

        def call(*args: Any, **named: Any) -> Any:
            self._step()
            answer = value(*args, **named)
            self._step()
            return _Dying(answer, self._steps) if name == "open" else answer

        return call

    def _step(self) -> None:
        self._steps[0] -= 1
        if self._steps[0] == 0:
            raise Killed


@given(
    parts=st.lists(st.integers(0, 3), min_size=1, max_size=12),
    kills=st.lists(st.integers(1, 30), max_size=6),
    refused=st.sets(st.integers(1, 12), max_size=3),
)
def test_killed_at_any_step_and_started_again_it_loses_none(
    shared: Engine, parts: list[int], kills: list[int], refused: set[int]
) -> None:
    engine = _emptied(shared)
    events = MemoryEvents([told(number + 1, f"part-{part}") for number, part in enumerate(parts)])

    def refuses(one: Told) -> None:
        if one.position in refused:
            raise MessageRefusedError("No such part.")

    sink = ToldSink(refuses)
    for steps in [*kills, 10**9]:
        left = [steps]
        dying: Any = _Dying(SinkMarks(engine, "plant", "node-1"), left)
        kind: Any = _Dying(sink, left)
        own: Any = _Dying(events, left)
        delivery = Delivery("list", kind, SinkOptions(**QUICK, tries=2), place(), own, dying)
        try:
            _turn_to_the_end(delivery)
        except Killed:
            continue
    marks = SinkMarks(engine, "plant", "node-1")
    aside = {one.told.position for one in marks.asides(100)}
    assert set(sink.positions) | aside == set(range(1, len(parts) + 1))
    assert refused & set(range(1, len(parts) + 1)) <= aside
    assert _never_backwards(sink.told)
    # once the sink takes them, none is left aside, and each part was told in its order
    sink.before = lambda one: None
    marks.send_again(None)
    _turn_to_the_end(delivery_to(sink, events, engine))
    assert marks.count_aside() == 0
    assert set(sink.positions) == set(range(1, len(parts) + 1))
    assert _never_backwards(sink.told)


def test_a_part_is_not_told_of_its_next_event_before_the_store_knows_of_the_last(store: Engine) -> None:
    """Else a kill would have it told of the first one again, after the second."""
    events = MemoryEvents([told(1, "a"), told(2, "b"), told(3, "a", "reviewed")])
    marks = SinkMarks(store, "plant", "node-1")
    known: list[tuple[int, int]] = []
    sink = ToldSink(lambda one: known.append((one.position, (marks.moved() or (0, 0))[0])))
    delivery_to(sink, events, store).turn()
    assert dict(known)[3] >= 1


# ---- what is refused ----


def _refusing(*ids: str) -> ToldSink:
    def refuses(one: Told) -> None:
        if one.id in ids:
            raise MessageRefusedError(f"{one.id} is not known.")

    return ToldSink(refuses)


def test_a_refused_message_is_put_aside_and_stops_only_its_own_part(store: Engine) -> None:
    events = MemoryEvents(
        [told(1, "good"), told(2, "poison"), told(3, "good", "reviewed"), told(4, "poison", "reviewed")]
    )
    sink = _refusing("poison")
    delivery = delivery_to(sink, events, store, tries=3)
    _turn_to_the_end(delivery)
    assert sink.positions == [1, 3]
    first, behind = delivery.asides(10)
    assert (first.told, first.reason, first.tries) == (events.after(1, 1)[0], "poison is not known.", 3)
    assert (behind.told.position, behind.tries) == (4, 0)
    assert "waits behind" in behind.reason
    assert (delivery.state.aside, delivery.state.standing, delivery.state.next_try_us) == (2, "up", None)
    assert delivery.state.last_error == "poison is not known."

    delivery.send_again([2])  # still refused: it stays, with the new reason, and so does what waits behind it
    _turn_to_the_end(delivery)
    assert [(one.told.position, one.tries, one.again) for one in delivery.asides(10)] == [(2, 4, False), (4, 0, False)]

    sink.before = lambda one: None
    delivery.send_again([4])  # the part is told in its order, whichever of its messages is named
    _turn_to_the_end(delivery)
    assert sink.positions == [1, 3, 2, 4]
    assert delivery.state.aside == 0
    events.add(told(5, "poison", "reviewed"))
    _turn_to_the_end(delivery)
    assert sink.positions[-1] == 5


ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


@given(
    kind=st.sampled_from(["judged", "reviewed", "switched"]),
    lot=st.none() | ANY_TEXT,
    verdict=st.none() | st.sampled_from(Verdict),
    score=st.none() | st.floats(allow_nan=False),
    reasons=st.lists(ANY_TEXT).map(tuple),
)
def test_an_event_comes_back_from_the_store_as_it_was(
    shared: Engine,
    kind: ToldKind,
    lot: str | None,
    verdict: Verdict | None,
    score: float | None,
    reasons: tuple[str, ...],
) -> None:
    one = told(2**40, "不良", kind, lot=lot, verdict=verdict, score=score, reasons=reasons)
    marks = SinkMarks(_emptied(shared), "plant", "node-1")
    for _ in range(2):  # also where it is put aside again, after a kill
        marks.put_aside(one, part_of(one), "no", 3)
    (back,) = marks.asides(9)
    assert back.told == one
    assert (back.part, back.reason, back.tries, back.again) == (part_of(one), "no", 3, False)


def test_what_waits_behind_a_message_that_is_sent_again_or_is_gone_is_sent_too(store: Engine) -> None:
    """Another thread may ask for that, or give the message up, at any moment."""
    marks = SinkMarks(store, "plant", "node-1")

    def again() -> list[bool]:
        return [one.again for one in marks.asides(9)]

    marks.put_aside(told(1), "part", "no", 3)
    marks.put_aside(told(2), "part", "waits", 0)
    assert again() == [False, False]
    marks.send_again([1])
    marks.put_aside(told(3), "part", "waits", 0)
    assert again() == [True, True, True]
    for position in (1, 2, 3):
        marks.remove(position, "part")
    marks.put_aside(told(4), "part", "waits", 0)
    assert again() == [True]


def test_whatever_a_message_holds_it_can_be_put_aside(store: Engine) -> None:
    """Else it would be tried for ever, and stop all others."""
    marks = SinkMarks(store, "plant", "node-1")
    one = told(1, "a\0b", lot="\ud800", reasons=("\udcff",))
    marks.put_aside(one, part_of(one), "\ud800\0" + "x" * 10_000, 1)
    marks.refused_again(one, part_of(one), "still \ud800\0", 2)
    assert marks.asides(1)[0].told == one
    assert marks.asides(1)[0].reason == "still ? "


def test_what_is_no_event_in_the_store_is_told(store: Engine) -> None:
    marks = SinkMarks(store, "plant", "node-1")
    marks.put_aside(told(1), "part", "no", 1)
    with store.begin() as connection:
        connection.exec_driver_sql("update sink_asides set told = replace(told, 'judged\"', 'jugded\"')")
    with pytest.raises(RunError, match=r"table sink_asides, position 1.kind: 'jugded' is not"):
        marks.asides(9)


def test_a_message_that_is_given_up_lets_those_behind_it_pass(store: Engine) -> None:
    events = MemoryEvents([told(1, "a"), told(2, "a", "reviewed"), told(3, "a", "reviewed")])

    def refuses(one: Told) -> None:
        if one.kind == "judged":
            raise MessageRefusedError("No.")

    sink = ToldSink(refuses)
    delivery = delivery_to(sink, events, store)
    _turn_to_the_end(delivery)
    assert delivery.state.aside == 3
    delivery.give_up(1)
    _turn_to_the_end(delivery)
    assert sink.positions == [2, 3]
    assert delivery.state.aside == 0
    events.add(told(4, "a", "reviewed"))
    _turn_to_the_end(delivery)
    assert sink.positions == [2, 3, 4]


def test_a_sink_that_refuses_is_shown_as_that_and_stays_open(store: Engine) -> None:
    sink = _refusing("poison")
    delivery = delivery_to(sink, MemoryEvents([told(1, "poison")]), store, tries=2)
    with pytest.raises(MessageRefusedError) as refused:
        delivery.turn()
    delivery.failed(refused.value)
    assert (delivery.state.standing, delivery.state.last_error) == ("refuses", "poison is not known.")
    assert (sink.opened, sink.closed) == (1, 0)
    _turn_to_the_end(delivery)
    assert (delivery.state.standing, sink.opened) == ("up", 1)


def test_a_message_on_which_the_code_of_a_sink_breaks_is_put_aside_too(store: Engine) -> None:
    def breaks(one: Told) -> None:
        if one.id == "odd":
            raise KeyError("label")

    sink = ToldSink(breaks)
    delivery = delivery_to(sink, MemoryEvents([told(1, "odd"), told(2, "good")]), store)
    _turn_to_the_end(delivery)
    assert sink.positions == [2]
    assert [one.reason for one in delivery.asides(9)] == ["KeyError: 'label'"]


@pytest.mark.parametrize("error", [SinkAwayError("It is away."), ConnectionResetError("reset"), TimeoutError()])
def test_a_sink_that_is_away_is_tried_for_ever_and_nothing_is_put_aside(store: Engine, error: Exception) -> None:
    failures = 0

    def away(one: Told) -> None:
        nonlocal failures
        failures += 1
        if failures < 50:
            raise error

    sink = ToldSink(away)
    delivery = delivery_to(sink, MemoryEvents([told(1)]), store, tries=2)
    _turn_to_the_end(delivery)
    assert sink.positions == [1]
    assert delivery.state.aside == 0


# ---- what is told, from when ----


@pytest.mark.parametrize(("since", "wanted"), [("now", [3]), ("beginning", [1, 2, 3])])
def test_a_new_sink_is_told_from_now_or_from_the_beginning(store: Engine, since: str, wanted: list[int]) -> None:
    events = MemoryEvents([told(1, "a"), told(2, "b")])
    delivery_to(ToldSink(), events, store, since=since, products=("none",)).turn()  # first start, told nothing
    sink = ToldSink()
    if since == "beginning":
        with store.begin() as connection:
            connection.exec_driver_sql("delete from sink_cursors")
    events.add(told(3, "c"))
    _turn_to_the_end(delivery_to(sink, events, store, since=since))
    assert sink.positions == wanted


def test_it_is_told_what_it_asks_for_and_the_rest_does_not_wait(store: Engine) -> None:
    events = MemoryEvents([told(1), told(2, "b", product="cap"), told(3, "c", "reviewed"), told(4, None, "switched")])
    sink = ToldSink()
    delivery = delivery_to(sink, events, store, events=("judged", "switched"), products=("valve",))
    _turn_to_the_end(delivery)
    assert sink.positions == [1, 4]
    assert delivery.state.waiting == 0


def test_sinks_and_nodes_have_a_mark_of_their_own(store: Engine) -> None:
    one, other, elsewhere = (SinkMarks(store, *names) for names in (("a", "n"), ("b", "n"), ("a", "m")))
    one.move(7)
    one.put_aside(told(8), "part", "no", 1)
    assert one.moved() is not None
    assert (other.moved(), elsewhere.moved()) == (None, None)
    assert (other.count_aside(), elsewhere.count_aside(), one.count_aside()) == (0, 0, 1)


# ---- states ----


def test_a_dead_sink_is_shown_and_holds_up_no_other(tmp_path: Path) -> None:
    engine = file_store(tmp_path)
    events = MemoryEvents([told(number, f"p{number}") for number in range(1, 6)])

    def dead(one: Told) -> None:
        raise SinkAwayError("mes: does not answer; it is tried again.", 40.0)

    living, dying = ToldSink(), ToldSink(dead)
    deliveries = [
        Delivery("list", sink, SinkOptions(**QUICK), place(name=name), events, SinkMarks(engine, name, "n"))
        for name, sink in (("living", living), ("dying", dying))
    ]
    for delivery in deliveries:
        delivery.start()
    until(lambda: deliveries[0].state.waiting == 0 and deliveries[1].state.standing == "away")
    alive, dead_state = deliveries[0].state, deliveries[1].state
    assert living.positions == [1, 2, 3, 4, 5]
    assert (alive.standing, alive.last_error, alive.next_try_us) == ("up", None, None)
    assert alive.last_success_us is not None
    assert (dead_state.waiting, dead_state.last_success_us) == (5, None)
    assert alive.oldest_us is None
    assert dead_state.oldest_us == micros_of(told(1).judged_at)
    assert dead_state.last_error == "mes: does not answer; it is tried again."
    assert dead_state.next_try_us is not None
    assert dead_state.last_error_us is not None
    assert dead_state.next_try_us - dead_state.last_error_us >= 40_000_000  # as it asked
    deliveries[1].try_now()
    until(lambda: deliveries[1].state.last_error_us != dead_state.last_error_us)
    assert deliveries[1].state.since_us == dead_state.since_us, "since it is away, not since the last try"
    dying.before = lambda one: None
    deliveries[1].try_now()
    until(lambda: deliveries[1].state.waiting == 0)
    for delivery in deliveries:
        delivery.close()
    engine.dispose()


def test_a_store_that_is_away_is_waited_for(store: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    sink = ToldSink()
    delivery = delivery_to(sink, MemoryEvents([told(1)]), store)

    def away(self: SinkMarks, position: int) -> None:
        raise OperationalError("update", {}, Exception("server closed the connection"))

    with monkeypatch.context() as patch:
        patch.setattr(SinkMarks, "move", away)
        with pytest.raises(OperationalError) as failed:
            delivery.turn()
        delivery.failed(failed.value)
        assert "The store cannot be asked" in (delivery.state.last_error or "")
    _turn_to_the_end(delivery)
    assert sink.positions == [1]
    assert delivery.state.waiting == 0


def test_it_ends_at_once_while_it_waits_for_a_dead_sink(tmp_path: Path) -> None:
    engine = file_store(tmp_path)

    def dead(one: Told) -> None:
        raise SinkAwayError("dead", 3000.0)

    delivery = delivery_to(ToldSink(dead), MemoryEvents([told(1)]), engine)
    delivery.start()
    until(lambda: delivery.state.standing == "away")
    delivery.close()
    assert delivery._thread is not None
    assert not delivery._thread.is_alive()
    engine.dispose()


@given(st.integers(1, 10**6), st.floats(0.01, 10), st.floats(0.01, 1000), st.floats(0, 1))
def test_waiting_times_grow_to_a_limit_and_are_never_the_same(
    failures: int, first_s: float, longest_s: float, chance: float
) -> None:
    pause_s = wait_s(failures, first_s=first_s, longest_s=longest_s, chance=lambda: chance)
    whole_s = min(longest_s, first_s * 2.0 ** min(failures - 1, 60))
    assert whole_s / 2 - 1e-9 <= pause_s <= whole_s + 1e-9


# ---- messages and settings ----


def test_a_message_has_the_same_key_each_time_and_another_for_another_event() -> None:
    events = [told(1, "a"), told(1, "b"), told(1, "a", "reviewed"), told(1, None, "switched"), told(1, "a", version=4)]
    assert len({key_of(one) for one in events}) == len(events)
    assert key_of(told(1, "a")) == key_of(told(1, "a"))
    # a rebuilt store may count otherwise
    assert key_of(told(1, "a")) == key_of(told(9, "a", judged_at=told(1, "a").judged_at))
    assert part_of(told(1, "a")) == part_of(told(2, "a", "reviewed"))
    assert message_of(told(1, "a"), "n")["key"] == key_of(told(1, "a"))


def test_what_json_has_not_is_refused_and_any_text_is_carried() -> None:
    assert '"id":"不良/ü\\n"' in as_bytes(message_of(told(1, "不良/ü\n"), "n")).decode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        as_bytes(message_of(told(1, score=float("nan")), "n"))


def test_each_kind_says_what_it_is_and_what_it_needs() -> None:
    assert KINDS.names() == ("folder", "modbus", "mqtt", "opcua", "webhook")
    for name in KINDS.names():
        kind = KINDS.get(name)
        assert kind.SUMMARY
        assert kind.NEEDS.endswith(".")
        assert issubclass(kind.OPTIONS, SinkOptions)
        assert all(
            one.description and one.description.endswith((".", "….")) for one in kind.OPTIONS.model_fields.values()
        )


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "sink 'mes': `kind` is missing; there are folder, modbus, mqtt, opcua, webhook."),
        ({"kind": "webhok"}, "sink 'mes': sink of kind 'webhok' is not known; did you mean `webhook`?"),
        ({"kind": "webhook", "ulr": "x"}, "sink 'mes': unknown option `ulr`; did you mean `url`?"),
        ({"kind": "webhook"}, "sink 'mes': option `url` is missing; give it a value."),
        ({"kind": "webhook", "url": "ftp://x"}, "'ftp://x' is not an http or https URL"),
        ({"kind": "webhook", "url": "https://a:b@x"}, "the URL holds a password"),
        ({"kind": "webhook", "url": "http://x", "headers": {"Host": "y"}}, "header 'Host' cannot be set"),
        ({"kind": "mqtt", "host": "b", "topic": "a/#"}, "'a/#' cannot be a topic"),
        ({"kind": "mqtt", "host": "b", "topic": "{lott}"}, "{lott} is not known; did you mean `lot`?"),
        ({"kind": "mqtt", "host": "b", "topic": "{lot.x}"}, "{lot.x} is not known"),
        ({"kind": "mqtt", "host": "b", "topic": "{lot:>99}"}, "{lot} is followed by more than the name"),
        ({"kind": "folder", "folder": "x", "below": "../{lot}"}, "leads out of the folder"),
        ({"kind": "folder", "folder": "x", "below": "{lot"}, "has a brace without its other half"),
        ({"kind": "modbus", "host": "p", "address": 65535}, "leaves no room for the values"),
        ({"kind": "modbus", "host": "p", "table": "coils", "classes": {"a": 256}}, "a number above 255"),
        ({"kind": "opcua", "url": "opc.tcp://p", "nodes": {"verdikt": "i=1"}}, "did you mean `verdict`?"),
        ({"kind": "opcua", "url": "opc.tcp://p", "nodes": {"id": "i=1"}, "request": "i=2"}, "name both, or none"),
        ({"kind": "opcua", "url": "opc.tcp://p", "nodes": {"id": "i=1"}, "security": "Basic256Sha256"}, "name them"),
    ],
)
def test_wrong_settings_are_one_sentence(store: Engine, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        Deliveries({"mes": values}, MemoryEvents(), store, place())
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("sink 'mes': ")


def test_all_sinks_of_a_node_deliver_and_a_wrong_name_is_told(tmp_path: Path) -> None:
    engine = file_store(tmp_path)
    settings = {name: {"kind": "folder", "folder": name, "since": "beginning"} for name in ("one", "two")}
    deliveries = Deliveries(settings, MemoryEvents([told(1)]), engine, place(tmp_path))
    deliveries.start()
    deliveries.wake()
    until(lambda: all(state.waiting == 0 and state.standing == "up" for state in deliveries.states))
    assert deliveries.of("one").state.kind == "folder"
    with pytest.raises(OptionError, match="did you mean `two`"):
        deliveries.of("twoo")
    deliveries.close()
    engine.dispose()
    assert len([*tmp_path.glob("*/*.json")]) == 2
