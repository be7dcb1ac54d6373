"""Uploads of many files: each is written as it comes, below a folder of the station, under a name of the station's."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from fastapi.concurrency import run_in_threadpool

from kenpin.errors import OptionError, OutputError
from kenpin.station.api.forms import read_form

_MOST_FIELDS, _LONGEST_FIELD = 20, 4_000
_LOOKS_AT_DISK_BYTES = 16 * 1024**2


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file that came."""

    name: str
    """As the sender calls it: to be shown, and never a path."""
    path: Path


@dataclass(frozen=True, slots=True)
class Upload:
    """All that came."""

    fields: dict[str, str] = field(default_factory=dict)
    files: list[UploadedFile] = field(default_factory=list)


async def receive_upload(
    content_type: str, pieces: AsyncIterator[bytes], folder: Path, *, most_files: int, free_bytes: int
) -> Upload:
    """Take a form with files (multipart/form-data). folder: an empty one; free_bytes: that the disk must keep.

    No file is open longer than it is written, and nothing but one piece is held in memory. Raises OptionError where
    it is no such form or has too many parts, OutputError where the disk has no room.
    """
    receiving = _Receiving(folder, most_files, free_bytes)
    try:
        await read_form(content_type, pieces, receiving, run_in_threadpool)  # it writes files
    finally:
        receiving.close()
    return receiving.upload


class _Receiving:
    """The parts of a form, as the parser finds them."""

    def __init__(self, folder: Path, most_files: int, free_bytes: int) -> None:
        self.upload = Upload()
        self._folder, self._most_files, self._free_bytes = folder, most_files, free_bytes
        self._field: str | None = None
        self._text = bytearray()
        self._file: BinaryIO | None = None
        self._unlooked = _LOOKS_AT_DISK_BYTES

    def begin(self, field: str, file: str | None) -> None:
        if file is not None:
            if len(self.upload.files) == self._most_files:
                raise OptionError(f"the upload has more than {self._most_files:,} files; send less at a time.")
            path = self._folder / f"{len(self.upload.files)}"
            self.upload.files.append(UploadedFile(file, path))
            self._file = path.open("xb")
            return
        if len(self.upload.fields) == _MOST_FIELDS:
            raise OptionError(f"the form has more than {_MOST_FIELDS} fields; send fewer.")
        self._field = field
        self._text.clear()

    def data(self, piece: bytes) -> None:
        size = len(piece)
        if self._file is not None:
            self._unlooked += size
            if self._unlooked >= _LOOKS_AT_DISK_BYTES:
                self._unlooked = 0
                check_room(self._folder, self._free_bytes)
            self._file.write(piece)
        else:
            if len(self._text) + size > _LONGEST_FIELD:
                raise OptionError(f"a field of the form has more than {_LONGEST_FIELD:,} bytes; shorten it.")
            self._text += piece

    def end(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        elif self._field is not None:
            self.upload.fields[self._field] = self._text.decode("utf-8", "replace")
            self._field = None

    def close(self) -> None:
        """Close what is open, where it broke off."""
        if self._file is not None:
            self._file.close()


def check_room(folder: Path, free_bytes: int) -> int:
    """Bytes that may still be written to a folder's disk, so that the line has its own. Raises OutputError where there
    are none."""
    room = shutil.disk_usage(folder).free - free_bytes
    if room <= 0:
        raise OutputError("the station's disk has no room left for uploads; free some, and send it again.")
    return room
