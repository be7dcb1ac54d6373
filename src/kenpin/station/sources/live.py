"""Live pictures: frames of a stream or camera, that come whether or not the line has time for them."""

from __future__ import annotations

import queue
import threading
import time
from functools import partial
from typing import TYPE_CHECKING

from pydantic import Field

from kenpin.plural import counted
from kenpin.station.arrival import Arrival
from kenpin.station.clock import Clock, now_us
from kenpin.station.sources.belonging import Belongings
from kenpin.station.sources.contract import SourceAwayError, SourcePlace
from kenpin.station.sources.frames import (
    FrameOptions,
    Opening,
    check_av_installed,
    clock_name,
    grey_of,
    opened_frames,
    png_of_frame,
)
from kenpin.station.sources.handing import Handing

if TYPE_CHECKING:
    from av import VideoFrame

_LOOKS_EVERY_S = 0.1


class LiveOptions(FrameOptions):
    """Which frames of a live picture become parts."""

    waiting_frames: int = Field(
        8,
        ge=1,
        le=1000,
        description="Frames that may wait while the line is full; beyond it they are dropped and counted.",
    )


class LiveSource:
    """A stream or a camera. One thread decodes, so that the picture is always the present one; another hands on."""

    def __init__(
        self,
        options: LiveOptions,
        place: SourcePlace,
        opening: Opening,
        *,
        clock_us: Clock = now_us,
    ) -> None:
        """Raises MissingExtraError."""
        check_av_installed()
        self._options, self._place, self._opening, self._clock_us = options, place, opening, clock_us
        self._belongings = Belongings(options)
        self._frames: queue.Queue[tuple[int, VideoFrame]] = queue.Queue(options.waiting_frames)
        self._last_us = 0

    def run(self, handing: Handing) -> None:
        """Hand on frames until the station ends. Raises SourceAwayError where it breaks off or ends."""
        over = threading.Event()
        sender = threading.Thread(
            target=self._send, args=(handing, over), name=f"{self._place.name} frames", daemon=True
        )
        sender.start()
        try:
            with opened_frames(self._opening) as frames:
                takes = self._options.new_trigger()
                for _, frame in frames:
                    if handing.stop.is_set():
                        return
                    if takes(time.monotonic(), partial(grey_of, frame)):
                        self._catch(frame, handing)
        finally:
            over.set()
            sender.join()
        raise SourceAwayError(f"{self._opening.shown}: it has ended; it is opened again by itself.")

    def _catch(self, frame: VideoFrame, handing: Handing) -> None:
        # two frames never have one name, also where the clock is set back
        self._last_us = max(self._clock_us(), self._last_us + 1)
        try:
            self._frames.put_nowait((self._last_us, frame))
        except queue.Full:
            waiting = counted(self._frames.qsize(), "frame")
            handing.drop(1, f"The frame of {clock_name(self._last_us)} was dropped, for {waiting} waited already.")

    def _send(self, handing: Handing, over: threading.Event) -> None:
        """Hand on what was caught, until all is and the stream is over."""
        while True:
            try:
                at_us, frame = self._frames.get(timeout=0.0 if over.is_set() else _LOOKS_EVERY_S)
            except queue.Empty:
                if over.is_set():
                    break
                handing.settle()
                continue
            if not self._hand(at_us, frame, handing):
                handing.drop(1, f"The frame of {clock_name(at_us)} was dropped, for the station ended.")
        handing.finish()

    def _hand(self, at_us: int, frame: VideoFrame, handing: Handing) -> bool:
        name = f"{clock_name(at_us)}.png"
        try:
            data = png_of_frame(frame)
            belonging = self._belongings.of(name, partial(grey_of, frame))
        except Exception as error:  # noqa: BLE001 one frame must not stop those behind it
            handing.drop(1, f"The frame of {clock_name(at_us)} cannot be encoded ({type(error).__name__}: {error}).")
            return True
        arrival = Arrival(f"{self._place.name}/{name}", data, belonging.product, belonging.lot)
        return handing.hand(arrival)
