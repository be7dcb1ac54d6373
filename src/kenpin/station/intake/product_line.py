"""A product's line: parts wait, are judged in batches by a thread, and each waits for its record."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Literal

from kenpin.data.part_names import NameForm
from kenpin.data.streaming import Ahead, Pending
from kenpin.errors import KenpinError, first_line
from kenpin.inspection.part_pictures import OpenedPart
from kenpin.inspection.pictures import Opened
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.plural import counted
from kenpin.station.arrival import Arrival, LineFullError, LineStoppedError, PartArrival
from kenpin.station.clock import now_us
from kenpin.station.intake.contract import Claims, Judging, KnownParts
from kenpin.station.intake.opening import Opening, opened_part
from kenpin.station.kept_pictures import KeptPictures
from kenpin.station.settings import Limits
from kenpin.views import PartViews

_AGAIN_S = 5.0
"""Seconds after which a line that could not write tries again."""
_READERS = 2  # threads that open pictures
_RECENT = 64  # batches by which the rate is told
_LOOKS_AT_DISK_S = 1.0


@dataclass(frozen=True, slots=True)
class LineState:
    """What a product's line is doing."""

    version: int
    waiting: int
    """Parts that wait."""
    hindrance: str | None
    """Why it takes no parts; None where it does."""
    cause: Literal["disk", "records"] | None
    """What hinders it: a disk that is full, or records that cannot be written."""
    judged: int
    """Parts that this process recorded."""
    last_us: int | None
    """When it last recorded one, in microseconds since 1970."""


@dataclass(slots=True)
class _Waiting:
    """A part that waits for its record."""

    arrival: Arrival | PartArrival
    answer: Future[PartRecord]
    opened: Pending[OpenedPart] = field(init=False)
    """Its pictures, which are opened while others are judged."""
    fault: Exception | None = None
    """Why they could not be kept."""


@dataclass(frozen=True, slots=True)
class _Batch:
    """Parts that are judged together."""

    waiting: Sequence[_Waiting]
    keys: Sequence[PartKey]
    claims: Claims
    new: Sequence[PartKey]
    """Those that have no record yet, and may be judged."""
    judged: Any
    """What was found on them."""
    began_s: float


