"""Handing parts to the line: each again until it has its record, however full the line is."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from kenpin.errors import KenpinError
from kenpin.inspection.record import PartRecord
from kenpin.station.arrival import Arrival, LineFullError, LineStoppedError, PartArrival
from kenpin.station.clock import now_us

Submit = Callable[[Arrival | PartArrival], "Future[PartRecord]"]
"""Gives a part to its line; its record is on disk when the result is there. Blocks, or raises LineFullError or
LineStoppedError where it cannot be taken now, and another KenpinError where this part never will be."""
Then = Callable[[PartRecord | None], None]
"""Called with a part's record once it is on disk; with None where the part is refused."""

_LONGEST_PAUSE_S = 1.0
_LOOKS_EVERY_S = 0.05


@dataclass(frozen=True, slots=True)
class HandingState:
    """What became of a source's parts."""

    recorded: int
    """Parts that have their record."""
    dropped: int
    """Frames that came while as many waited as may, or that still waited when the station ended."""
    refused: int
    """Parts that no line takes."""
    last_us: int | None
    """When the last part was recorded, in microseconds since 1970."""
    hindrance: str | None
    """Why parts wait now; None where they do not."""
    note: str | None
    """What the source has to say beside: the last part that was dropped or refused, and why."""
    hindered_us: int | None
    """Since when parts wait, in microseconds since 1970; None where they do not."""


@dataclass(slots=True)
class _OnItsWay:
    arrival: Arrival | PartArrival
    then: Then
    answer: Future[PartRecord]


class Handing:
    """The way of a source's parts to the line; for one thread, but for `drop`, `tell` and `state`."""

    def __init__(self, submit: Submit, stop: threading.Event, *, most: int = 16) -> None:
        """most: parts that may be on their way at a time."""
        self.stop = stop
        self.most = most
        self._submit = submit
        self._on_their_way: deque[_OnItsWay] = deque()
        self._lock = threading.Lock()
        self._recorded = self._dropped = self._refused = 0
        self._last_us: int | None = None
        self._hindrance: str | None = None
        self._hindered_us: int | None = None
        self._note: str | None = None

    def __len__(self) -> int:
        """How many parts are on their way."""
        return len(self._on_their_way)

    @property
    def state(self) -> HandingState:
        """What became of the parts."""
        with self._lock:
            return HandingState(
                self._recorded,
                self._dropped,
                self._refused,
                self._last_us,
                self._hindrance,
                self._note,
                self._hindered_us,
            )

    def hand(self, arrival: Arrival | PartArrival, then: Then = lambda record: None) -> bool:
        """Hand a part on, and wait while the line is full; False where the station ends before the line took it."""
        while len(self._on_their_way) >= self.most:
            if self.stop.is_set():
                return False
            self.settle(_LOOKS_EVERY_S)
        return self._give(arrival, then)

    def settle(self, seconds: float = 0.0) -> None:
        """Take up the records that are there, and hand on again what the line could not judge. seconds: to wait for a
        first one."""
        if seconds and self._on_their_way:
            wait([one.answer for one in self._on_their_way], seconds, FIRST_COMPLETED)
        for _ in range(len(self._on_their_way)):
            one = self._on_their_way.popleft()
            if not one.answer.done():
                self._on_their_way.append(one)
                continue
            try:
                record = one.answer.result()
            except (LineFullError, LineStoppedError) as error:
                self._pause(error)
                if not self._give(one.arrival, one.then):
                    self.drop(1, f"{one.arrival.id}: was not judged, for the station ended.")
            except Exception as error:  # noqa: BLE001 a part that breaks a line's code must not stop the others
                self._refuse(one.arrival, one.then, error)
            else:
                self._note_record()
                one.then(record)

    def finish(self) -> None:
        """Wait until each part has its record, or the station ends."""
        while self._on_their_way and not self.stop.is_set():
            self.settle(_LOOKS_EVERY_S)
        self.settle()

    def drop(self, count: int, why: str) -> None:
        """Count frames that could not be handed on. why: one sentence."""
        with self._lock:
            self._dropped += count
            self._note = why

    def tell(self, note: str) -> None:
        """Show a sentence."""
        with self._lock:
            self._note = note

    def hinder(self, why: str | None) -> None:
        """Show why parts wait; None: they do not."""
        with self._lock:
            if (why is None) != (self._hindrance is None):
                self._hindered_us = None if why is None else now_us()
            self._hindrance = why

    def _give(self, arrival: Arrival | PartArrival, then: Then) -> bool:
        while not self.stop.is_set():
            try:
                answer = self._submit(arrival)
            except (LineFullError, LineStoppedError) as error:
                self._pause(error)
                continue
            except KenpinError as error:
                self._refuse(arrival, then, error)
                return True
            self._on_their_way.append(_OnItsWay(arrival, then, answer))
            self.hinder(None)
            return True
        return False

    def _pause(self, error: LineFullError | LineStoppedError) -> None:
        self.hinder(str(error))
        after_s = error.retry_after_s if isinstance(error, LineFullError) else _LONGEST_PAUSE_S
        self.stop.wait(min(max(after_s, _LOOKS_EVERY_S), _LONGEST_PAUSE_S))

    def _refuse(self, arrival: Arrival | PartArrival, then: Then, error: Exception) -> None:
        with self._lock:
            self._refused += 1
            self._note = f"{arrival.id}: no line takes it ({error})"
        then(None)

    def _note_record(self) -> None:
        with self._lock:
            self._recorded += 1
            self._last_us = now_us()
