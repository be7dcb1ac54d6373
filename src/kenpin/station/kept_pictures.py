"""Pictures of parts as files by their content, on disk before the part has a record."""

from __future__ import annotations

import shutil
from pathlib import Path

from kenpin.files import cannot_write
from kenpin.station.folder import StationFolder
from kenpin.unnamed_file import take_once, write_once


class KeptPictures:
    """The pictures of a station, for any thread."""

    def __init__(self, folder: StationFolder) -> None:
        """Make the folders, one for the first two digits each: none has too many files. Raises OutputError."""
        self._folder = folder
        with cannot_write(folder.pictures):
            for number in range(256):
                (folder.pictures / f"{number:02x}").mkdir(parents=True, exist_ok=True)

    def keep(self, picture_hash: str, data: bytes) -> None:
        """Write a picture; when this returns it is on disk. Raises OutputError."""
        target = self._folder.picture(picture_hash)
        if target.exists():
            return
        write_once(target, data)

    def take(self, picture_hash: str, file: Path) -> None:
        """Keep the file of a picture, of this content, without reading it again; when this returns it is on disk.
        Raises OutputError."""
        target = self._folder.picture(picture_hash)
        if not target.exists():
            take_once(target, file)

    def path(self, picture_hash: str) -> Path:
        """Where the file of a picture is, or was."""
        return self._folder.picture(picture_hash)

    def find(self, picture_hash: str) -> Path | None:
        """The file of a picture; None where it was removed, or never kept."""
        file = self._folder.picture(picture_hash)
        return file if file.is_file() else None

    def read(self, picture_hash: str) -> bytes | None:
        """The picture's file; None where it was removed. Raises OSError."""
        try:
            with self._folder.picture(picture_hash).open("rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def remove(self, picture_hash: str) -> int:
        """Remove a picture, and return its bytes; 0 where it was gone. Raises OutputError."""
        file = self._folder.picture(picture_hash)
        with cannot_write(file):
            try:
                size = file.stat().st_size
                file.unlink()
            except FileNotFoundError:
                return 0
        return size

    @property
    def free_bytes(self) -> int:
        """Bytes that the disk has left."""
        return shutil.disk_usage(self._folder.pictures).free
