"""Frames of videos, streams and cameras: opened by PyAV, triggered, and encoded without loss."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field, field_validator

from kenpin.data.picture_files import MAX_PIXELS
from kenpin.errors import MissingExtraError, first_line
from kenpin.installing import installing
from kenpin.station.sources.contract import SourceAwayError, SourceOptions
from kenpin.station.sources.naming import RegionPx, check_region
from kenpin.station.sources.triggers import BrightnessTrigger, ChangeTrigger, DebouncedEdge, EveryTrigger, Trigger

if TYPE_CHECKING:
    from av import VideoFrame

NEEDS_AV = 'the package av: pip install "kenpin[video]"'
_DEEP = ("gray9", "gray10", "gray12", "gray14", "gray16")
_QUICK = 1  # level of zlib
_ANY_TIME = Fraction(1, 1000)


class FrameOptions(SourceOptions):
    """Which frames become parts."""

    trigger: Literal["time", "change", "brightness"] = Field(
        "time",
        description="What takes a frame: every `every_s` seconds; a change of the region from frame to frame, or its "
        "brightness, that crosses `level`.",
    )
    every_s: float = Field(1.0, ge=0.001, description="Seconds from frame to frame, for `time`.")
    level: float = Field(10.0, ge=0, le=255, description="Grey values, 0 to 255, for `change` and `brightness`.")
    edge: Literal["rises", "falls"] = Field(
        "rises", description="Whether the signal rises above the level, as when a part moves in, or falls below it."
    )
    debounce_s: float = Field(
        0.1, ge=0, description="Seconds that the signal must keep to the other side of the level."
    )
    region: RegionPx | None = Field(
        None, description="Where the trigger looks: x1, y1, x2, y2 in pixels; by default everywhere."
    )
    timeout_s: float = Field(10.0, gt=0, le=600, description="Seconds without a frame after which it is opened again.")

    @field_validator("region")
    @classmethod
    def _is_where_it_looks(cls, region: RegionPx | None) -> RegionPx | None:
        return None if region is None else check_region(region)

    def new_trigger(self) -> Trigger:
        """A trigger that has seen no frame."""
        if self.trigger == "time":
            return EveryTrigger(self.every_s)
        edge = DebouncedEdge(self.level, self.edge, self.debounce_s)
        return (ChangeTrigger if self.trigger == "change" else BrightnessTrigger)(edge, self.region)


@dataclass(frozen=True, slots=True)
class Opening:
    """How a video is opened."""

    address: str = field(repr=False)
    """File, device or URL; it may hold a password, and is never shown."""
    shown: str
    """The same for messages."""
    timeout_s: float
    format: str | None = None
    """As FFmpeg calls it; None where it is told by the content."""
    settings: Mapping[str, str] = field(default_factory=dict)
    """FFmpeg's options."""


def check_av_installed() -> None:
    """Raises MissingExtraError where PyAV is not installed."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(f"videos and cameras are read by PyAV: {installing('video')}") from error


@contextmanager
def opened_frames(opening: Opening) -> Iterator[Iterator[tuple[float | None, VideoFrame]]]:
    """The frames with their times in the video in seconds, None where it has none. Raises SourceAwayError where it
    cannot be opened or breaks off."""
    import av

    with _named_errors(opening):
        container = av.open(
            opening.address, format=opening.format, options=dict(opening.settings), timeout=opening.timeout_s
        )
    with container:
        yield _frames(opening, container)


def _frames(opening: Opening, container: Any) -> Iterator[tuple[float | None, VideoFrame]]:
    if not container.streams.video:
        raise SourceAwayError(f"{opening.shown}: there is no picture in it; choose another.")
    with _named_errors(opening):
        for frame in container.decode(container.streams.video[0]):
            if frame.width * frame.height > MAX_PIXELS:
                raise SourceAwayError(
                    f"{opening.shown}: its frames have more than {MAX_PIXELS:,} pixels; make it smaller."
                )
            yield (None if frame.time is None else float(frame.time)), frame


@contextmanager
def _named_errors(opening: Opening) -> Iterator[None]:
    import av

    try:
        yield
    except (av.error.FFmpegError, ValueError, OSError) as error:
        if isinstance(error, SourceAwayError):
            raise
        # what else the error holds may show the password of the address
        why = getattr(error, "strerror", None) or (first_line(error) if isinstance(error, ValueError) else "no answer")
        raise SourceAwayError(f"{opening.shown}: cannot be read ({why}); it is tried again by itself.") from None


def grey_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """The grey values of a frame, (h, w)."""
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="gray")
    return pixels


def png_of_frame(frame: VideoFrame) -> bytes:
    """A frame as PNG, upright, its pixels as they were decoded: deep grey ones stay deep."""
    import av

    name = frame.format.name
    pixels = "gray16be" if name.startswith(_DEEP) else "gray" if name.startswith("gray") else "rgb24"
    turned = round(getattr(frame, "rotation", 0) or 0) % 360
    if turned:
        picture = Image.fromarray(frame.to_ndarray(format=pixels.replace("be", "le"))).rotate(turned, expand=True)
        file = io.BytesIO()
        picture.save(file, "PNG", compress_level=_QUICK)
        return file.getvalue()
    encoder = av.CodecContext.create("png", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = frame.width, frame.height, pixels, _ANY_TIME
    # in half of Pillow's time, and other threads go on
    encoder.options = {"compression_level": str(_QUICK), "pred": "up"}
    return b"".join(bytes(packet) for one in (frame.reformat(format=pixels), None) for packet in encoder.encode(one))


def clock_name(at_us: int) -> str:
    """A time as it stands in the name of a frame. at_us: microseconds since 1970.

    >>> clock_name(1_795_860_000_123_456)
    '2026-11-28T10:00:00.123456Z'
    """
    seconds, microseconds = divmod(at_us, 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{microseconds:06}Z"
