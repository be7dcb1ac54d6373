"""Pictures on their way to be judged: files as they were seen, read once, and those that were named one by one."""

from __future__ import annotations

import hashlib
import os
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Protocol

from kenpin.data.images import PictureError, read_image
from kenpin.errors import ImageError
from kenpin.records import ImageSource

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as it was seen."""

    id: str
    path: str
    size_bytes: int
    modified_ns: int
    inode: int
    since_s: float
    """Since when it can have been as it is, in seconds since 1970: last written, or given its name."""

    @property
    def state(self) -> tuple[int, int, int]:
        """Another one is another content."""
        return self.size_bytes, self.modified_ns, self.inode


def sighting_of(id: str, path: str, status: os.stat_result) -> Sighting:
    """What the status of a file tells of it."""
    return Sighting(id, path, status.st_size, status.st_mtime_ns, status.st_ino, status.st_ctime)


def is_still_there(seen: Sighting) -> bool:
    """Whether the file is as it was seen."""
    try:
        return sighting_of(seen.id, seen.path, Path(seen.path).stat()).state == seen.state
    except OSError:
        return False


def as_text(path: str) -> str:
    """A path that any file of text can hold: bytes that are no UTF-8 are written as \\x.."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that was read, with its picture or with what hindered it."""

    seen: Sighting
    picture_hash: str
    """Of the content, 32 hexadecimal digits; empty where it cannot be read."""
    image: Image | None
    error: ImageError | None


def open_picture(seen: Sighting) -> Opened:
    """Read the file once: its hash and its picture are of the same bytes."""
    source, digest = ImageSource(seen.path), ""
    try:
        if stat.S_ISREG(Path(seen.path).stat().st_mode):  # a pipe could be waited for in vain
            with open(seen.path, "rb") as file:
                data = file.read()
                status = os.fstat(file.fileno())
            source = ImageSource(seen.path, data)
            digest = hashlib.blake2b(data, digest_size=16).hexdigest()
            if sighting_of(seen.id, seen.path, status).state != seen.state:
                raise PictureError(source, "image-truncated", "it changed while it was read", "Inspect it again")
    except ImageError as error:
        return Opened(seen, digest, None, error)
    except OSError:
        pass  # what follows fails of it too, with a sentence
    try:
        return Opened(seen, digest, read_image(source), None)
    except ImageError as error:
        return Opened(seen, digest, None, error)


class Source(Protocol):
    """Where pictures come from."""

    sets_aside: bool
    """Whether files that are no pictures are moved out of the way."""

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """At most so many files to open now; None when there will be no more. wait: until there is one."""

    def judged(self, seen: Sighting) -> None:
        """This file is done with."""

    def gives_up(self, seen: Sighting) -> bool:
        """Told that this file is no picture: whether it will not become one either."""


class NamedPictures:
    """Pictures that were named, in their order."""

    sets_aside = False

    def __init__(self, paths: Iterable[str], stop: Event) -> None:
        self._paths, self._stop = iter(paths), stop

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """The next ones."""
        most = 0 if self._stop.is_set() else most
        return [self._seen(path) for path in islice(self._paths, most)] or None

    def judged(self, seen: Sighting) -> None:
        """Nothing to do."""

    def gives_up(self, seen: Sighting) -> bool:
        """At once."""
        return True

    def _seen(self, path: str) -> Sighting:
        # what was named was complete before; its time begins when its turn comes
        now_s, name = time.time(), as_text(os.path.normpath(path))
        try:
            status = Path(path).stat()
        except OSError:
            return Sighting(name, path, 0, 0, 0, now_s)
        return Sighting(name, path, status.st_size, status.st_mtime_ns, status.st_ino, now_s)
