"""A picture's file, read once: only a regular file, never more than a limit, and its hash is of the very same bytes."""

from __future__ import annotations

import hashlib
import os
import stat
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from kenpin.data.in_shards import Member, bytes_of, member_of
from kenpin.errors import ImageError, first_line
from kenpin.records import ImageSource

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

MAX_PIXELS = 178_956_970
"""Pixels that a picture may have, Pillow's own limit against decompression bombs; 537 MB as RGB."""

MAX_BYTES = 6 * MAX_PIXELS + 1024**2
"""Bytes that a file may have to be read as a whole, 1.07 GB: the most pixels in three channels of 16 bits, not
compressed, and a MiB for the header."""

COPY_AGAIN = "Copy or export it again from its source"
"""Remedy for a damaged file."""


class PictureError(ImageError):
    """A picture that cannot be opened, with separate fields for code, problem and remedy.

    Codes: image-missing, image-forbidden, image-empty, image-foreign, image-needs-extra, image-truncated,
    image-undecodable, image-too-large, image-replaced, image-not-aligned,
    image-without-region.
    """

    def __init__(self, source: ImageSource, code: str, what: str, remedy: str) -> None:
        super().__init__(f"{source}: {what}. {remedy}.")
        self.code, self.what, self.remedy = code, what, remedy


def too_large(source: ImageSource, has: str, max_pixels: int) -> PictureError:
    """The error for a picture of too many pixels."""
    what = f"it has {has}, more than the {max_pixels:,} that are opened"
    return PictureError(source, "image-too-large", what, "Cut it into tiles or make it smaller")


@dataclass(frozen=True, slots=True)
class PictureBytes:
    """A picture's bytes, and what is known of exactly these."""

    source: ImageSource
    """The picture with these bytes, under the name of its file: whatever opens it opens these."""
    content: str
    """Their hash, 32 hexadecimal digits."""
    status: os.stat_result | None
    """Status of the file after it was read; None of a picture in memory, or in a shard."""

    @property
    def data(self) -> bytes:
        """The bytes."""
        return self.source.data or b""


def hash_of(data: bytes) -> str:
    """Hash of a picture's bytes, 32 hexadecimal digits."""
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def read_bytes_once(source: ImageSource, limit: int = MAX_BYTES) -> PictureBytes:
    """The bytes of a picture with their hash. Raises PictureError.

    A file is opened once. Whoever needs both its hash and its pixels takes both from here: a second look may see
    another picture under the same name. A file of more than `limit` bytes is not read, and of one that grows at most a
    byte beyond its first size; a pipe, a device and a folder are refused without waiting for them.
    """
    if source.data is not None:
        return PictureBytes(source, hash_of(source.data), None)
    if (member := member_of(source.path or "")) is not None:
        data = _read_in_place(source, member, limit)
        return PictureBytes(ImageSource(source.path, data), hash_of(data), None)
    with open_picture_file(source) as (file, status):
        if status.st_size > limit:
            what = f"the file has {status.st_size:,} bytes, more than the {limit:,} that are read"
            raise PictureError(source, "image-too-large", what, "Cut it into tiles, or save it compressed")
        try:
            data, after = file.read(status.st_size + 1), os.fstat(file.fileno())
        except OSError as error:
            raise PictureError(source, "image-missing", f"it cannot be read ({error})", COPY_AGAIN) from error
    return PictureBytes(ImageSource(source.path, data), hash_of(data), after)


def _read_in_place(source: ImageSource, member: Member, limit: int) -> bytes:
    """The bytes of a picture that lies in a shard. Raises PictureError."""
    try:
        return bytes_of(member, limit)
    except PermissionError as error:
        raise PictureError(source, "image-forbidden", "its shard may not be read", "Allow it to be read") from error
    except (OSError, ValueError) as error:  # Arrow's errors are of these
        what = f"it cannot be read in its shard ({first_line(error)})"
        raise PictureError(source, "image-missing", what, "Put the shard back, or read the data set again") from error


def in_memory(image: Image.Image) -> ImageSource:
    """A decoded picture, of mode L or RGB, as a source whose bytes are its pixels, not compressed."""
    kind = b"P5" if image.mode == "L" else b"P6"
    return ImageSource(data=kind + b" %d %d 255\n" % image.size + image.tobytes())


def read_as_known(source: ImageSource, content: str) -> ImageSource:
    """The picture with the bytes that have this hash; as it is where it lies in memory, or no hash is known ("").

    Raises PictureError where its file holds others by now.
    """
    if not content or source.data is not None:
        return source
    once = read_bytes_once(source)
    if once.content != content:
        what = "another picture came under this name while it was being worked on"
        remedy = "Start again with the data set as it is now, once nothing writes there any more"
        raise PictureError(source, "image-replaced", what, remedy)
    return once.source


@contextmanager
def open_picture_file(source: ImageSource) -> Iterator[tuple[IO[bytes], os.stat_result]]:
    """The open file of a picture and its status. Raises PictureError where it is absent, not a regular file or not
    readable."""
    if source.path is None:
        remedy = "Give the example a path or bytes"
        raise PictureError(source, "image-missing", "there is neither a file nor bytes", remedy)
    try:
        opened = open_regular(source.path)
    except PermissionError as error:
        remedy = "Allow it to be read, with chmod for example"
        raise PictureError(source, "image-forbidden", "it may not be read", remedy) from error
    except (OSError, ValueError) as error:
        what = "there is no such file" if isinstance(error, FileNotFoundError) else f"it cannot be opened ({error})"
        remedy = "Put the picture there, or correct its path"
        raise PictureError(source, "image-missing", what, remedy) from error
    if opened is None:
        raise PictureError(source, "image-foreign", "this is not a file", "Name a picture file")
    with opened[0]:
        yield opened


def open_regular(path: str) -> tuple[IO[bytes], os.stat_result] | None:
    """The open file and its status; None for a pipe, a device or a folder, of which none is waited for. Raises OSError,
    ValueError."""
    # some devices act when they are opened, so the name is asked first; and the descriptor, for it may be another file
    if not stat.S_ISREG(os.stat(path).st_mode):
        return None
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return None
    return open(descriptor, "rb"), status
