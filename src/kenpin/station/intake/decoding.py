"""Pictures of strangers opened in processes of their own, bounded in memory and time."""

from __future__ import annotations

import json
import select
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import replace
from queue import LifoQueue
from typing import Any, BinaryIO, cast

from PIL import Image

from kenpin.data.picture_files import hash_of
from kenpin.data.streaming import hold
from kenpin.errors import ImageError
from kenpin.inspection.pictures import Opened, unopened
from kenpin.station.arrival import Arrival
from kenpin.station.intake.decoding_child import frame_length, write_frame

_START_S = 60.0


class Decoder:
    """A few processes that open pictures, for as many threads; one that dies or takes too long is replaced."""

    def __init__(self, processes: int = 2, seconds: float = 30.0) -> None:
        """seconds: that a picture may take; then it is REVIEW, as one that cannot be opened."""
        self._seconds = seconds
        self._idle: LifoQueue[_Child | None] = LifoQueue()
        for _ in range(processes):
            self._idle.put(_Child())

    def open(self, arrival: Arrival) -> Opened:
        """The part's picture, or why it cannot be opened; waits for an idle process and for room."""
        begun = unopened(arrival.id, arrival.data, hash_of(arrival.data), lot=arrival.lot)
        child = self._idle.get() or _Child()
        try:
            opened = child.open(begun, arrival.data, self._seconds)
        except (OSError, ValueError) as error:
            child.end()
            self._idle.put(None)
            why = f"{error}" if isinstance(error, TimeoutError) else "the process that opened it died"
            return replace(begun, error=ImageError(f"{begun.seen.id}: {why}. Inspect the part yourself."))
        self._idle.put(child)
        return opened

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
        return replace(begun, image=Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1))

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