class ProductLine:
    """The running version of a product, and the parts that wait for it; for any thread.

    One thread looks at pictures; where more wait already, another one writes the records of those before them, so that
    neither the networks nor the disk wait for each other. Records keep the order in which the parts came.
    """

    def __init__(
        self,
        product: str,
        version: int,
        line: Judging,
        known: KnownParts,
        pictures: KeptPictures,
        limits: Limits,
        opening: Opening,
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        """opening: opens a picture, from any thread; what it cannot open is in its result; turn: held from
        looking for parts to their records, where several lines may be given the same part."""
        self.product = product
        self._version, self._line, self._known, self._opening = version, line, known, opening
        self._pictures, self._limits = pictures, limits
        self._turn = turn
        self._next: tuple[int, Judging, Callable[[], None]] | None = None
        self._queue: deque[_Waiting] = deque()
        self._readers = ThreadPoolExecutor(_READERS, f"opening {product}")
        self._ahead = Ahead(self._readers)
        self._waiting = self._waiting_bytes = 0
        """Parts, and bytes of their files, that are taken and have no record yet."""
        self._changed = threading.Condition()
        self._lending = threading.Lock()
        """Held while another thread judges by the line, which must not be closed meanwhile."""
        self._stopping = False
        self._fault: str | None = None
        """Why the last batch could not be recorded."""
        self._try_again_s = 0.0
        self._looked_s, self._free_bytes = -_LOOKS_AT_DISK_S, 0
        self._judged = 0
        self._last_us: int | None = None
        self._rates: deque[tuple[float, int]] = deque(maxlen=_RECENT)
        self._keeper = ThreadPoolExecutor(1, f"recording {product}")
        self._kept: Future[None] | None = None
        """The batch before the one that is being looked at."""
        self._settled_s = 0.0
        self._thread = threading.Thread(target=self._work, name=f"line {product}", daemon=True)
        self._thread.start()

    @property
    def state(self) -> LineState:
        """What it is doing."""
        with self._changed:
            full = self._disk_is_full()
            cause: Literal["disk", "records"] | None = None
            if full or self._fault:
                cause = "disk" if full else "records"
            return LineState(self._version, self._waiting, full or self._fault, cause, self._judged, self._last_us)

    @property
    def defects(self) -> tuple[str, ...]:
        """Classes of defects that the running version tells apart."""
        with self._changed:
            return self._line.defects

    @property
    def engines(self) -> tuple[str, ...]:
        """What computes the networks of the running version."""
        with self._changed:
            return self._line.engines

    @property
    def views(self) -> PartViews | None:
        """The views by which the running version judges parts; None where each picture is a part."""
        with self._changed:
            return self._line.views

    @property
    def known_form(self) -> NameForm | None:
        """The form of file names by which the running version tells parts and views; None where it tells none."""
        with self._changed:
            return self._line.known_form

    def record_now(self, pictures: Sequence[Opened]) -> list[PartRecord]:
        """Judge pictures in the thread of the caller, who has looked for their parts and claimed them; their records
        are on disk. Raises OSError, RunError."""
        with self._lending:
            records = [one.record for one in self._line.record(pictures)]
        with self._changed:
            self._judged += len(records)
            self._last_us = now_us()
        return records

    def submit(self, arrival: Arrival | PartArrival) -> Future[PartRecord]:
        """Take a part; its record is on disk when the result is there. Raises LineFullError, LineStoppedError."""
        with self._changed:
            self._check_open()
            size = arrival.size_bytes
            if self._waiting and (
                self._waiting >= self._limits.waiting_parts or self._waiting_bytes + size > self._limits.waiting_bytes
            ):
                full = f"{self.product}: its queue is full, with {counted(self._waiting, 'part')}; send it again later."
                raise LineFullError(full, self._retry_after_s())
            waiting = _Waiting(arrival, Future())
            waiting.answer.set_running_or_notify_cancel()  # a part that was taken is judged, whoever has hung up
            waiting.opened = self._ahead.submit(self._open, waiting)
            self._queue.append(waiting)
            self._waiting += 1
            self._waiting_bytes += size
            self._changed.notify_all()
            return waiting.answer

    def switch(self, version: int, line: Judging, done: Callable[[], None]) -> None:
        """Judge by another version from the next batch on; no part is lost, and the former line is closed. done: called
        when it judges."""
        with self._changed:
            if self._next is not None:
                self._next[1].close()
            self._next = (version, line, done)
            self._changed.notify_all()

    def close(self) -> None:
        """Judge what waits, and end."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._keeper.shutdown()
        self._readers.shutdown()

    def _check_open(self) -> None:
        if self._stopping:
            raise LineStoppedError(f"{self.product}: the station is closing; send the part again when it is back.")
        if (full := self._disk_is_full()) is not None:
            raise LineStoppedError(full)
        if self._fault is not None and time.monotonic() < self._try_again_s:
            raise LineStoppedError(self._fault)

    def _disk_is_full(self) -> str | None:
        now_s = time.monotonic()
        if now_s - self._looked_s > _LOOKS_AT_DISK_S:
            self._looked_s, self._free_bytes = now_s, self._pictures.free_bytes
        if self._free_bytes >= self._limits.free_bytes:
            return None
        return (
            f"{self.product}: the disk has {self._free_bytes:,} bytes left, fewer than `free_bytes` of the settings; "
            "make room, and it goes on by itself."
        )

    def _retry_after_s(self) -> float:
        """Seconds in which what waits will be judged, by the last batches."""
        taken = sum(seconds for seconds, _ in self._rates)
        parts = sum(count for _, count in self._rates)
        return max(1.0, self._waiting * taken / parts if parts else 1.0)

    # ---- the thread ----

    def _work(self) -> None:
        while True:
            waiting = self._take()
            for some in self._line.taken(deque(one.opened for one in waiting)):
                self._judge(some, [waiting.popleft() for _ in some])
                del some  # else these pictures were held while the next ones are opened
            if not self._go_on():
                with self._lending:
                    self._line.close()
                return

    def _take(self) -> deque[_Waiting]:
        """Parts that wait, at most a batch, and of a few only half where records are written meanwhile: else they would
        come and go all together, and disk and networks wait in turn. None where another version is to judge them, or
        where it ends."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._next is not None or self._stopping)
            if self._next is not None:
                return deque()
            most = size = self._line.batch_size
            if self._turn is None:
                most = min(size, max(size // 2, -(-self._waiting // 2), 1))
            return deque(self._queue.popleft() for _ in range(min(len(self._queue), most)))

    def _go_on(self) -> bool:
        """Take up the next version; False where it ends."""
        with self._changed:
            following, self._next = self._next, None
            if following is None and not (self._stopping and not self._queue):
                return True
        self._wait_for_records()
        if following is None:
            return False
        version, line, done = following
        former = self._line
        with self._lending:
            with self._changed:
                self._version, self._line = version, line
            former.close()
        done()
        return True

    def _open(self, waiting: _Waiting) -> OpenedPart:
        def opening(arrival: Arrival) -> Opened:
            opened = self._opening(arrival)
            try:
                self._pictures.keep(opened.picture_hash, arrival.data)
            except Exception as error:  # noqa: BLE001 raised here, it would end the thread that all parts wait for
                waiting.fault = error
            return opened

        return opened_part(waiting.arrival, opening)

    def _judge(self, parts: Sequence[OpenedPart], waiting: Sequence[_Waiting]) -> None:
        """Look at parts; their records are written at once, or while the next ones are looked at."""
        with self._turn or nullcontext():
            batch = self._looked_at(parts, waiting)
            self._wait_for_records()
            if batch is None:
                return
            with self._changed:
                more_wait = bool(self._queue)
            # where none waits, the change of threads would be for nothing
            if more_wait and self._turn is None:
                self._kept = self._keeper.submit(self._keep, batch)
            else:
                self._keep(batch)

    def _looked_at(self, parts: Sequence[OpenedPart], waiting: Sequence[_Waiting]) -> _Batch | None:
        """What is found on parts; None where it failed, and who waits has heard of it."""
        began_s = time.monotonic()
        try:
            for one in waiting:
                if one.fault is not None:
                    raise one.fault
            if self._fault is not None:
                self._wait_for_records()
                self._known.follow()  # what was recorded before it is not judged again
            keys = [part.key for part in parts]
            claims = self._known.claim([*dict.fromkeys(keys)])
            new = [one for one in parts if one.key not in claims.records and one.key not in claims.refused]
            return _Batch(
                waiting, keys, claims, [one.key for one in new], self._line.judged(new) if new else None, began_s
            )
        except Exception as error:  # noqa: BLE001 whatever it is, these parts must hear of it, and the line must live
            self._fail(error, waiting)
            return None

    def _keep(self, batch: _Batch) -> None:
        """Write the records of a batch, and answer."""
        known = dict(batch.claims.records)
        try:
            if batch.new:
                kept = self._line.keep(batch.judged)
                known |= zip(batch.new, (one.record for one in kept.recorded), strict=True)
                self._known.follow(kept.appended)
        except Exception as error:  # noqa: BLE001 as above
            self._fail(error, batch.waiting)
            return
        self._settle(batch.waiting, batch.began_s)
        for one, key in zip(batch.waiting, batch.keys, strict=True):
            if key in known:
                one.answer.set_result(known[key])
            else:
                refusal = f"{key[0]}: another node of the station has begun with this part; ask again."
                one.answer.set_exception(LineFullError(refusal, _AGAIN_S))

    def _wait_for_records(self) -> None:
        """Until the records of the batch before are on disk, and its parts are answered."""
        if self._kept is not None:
            self._kept.result()
            self._kept = None

    def _settle(self, waiting: Sequence[_Waiting], began_s: float) -> None:
        now_s = time.monotonic()
        with self._changed:
            self._fault = None
            self._judged += len(waiting)
            self._last_us = now_us()
            # two batches are in hand at a time
            self._rates.append((now_s - max(began_s, self._settled_s), len(waiting)))
            self._settled_s = now_s
            self._forget(waiting)

    def _fail(self, error: Exception, waiting: Sequence[_Waiting]) -> None:
        why = f"{error}" if isinstance(error, KenpinError | OSError) else first_line(error)
        sentence = f"{self.product}: parts cannot be recorded ({why}); it is tried again by itself."
        with self._changed:
            self._fault = sentence
            self._try_again_s = time.monotonic() + _AGAIN_S
            self._forget(waiting)
        for one in waiting:
            one.answer.set_exception(LineStoppedError(sentence))

    def _forget(self, waiting: Sequence[_Waiting]) -> None:
        self._waiting -= len(waiting)
        self._waiting_bytes -= sum(one.arrival.size_bytes for one in waiting)
