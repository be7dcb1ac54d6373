"""Video: frames of a file, each handed on once, as fast as the line judges them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from pydantic import Field

from kenpin.data.video import time_name
from kenpin.station.arrival import Arrival
from kenpin.station.sources.belonging import Belongings
from kenpin.station.sources.contract import SourceAwayError, SourcePlace
from kenpin.station.sources.frames import (
    NEEDS_AV,
    FrameOptions,
    Opening,
    check_av_installed,
    grey_of,
    opened_frames,
    png_of_frame,
)
from kenpin.station.sources.handing import Handing

SUMMARY = "the file of a video"
NEEDS = f"A file that FFmpeg reads, and {NEEDS_AV}."

_USUAL_RATE = 25.0


class VideoOptions(FrameOptions):
    """What a video takes."""

    file: Path = Field(description="The video, from the station's folder.")


OPTIONS = VideoOptions


def open(options: VideoOptions, place: SourcePlace) -> VideoSource:
    """A video, which is opened when it runs. Raises MissingExtraError."""
    check_av_installed()
    return VideoSource(options, place)


class VideoSource:
    """The file of a video. A frame's name is its time in it: started again, the station knows it."""

    def __init__(self, options: VideoOptions, place: SourcePlace) -> None:
        self._options, self._place = options, place
        self._file = place.path(options.file)
        self._belongings = Belongings(options)

    def run(self, handing: Handing) -> None:
        """Hand on the frames to the end. Raises SourceAwayError where it cannot be read."""
        state = self._state()
        if self._place.seen.all().get(self._file.name) == state:
            return  # it was read to its end before
        opening = Opening(str(self._file), str(self._file), self._options.timeout_s)
        takes, refused = self._options.new_trigger(), handing.state.refused
        with opened_frames(opening) as frames:
            first_s: float | None = None
            for number, (time_s, frame) in enumerate(frames):
                at_s = number / _USUAL_RATE if time_s is None else time_s
                first_s = at_s if first_s is None else first_s
                if takes(at_s - first_s, partial(grey_of, frame)):
                    name = f"{self._file.stem}-{time_name(at_s - first_s)}.png"
                    data = png_of_frame(frame)
                    belonging = self._belongings.of(name, partial(grey_of, frame))
                    handing.hand(Arrival(f"{self._place.name}/{name}", data, belonging.product, belonging.lot))
                if handing.stop.is_set():
                    return
                handing.settle()
        handing.finish()
        if not handing.stop.is_set() and handing.state.refused == refused and self._state() == state:
            self._place.seen.add({self._file.name: state})

    def _state(self) -> tuple[int, int]:
        try:
            status = self._file.stat()
        except OSError as error:
            why = error.strerror or error
            raise SourceAwayError(f"{self._file}: cannot be read ({why}); copy the video there.") from error
        return status.st_size, status.st_mtime_ns
