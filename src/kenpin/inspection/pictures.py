"""Pictures to be judged: files as they were listed, read once, and pictures that were named on the command line."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from kenpin.data.images import read_grey_or_rgb
from kenpin.data.picture_files import MAX_BYTES, PictureError, hash_of, read_bytes_once
from kenpin.data.picture_look import PictureLook
from kenpin.errors import ImageError, first_line
from kenpin.inspection.record import PartKey, ProductChoice, part_key
from kenpin.records import ImageSource

if TYPE_CHECKING:
    from PIL.Image import Image

_AGAIN = "Inspect it again"


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as it was listed, or a folder that cannot be listed, whose id ends with a slash."""

    id: str
    path: str
    size_bytes: int
    modified_ns: int
    inode: int
    since_s: float
    """Earliest time of its present state, in seconds since 1970: last written, or renamed."""

    @property
    def state(self) -> tuple[int, int, int]:
        """State by which a change of the content is noticed."""
        return self.size_bytes, self.modified_ns, self.inode

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder, which is never moved."""
        return self.id.endswith("/")


def sighting_of(id: str, path: str, status: os.stat_result | None) -> Sighting:
    """A sighting from the status of a file; that of a folder is not used, for it changes with every part in it."""
    if status is None:
        return Sighting(id, path, 0, 0, 0, 0.0)
    if stat.S_ISDIR(status.st_mode):
        return Sighting(id, path, 0, 0, status.st_ino, status.st_ctime)
    return Sighting(id, path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime)


def status_of(path: str) -> os.stat_result | None:
    """Status of a file, or of a broken link itself; None where it cannot be read."""
    for follow in (True, False):
        try:
            return Path(path).stat(follow_symlinks=follow)
        except (OSError, ValueError):
            continue
    return None


def is_still_there(seen: Sighting) -> bool:
    """Whether the file is unchanged since it was listed."""
    return sighting_of(seen.id, seen.path, status_of(seen.path)).state == seen.state


def as_text(words: str) -> str:
    """A name, a path or a sentence as valid UTF-8: other bytes are written as \\x..

    >>> as_text("caf\\udce9.png"), as_text("half a pair \\ud83d")
    ('caf\\\\xe9.png', 'half a pair \\\\xed\\\\xa0\\\\xbd')
    """
    try:
        data = words.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # a surrogate that stands for no byte
        data = words.encode("utf-8", "surrogatepass")
    return data.decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Opened:
    """A picture that was read, or the error."""

    seen: Sighting
    whole_path: str
    """The path as text; the name of a picture in memory."""
    picture_hash: str
    """Of the content, 32 hexadecimal digits; empty where it could not be read."""
    image: Image | None
    """As displayed: mode L where it is grey, else mode RGB."""
    error: ImageError | None
    lot: str | None = None
    """Name of its lot, in place of the policy's."""
    look: PictureLook | None = None
    """How it was taken, where that was measured."""
    choice: ProductChoice | None = None
    """How its product was looked for, where it came without one."""
    features: Mapping[str, Mapping[str, NDArray[Any]]] = field(default_factory=dict, compare=False, repr=False)
    """What networks computed of it already, as `kenpin.models.passing.Features`."""

    @property
    def key(self) -> PartKey:
        """Key of the part."""
        return part_key(self.seen.id, self.picture_hash, self.seen.size_bytes, self.seen.modified_ns)


def open_picture(seen: Sighting) -> Opened:
    """Read the file once, so that hash and picture are of the same bytes. Errors are in the result."""
    return open_with_bytes(seen, read_grey_or_rgb)[0]


