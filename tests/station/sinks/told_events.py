"""Events for sinks: made ones, in memory, and a sink that does what a test says."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine
from sqlalchemy.pool import StaticPool

from kenpin.records import Verdict
from kenpin.station.sinks.contract import SinkOptions, SinkPlace
from kenpin.station.sinks.delivery import Delivery
from kenpin.station.store.metadata import METADATA
from kenpin.station.store.sink_tables import SINK_ASIDES, SINK_CURSORS, SinkMarks
from kenpin.station.store.tables import micros_of
from kenpin.station.told import Told, ToldKind

QUICK: dict[str, Any] = {"since": "beginning", "first_wait_s": 0.005, "longest_wait_s": 0.02}


def told(position: int, id: str | None = "part", kind: ToldKind = "judged", **values: Any) -> Told:
    """An event; about a version where it has no id."""
    content = hashlib.blake2b((id or "").encode(), digest_size=16).hexdigest()
    of_part: dict[str, Any] = {} if id is None else {
        "id": id,
        "content": content,
        "picture": content,
        "lot": "L7",
        "verdict": Verdict.FAIL,
        "label": "scratch",
        "score": 0.75,
        "reasons": ("a FAIL: 0.75 from 0.5",),
    }  # fmt: skip
    at = f"2026-11-27T10:{position // 60 % 60:02}:{position % 60:02}.000000+00:00"
    return Told(
        **{"position": position, "kind": kind, "product": "valve", "version": 3, "judged_at": at, **of_part, **values}
    )


class MemoryEvents:
    """Events in memory, for several threads."""

    def __init__(self, events: Sequence[Told] = ()) -> None:
        self._events = list(events)
        self._lock = threading.Lock()

    def add(self, event: Told) -> None:
        with self._lock:
            self._events.append(event)

    def after(self, position: int, most: int) -> list[Told]:
        with self._lock:
            return [one for one in self._events if one.position > position][:most]

    def count_after(self, position: int) -> int:
        return len(self.after(position, 10**9))

    def first_us_after(self, position: int) -> int | None:
        return next((micros_of(one.judged_at) for one in self.after(position, 1)), None)

    def last(self) -> int:
        with self._lock:
            return self._events[-1].position if self._events else 0


class ToldSink:
    """A kind of sink, and the sink: notes what it is told. `before` is called with each event, and may raise."""

    SUMMARY = "a list"
    NEEDS = "Nothing."
    OPTIONS = SinkOptions

    def __init__(self, before: Callable[[Told], None] = lambda told: None) -> None:
        self.before, self.told, self.opened, self.closed = before, list[Told](), 0, 0

    def open(self, options: SinkOptions, place: SinkPlace) -> ToldSink:
        self.opened += 1
        return self

    def send(self, told: Told) -> None:
        self.before(told)
        self.told.append(told)

    def close(self) -> None:
        self.closed += 1

    @property
    def positions(self) -> list[int]:
        return [one.position for one in self.told]


def memory_store() -> Engine:
    """An empty store in memory; the caller disposes of it."""
    engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    METADATA.create_all(engine, tables=[SINK_CURSORS, SINK_ASIDES])
    return engine


def file_store(folder: Path) -> Engine:
    """An empty store in a folder, which several threads use at a time."""
    engine = create_engine(f"sqlite:///{folder / 'store.sqlite'}", connect_args={"timeout": 30})
    METADATA.create_all(engine, tables=[SINK_CURSORS, SINK_ASIDES])
    return engine


def place(folder: Path = Path(), name: str = "plant") -> SinkPlace:
    return SinkPlace(name, "node-1", folder, lambda content: None)


def delivery_to(sink: Any, events: MemoryEvents, engine: Engine, /, **options: Any) -> Delivery:
    """A delivery that is not started."""
    marks = SinkMarks(engine, "plant", "node-1")
    return Delivery("list", sink, SinkOptions(**(QUICK | options)), place(), events, marks)


def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait until something holds; fails where it does not in time."""
    ends_s = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends_s, "it did not come in time"
        time.sleep(0.005)
