"""Pictures named on a command line: files as they are, folders with all pictures below them, shards with theirs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from kenpin.data.in_shards import TAR, is_address
from kenpin.data.mistaken import is_a_run, run_in_place_of_data
from kenpin.data.not_opened import kinds_of
from kenpin.data.reading.pictures import listed, pictures_below
from kenpin.errors import DatasetError


def picture_files(paths: Iterable[str | Path], *, unlisted: list[str] | None = None) -> Iterator[str]:
    """Each file, and the pictures below each folder in the order of their names, those behind them that are never
    opened: opening these tells what they are. Of shards, and behind an address, the pictures in them.

    unlisted: takes the folders that cannot be listed. Raises DatasetError; OSError for such a folder where it is None.
    """
    for path in paths:
        if is_address(path) or _is_of_shards(Path(path)):
            from kenpin.data.loading import load_dataset  # who names pictures does not wait for every format

            yield from filter(None, load_dataset(path).files())
            continue
        if not os.path.isdir(path):  # an unreadable path fails where it is opened
            yield str(path)
            continue
        has_picture, before, others = False, len(unlisted or ()), list[str]()
        for picture in pictures_below(path, others=others, unlisted=unlisted):
            has_picture = True
            yield picture
        # a file that is named is refused by name where it is opened, and none may be overlooked
        never = [name for names in kinds_of(others).values() for name in names]
        yield from never
        if not (has_picture or never) and len(unlisted or ()) == before:
            if is_a_run(Path(path)):
                raise DatasetError(run_in_place_of_data(Path(path)))
            raise DatasetError(f"{path}: there is no picture in this folder or below it; give a folder of pictures.")


def _is_of_shards(path: Path) -> bool:
    """Whether it is an archive, or a folder with archives and no pictures, in WebDataset's form."""
    is_folder = path.is_dir()
    if (is_folder and listed(path).pictures) or not (is_folder or path.suffix == TAR):
        return False
    from kenpin.data.formats import webdataset

    return webdataset.recognises(path)