def open_with_bytes(
    seen: Sighting, opens: Callable[[ImageSource], Image | None], most_bytes: int = MAX_BYTES
) -> tuple[Opened, bytes]:
    """As `open_picture`, and the file's bytes; none where it could not be read. opens: makes the picture of bytes, and
    raises where they are none; None where it only looks at them. most_bytes: a larger file is not read."""
    digest, data, image, error = "", b"", None, None
    try:
        _refuse_folder(seen.path)
        once = read_bytes_once(ImageSource(seen.path), most_bytes)
        digest, data = once.content, once.data
        if len(data) != seen.size_bytes or sighting_of(seen.id, seen.path, once.status).state != seen.state:
            raise PictureError(once.source, "image-truncated", "it changed while it was read", _AGAIN)
        image = opens(once.source)
    except Exception as hindrance:  # noqa: BLE001 a file may fail in any way, and none may hold up a line
        error = _as_image_error(seen.path, hindrance)
    return Opened(seen, _whole_path(seen.path), digest, image, error), data


def open_bytes(name: str, data: bytes, *, lot: str | None = None) -> Opened:
    """A picture in memory as an opened one, complete at this moment. lot: name of its lot, in place of the policy's."""
    opened = unopened(name, data, hash_of(data), lot=lot)
    try:
        return replace(opened, image=image_of_bytes(name, data))
    except ImageError as error:
        return replace(opened, error=error)


def image_of_bytes(name: str, data: bytes) -> Image:
    """The picture in memory, mode RGB or L. Raises ImageError, whatever hinders it."""
    try:
        return read_grey_or_rgb(ImageSource(name, data))
    except ImageError:
        raise
    except Exception as hindrance:  # as above
        raise _as_image_error(name, hindrance) from hindrance


def unopened(name: str, data: bytes, digest: str, *, lot: str | None = None) -> Opened:
    """A picture in memory, complete at this moment, before it is opened. digest: hash of its content."""
    now_s = time.time()
    seen = Sighting(as_text(name), name, len(data), int(now_s * 1e9), 0, now_s)
    return Opened(seen, seen.id, digest, None, None, None if lot is None else as_text(lot))


def _refuse_folder(path: str) -> None:
    """Raises PictureError for a folder, with the reason where it cannot be listed."""
    status = status_of(path)
    if status is None or not stat.S_ISDIR(status.st_mode):
        return
    try:
        os.scandir(path).close()
    except OSError as error:
        what = f"the folder cannot be listed ({error.strerror or error}), so that nobody looked at what is in it"
        remedy = "Allow it to be read, and inspect its pictures"
        raise PictureError(ImageSource(path), "image-forbidden", what, remedy) from error


def _as_image_error(path: str, error: Exception) -> ImageError:
    if isinstance(error, ImageError):
        return error
    return PictureError(ImageSource(path), "image-undecodable", f"it cannot be opened ({first_line(error)})", _AGAIN)


def _whole_path(path: str) -> str:
    try:
        return as_text(str(Path(path).absolute()))
    except OSError:  # the current folder is gone
        return as_text(path)


class Source(Protocol):
    """A source of pictures."""

    @property
    def folder(self) -> Path | None:
        """The watched folder, whose files are moved aside where they are no pictures; None: no file is moved."""

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """At most `most` files to open now; None when there will be no more. wait: until there is one."""

    def judged(self, seen: Sighting) -> None:
        """Mark this file as judged."""

    def gives_up(self, opened: Opened) -> bool:
        """Whether a file that is no picture, or cannot be read, is not to be tried again."""


class NamedPictures:
    """Pictures named on the command line, in their order."""

    folder = None

    def __init__(self, paths: Iterable[str], stop: Event) -> None:
        self._paths, self._stop = iter(paths), stop

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """The next pictures, at most `most`."""
        most = 0 if self._stop.is_set() else most
        return [self._seen(path) for path in islice(self._paths, most)] or None

    def judged(self, seen: Sighting) -> None:
        """Nothing to do."""

    def gives_up(self, opened: Opened) -> bool:
        """True: a named file is tried once."""
        return True

    def _seen(self, path: str) -> Sighting:
        # a named file was complete before; its time begins now
        id = as_text(os.path.normpath(path))
        return replace(sighting_of(id, path, status_of(path)), since_s=time.time())
