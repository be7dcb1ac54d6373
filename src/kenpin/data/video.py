"""The frames of a video as pictures, by interval, each named by its time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenpin.data.not_opened import VIDEOS, ending_of
from kenpin.data.picture_files import MAX_PIXELS
from kenpin.errors import DatasetError, MissingExtraError, OptionError, first_line
from kenpin.files import new_folder, refuse_to_destroy
from kenpin.installing import installing

if TYPE_CHECKING:
    from PIL import Image

_SHORTEST_S = 1e-3


def is_video(data: str | Path) -> bool:
    """Whether it is the file of a video, by its ending."""
    return ending_of(str(data)) in VIDEOS and Path(data).is_file()


def write_frames(video: str | Path, out: str | Path, *, every_s: float, overwrite: bool = False) -> int:
    """Write a frame of a video every so many seconds as PNG into a new folder; how many were written.

    A frame is named by its time, `line-00h01m02.500s.png`. Raises OptionError, OutputExistsError, DatasetError where
    the video cannot be decoded, and MissingExtraError.
    """
    video, target = Path(video).expanduser(), Path(out).expanduser().absolute()
    if not every_s >= _SHORTEST_S:
        raise OptionError(f"a frame every {every_s} seconds is impossible. Give at least {_SHORTEST_S}.")
    refuse_to_destroy(target, [Path.cwd(), video], overwrite=overwrite)
    count = 0
    with new_folder(target, overwrite=overwrite) as folder:
        for time_s, picture in frames(video, every_s):
            picture.save(folder / f"{video.stem}-{time_name(time_s)}.png", compress_level=1)
            count += 1
        if not count:
            raise DatasetError(f"{video}: there is no frame in it. Copy or export it again from its source.")
    return count


def time_name(time_s: float) -> str:
    """A time as it stands in a file name, in order of time.

    >>> time_name(3_723.5)
    '01h02m03.500s'
    """
    minutes, milliseconds = divmod(round(time_s * 1000), 60_000)
    return f"{minutes // 60:02}h{minutes % 60:02}m{milliseconds / 1000:06.3f}s"


def frames(video: Path, every_s: float) -> Iterator[tuple[float, Image.Image]]:
    """Time in seconds from the first frame on, and picture, of the first frame at or after each multiple of `every_s`,
    turned as players turn it. Raises DatasetError, MissingExtraError."""
    try:
        import av
    except ImportError as error:
        raise MissingExtraError(f"frames of a video are read by PyAV: {installing('video')}") from error
    try:
        with av.open(str(video)) as container:
            if not container.streams.video:
                raise DatasetError(f"{video}: there is no picture in it, sound alone. Choose another file.")
            yield from _frames(video, container, every_s)
    except (av.error.FFmpegError, ValueError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(
            f"{video}: the video cannot be decoded ({first_line(error)}). Copy or export it again from its source."
        ) from error


def _frames(video: Path, container: Any, every_s: float) -> Iterator[tuple[float, Image.Image]]:
    stream = container.streams.video[0]
    first_s, due = None, 0
    for number, frame in enumerate(container.decode(stream)):
        if frame.width * frame.height > MAX_PIXELS:
            raise DatasetError(f"{video}: its frames have more than {MAX_PIXELS:,} pixels. Make it smaller.")
        # a raw stream carries no times: then its rate tells
        time_s = float(frame.time if frame.time is not None else number / float(stream.average_rate or 25))
        first_s = time_s if first_s is None else first_s
        time_s -= first_s
        if time_s + _SHORTEST_S / 2 < due * every_s:
            continue
        due = int((time_s + _SHORTEST_S / 2) / every_s) + 1
        picture: Image.Image = frame.to_image()
        turned = round(getattr(frame, "rotation", 0) or 0) % 360
        yield time_s, picture.rotate(turned, expand=True) if turned else picture
