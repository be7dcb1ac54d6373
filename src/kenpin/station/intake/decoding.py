"""Pictures of strangers opened in processes of their own, bounded in memory and time."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from queue import LifoQueue
from threading import BoundedSemaphore
from typing import Any, BinaryIO, cast

from PIL import Image

from kenpin.data.picture_files import hash_of
from kenpin.data.picture_look import PictureLook
from kenpin.data.streaming import hold
from kenpin.errors import ImageError, KenpinError, first_line
from kenpin.inspection.pictures import Opened, unopened
from kenpin.station.arrival import Arrival
from kenpin.station.intake.decoding_child import frame_length, write_frame

_START_S = 60.0
_MOST_WAITING = 16
_PIPE_BYTES = 1024**2


class DecoderBusyError(KenpinError, RuntimeError):
    """So many wait for a picture already that another one would only wait too."""

    retry_after_s = 2.0


class Decoder:
    """A few processes that open pictures, for as many threads; one that dies or takes too long is replaced."""

    def __init__(self, processes: int = 2, seconds: float = 30.0, *, begun: bool = True) -> None:
        """seconds: that a picture may take; then it is REVIEW, as one that cannot be opened. begun: whether the
        processes begin now, or with the first pictures."""
        self._seconds = seconds
        self._idle: LifoQueue[_Child | None] = LifoQueue()
        for _ in range(processes):
            self._idle.put(_Child() if begun else None)
        self._turns, self._coming = BoundedSemaphore(processes), BoundedSemaphore(processes + _MOST_WAITING)

    def open(self, arrival: Arrival) -> Opened:
        """The part's picture, or why it cannot be opened, whatever hinders it; waits for an idle process and for
        room."""
        with self._lent() as slot:
            return self._opened(slot, arrival)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn of somebody who looks at a picture, which they read, open and let go within it: no more of them than
        there are processes have one. Raises DecoderBusyError where many wait."""
        if not self._coming.acquire(blocking=False):
            raise DecoderBusyError("many pictures are being opened at this moment; load it again in a few seconds.")
        try:
            with self._turns:
                yield
        finally:
            self._coming.release()

    @contextmanager
    def _lent(self) -> Iterator[list[_Child | None]]:
        """A process, or none that is still to be begun; what is in the list at the end is given back, whatever
        happened: else nobody could open a picture any more."""
        slot = [self._idle.get()]
        try:
            yield slot
        finally:
            self._idle.put(slot[0])

    def _opened(self, slot: list[_Child | None], arrival: Arrival) -> Opened:
        begun = unopened(arrival.id, arrival.data, hash_of(arrival.data), lot=arrival.lot)
        try:
            slot[0] = child = slot[0] or _Child()
            return child.open(begun, arrival.data, self._seconds)
        except Exception as error:  # noqa: BLE001 whatever a stranger's file does, it holds up no line
            if slot[0] is not None:
                slot[0].end()
                slot[0] = None
            died = f"the process that opened it died ({first_line(error)})"
            why = f"{error}" if isinstance(error, TimeoutError) else died
            return replace(begun, error=ImageError(f"{begun.seen.id}: {why}. Inspect the part yourself."))

    def close(self) -> None:
        """End the processes; called when no thread opens anything."""
        while not self._idle.empty():
            if (child := self._idle.get()) is not None:
                child.end()


class _Child:
    """One of the processes."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "kenpin.station.intake.decoding_child"]
        # of a session of its own: Ctrl-C on a terminal ends the station, which judges what waits before it ends these
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, start_new_session=True
        )
        for pipe in (self._process.stdin, self._process.stdout):
            # a picture in a piece or two: each costs a change of process
            if sys.platform == "linux":
                import fcntl

                with suppress(OSError):
                    fcntl.fcntl(cast("BinaryIO", pipe), fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._is_ready = False

    def open(self, begun: Opened, data: bytes, seconds: float) -> Opened:
        """The picture in these bytes. Raises TimeoutError, OSError, ValueError; the process is then of no use."""
        if not self._is_ready:
            self._answer(_START_S)
            self._is_ready = True
        assert self._process.stdin is not None
        began_s = time.monotonic()
        write_frame(cast("BinaryIO", self._process.stdin), {"name": begun.seen.id}, data)
        answer, pixels = self._answer(seconds)
        if "room" in answer:
            hold(answer["room"])
            began_s = time.monotonic()  # it does not count for how long the picture had to wait
            self._process.stdin.write(b"\n")
            answer, pixels = self._answer(seconds - (time.monotonic() - began_s))
        if answer["size_wh"] is None:
            return replace(begun, error=ImageError(answer["error"]))
        width, height = answer["size_wh"]
        image = Image.frombuffer(answer["mode"], (width, height), pixels, "raw", answer["mode"], 0, 1)
        return replace(begun, image=image, look=PictureLook(**answer["look"]))

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._process.wait()

    def _answer(self, seconds: float) -> tuple[dict[str, Any], bytearray]:
        until_s = time.monotonic() + seconds
        head = self._read(4, until_s)
        values = json.loads(self._read(frame_length(bytes(head)), until_s))
        return values, self._read(values["bytes"], until_s)

    def _read(self, count: int, until_s: float) -> bytearray:
        data = bytearray(count)
        rest = memoryview(data)
        pipe = self._process.stdout
        assert pipe is not None
        while rest:
            left_s = until_s - time.monotonic()
            if left_s <= 0 or not select.select([pipe], [], [], left_s)[0]:
                raise TimeoutError("it takes longer to open than a picture may take")
            done = pipe.readinto(rest)  # type: ignore[attr-defined]
            if not done:
                raise OSError("it ended")
            rest = rest[done:]
        return data
