"""Pictures named on a command line: files as they are, folders with all pictures below them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from kenpin.data.reading.pictures import pictures_below
from kenpin.errors import DatasetError


def picture_files(paths: Iterable[str | Path]) -> Iterator[str]:
    """Each file, and the pictures below each folder in the order of their names. Raises DatasetError."""
    for path in paths:
        if not Path(path).is_dir():
            yield str(path)
            continue
        found = False
        for picture in pictures_below(path, others=[]):
            found = True
            yield picture
        if not found:
            raise DatasetError(f"{path}: there is no picture in this folder or below it; give a folder of pictures.")
