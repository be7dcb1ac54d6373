"""Delivery: a thread for each sink tells it of the events, at least once, in their order."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from kenpin.errors import KenpinError, first_line
from kenpin.station.clock import now_us
from kenpin.station.sinks.contract import Sink, SinkAwayError, SinkKind, SinkOptions, SinkPlace
from kenpin.station.sinks.message import part_of
from kenpin.station.store.sink_tables import PutAside, SinkMarks
from kenpin.station.told import Events, Told
from kenpin.station.waits import wait_s

_AT_ONCE = 100  # events that are read at a time
_LOOKS_EVERY_S = 1.0  # where nobody calls `wake`
_SAVES_EVERY_S = 0.5
_LONGEST_RETRY_AFTER_S = 3600.0


Standing = Literal["starting", "up", "away", "refuses"]


@dataclass(frozen=True, slots=True)
class SinkState:
    """What a sink is doing."""

    name: str
    kind: str
    standing: Standing
    """Whether it takes messages: `refuses` while it is sent a message again that it has refused."""
    since_us: int
    """Since when it stands so, in microseconds since 1970."""
    waiting: int
    """Events that it is still to be told."""
    oldest_us: int | None
    """When the first of them happened."""
    aside: int
    """Messages that it refused, and those that wait behind them."""
    last_success_us: int | None
    """When it last confirmed a message, in microseconds since 1970."""
    last_error: str | None
    last_error_us: int | None
    next_try_us: int | None
    """When it is tried again; None where it is up."""


class Delivery:
    """One sink and the events that it is told of."""

    def __init__(
        self, kind_name: str, kind: SinkKind, options: SinkOptions, place: SinkPlace, events: Events, marks: SinkMarks
    ) -> None:
        self._kind_name, self._kind, self._options, self._place = kind_name, kind, options, place
        self._events, self._marks = events, marks
        self._sink: Sink | None = None
        self._position: int | None = None
        """Last event that the sink confirmed or that was put aside; None until the store was asked."""
        self._saved_s = 0.0
        self._told_unsaved: set[str] = set()
        """Parts that the sink was told of since the store knows the position: told again after a kill. None of them is
        told of a second event until then, so that no part is ever told backwards."""
        self._unsaved = False
        self._aside: set[str] = set()
        """Parts of which a message was refused: what follows about them waits behind it."""
        self._aside_is_old = False
        """Whether another thread removed one of them."""
        self._refused = (0, 0)
        """Position of an event, and how often it was refused."""
        self._refusal: Exception | None = None
        """The last refusal after which the event is sent again."""
        self._failures = 0
        self._standing: Standing = "starting"
        self._since_us = now_us()
        self._last_success_us: int | None = None
        self._last_error: str | None = None
        self._last_error_us: int | None = None
        self._next_try_us: int | None = None
        self._changed = threading.Condition()
        self._stopping = self._woken = self._hurried = False
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> SinkState:
        """What it is doing."""
        position = self._position
        waiting = 0 if position is None else self._events.count_after(position)
        oldest_us = None if position is None or not waiting else self._events.first_us_after(position)
        aside = self._marks.count_aside()
        with self._changed:
            return SinkState(
                self._place.name,
                self._kind_name,
                self._standing,
                self._since_us,
                waiting,
                oldest_us,
                aside,
                self._last_success_us,
                self._last_error,
                self._last_error_us,
                self._next_try_us,
            )

    def start(self) -> None:
        """Deliver by a thread; a new sink that is told what happens from now on, from this moment."""
        try:
            self._prepare()
        except Exception as error:  # noqa: BLE001 the store is away, and the thread tries again
            self.failed(error)
        self._thread = threading.Thread(target=self._work, name=f"sink {self._place.name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Look for events at once."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def try_now(self) -> None:
        """Try at once where it waits after a failure."""
        with self._changed:
            self._hurried = True
            self._changed.notify_all()

    def asides(self, most: int, *, behind: int = 0) -> Sequence[PutAside]:
        """The first messages that are put aside behind a position."""
        return self._marks.asides(most, behind=behind)

    def send_again(self, positions: Sequence[int] | None = None) -> None:
        """Send messages again that were put aside, all by default; each with the others about its part."""
        self._marks.send_again(positions)
        self.wake()

    def give_up(self, position: int) -> None:
        """Never send this message; those that wait behind it are sent."""
        for one in self._marks.asides(1, behind=position - 1):
            if one.told.position == position:
                self._marks.remove(position, one.part)
        self._aside_is_old = True
        self.wake()

    def stop(self) -> None:
        """Begin to end; `close` waits for it."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def close(self) -> None:
        """End, at the latest when the sink's time to answer is over."""
        self.stop()
        if self._thread is not None:
            self._thread.join(2 * self._options.timeout_s + 1)

    # ---- the thread ----

    def _work(self) -> None:
        while not self._stopping:
            try:
                if not self.turn():
                    self._rest(_LOOKS_EVERY_S, awaken=True)
            except Exception as error:  # noqa: BLE001 whatever it is, it is shown and tried again
                self._rest(self.failed(error), awaken=False)
        self.release()

    def turn(self) -> bool:
        """Tell what waits, at most so many events, and whether there may be more. Raises whatever the sink or the store
        raises; what was told stays told."""
        position = self._prepare()
        went_again = self._tell_again()
        events = self._events.after(position, _AT_ONCE)
        for told in events:
            if self._stopping:
                return False
            self._take(told)
        self._save()
        return went_again or bool(events)

    def failed(self, error: Exception) -> float:
        """Note a failure, and return the seconds until the next try."""
        self._failures += 1
        is_refusal = error is self._refusal
        pause_s = wait_s(self._failures, first_s=self._options.first_wait_s, longest_s=self._options.longest_wait_s)
        if isinstance(error, SinkAwayError):
            pause_s = max(pause_s, min(error.retry_after_s, _LONGEST_RETRY_AFTER_S))
        at_us = now_us()
        with self._changed:
            self._last_error, self._last_error_us = _reason(error), at_us
            self._next_try_us = at_us + int(pause_s * 1e6)
            self._stands("refuses" if is_refusal else "away")
        if not is_refusal:
            self._close_sink()
        return pause_s

    def release(self) -> None:
        """Save how far the sink was told, and close it."""
        try:
            self._save()
        except Exception as error:  # noqa: BLE001 the store is away: it is told again, which is allowed
            self.failed(error)
        self._close_sink()

    def _prepare(self) -> int:
        """The position of the last event that was told; from the store where it is not known yet."""
        if self._position is None:
            moved: tuple[int, int | None] | None = self._marks.moved()
            if moved is None:
                moved = (self._events.last() if self._options.since == "now" else 0, None)
                self._marks.move(moved[0])
            self._aside = self._marks.parts_aside()
            self._position, self._last_success_us = moved
        return self._position

    def _take(self, told: Told) -> None:
        part = part_of(told)
        if part in self._told_unsaved or time.monotonic() - self._saved_s > _SAVES_EVERY_S:
            self._save()
        if not self._is_wanted(told):
            self._position, self._unsaved = told.position, True
        elif part in self._aside:
            self._put_aside(told, part, "It waits behind an earlier message about the same part.", 0)
        else:
            self._tell(told, part)

    def _tell(self, told: Told, part: str) -> None:
        refusal = self._send(told)
        if refusal is None:
            self._position, self._unsaved = told.position, True
            self._told_unsaved.add(part)
            self._refused = (0, 0)
            return
        tries = self._refused[1] + 1 if self._refused[0] == told.position else 1
        self._refused = (told.position, tries)
        if tries < self._options.tries:
            self._refusal = refusal
            raise refusal
        self._put_aside(told, part, _reason(refusal), tries)
        self._refused = (0, 0)
        self._failures = 0
        with self._changed:
            self._stands("up")  # it does answer
            self._next_try_us = None
            self._last_error, self._last_error_us = _reason(refusal), now_us()

    def _send(self, told: Told) -> Exception | None:
        """Send an event, and return the refusal where the sink will not have it. Raises where it is away."""
        if self._sink is None:
            self._sink = self._kind.open(self._options, self._place)
        try:
            self._sink.send(told)
        except OSError:
            self._refused = (0, 0)
            raise
        except Exception as error:  # noqa: BLE001 a message that breaks the sink's code must not stop the others
            return error
        self._failures = 0
        with self._changed:
            self._stands("up")
            self._next_try_us = None
            self._last_success_us = now_us()
        return None

    def _stands(self, standing: Standing) -> None:
        """Note how it stands; called while nobody else reads it."""
        if standing != self._standing:
            self._standing, self._since_us = standing, now_us()

    def _put_aside(self, told: Told, part: str, reason: str, tries: int) -> None:
        self._marks.put_aside(told, part, reason, tries)
        self._aside.add(part)
        self._position = told.position
        self._told_unsaved.clear()
        self._unsaved = False

    def _tell_again(self) -> bool:
        """Send what was put aside and is to be sent again; whether there was anything."""
        if not self._aside:
            return False
        waiting = self._marks.asides(_AT_ONCE, again=True)
        refused: set[str] = set()
        for one in waiting:
            if one.part in refused or self._stopping:
                continue
            refusal = self._send(one.told)
            if refusal is None:
                self._marks.remove(one.told.position, one.part)
            else:
                refused.add(one.part)
                self._marks.refused_again(one.told, one.part, _reason(refusal), one.tries + 1)
        if waiting or self._aside_is_old:
            self._aside_is_old = False
            self._aside = self._marks.parts_aside()
        return bool(waiting)

    def _save(self) -> None:
        if self._unsaved and self._position is not None:
            self._marks.move(self._position)
        self._unsaved = False
        self._told_unsaved.clear()
        self._saved_s = time.monotonic()

    def _is_wanted(self, told: Told) -> bool:
        products = self._options.products
        return told.kind in self._options.events and (not products or told.product in products)

    def _rest(self, seconds: float, *, awaken: bool) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._hurried or (awaken and self._woken), seconds)
            self._woken = self._hurried = False

    def _close_sink(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except Exception as error:  # noqa: BLE001 it is gone already
            with self._changed:
                self._last_error = first_line(error)


def _reason(error: Exception) -> str:
    if isinstance(error, KenpinError):
        return str(error)
    told = f"{type(error).__name__}: {first_line(error)}"
    return f"The store cannot be asked ({told})." if isinstance(error, SQLAlchemyError) else told
