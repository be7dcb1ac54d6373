"""Camera: frames of a USB camera, by the system's own driver."""

from __future__ import annotations

import sys

from pydantic import Field

from kenpin.errors import OptionError
from kenpin.station.sources.contract import SourcePlace
from kenpin.station.sources.frames import NEEDS_AV, Opening
from kenpin.station.sources.live import LiveOptions, LiveSource

SUMMARY = "a USB camera"
NEEDS = f"A camera that the system knows, such as /dev/video0, which the station may read; and {NEEDS_AV}."


class CameraOptions(LiveOptions):
    """What a USB camera takes."""

    device: str = Field("/dev/video0", min_length=1, description="The camera, as the system names it.")
    size: str | None = Field(
        None, pattern=r"^\d+x\d+$", description="Width and height in pixels, as 1920x1080; by default the camera's own."
    )
    rate: float | None = Field(None, gt=0, description="Frames a second that it is asked for; by default its own.")
    pixels: str | None = Field(
        None, pattern=r"^\w+$", description="Form of its pixels, as FFmpeg names it: mjpeg, yuyv422, gray16le."
    )


OPTIONS = CameraOptions


def open(options: CameraOptions, place: SourcePlace) -> LiveSource:
    """A camera, which is opened when it runs. Raises OptionError, MissingExtraError."""
    if not sys.platform.startswith("linux"):
        raise OptionError(f"source {place.name!r}: cameras are read on Linux alone; write its pictures into a folder.")
    wanted = {
        "video_size": options.size,
        "framerate": None if options.rate is None else f"{options.rate:g}",
        "input_format": options.pixels,
    }
    settings = {name: value for name, value in wanted.items() if value is not None}
    return LiveSource(options, place, Opening(options.device, options.device, options.timeout_s, "v4l2", settings))
