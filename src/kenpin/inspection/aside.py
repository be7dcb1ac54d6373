"""Files that are no pictures, put out of a line's way: recorded before they move, never deleted, never overwritten."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

from kenpin.inspection.journal import Journal
from kenpin.inspection.pictures import Sighting, is_still_there, sighting_of
from kenpin.inspection.record import PartRecord

_FOLDER = "aside"


def place_aside(record: PartRecord) -> str:
    """Where a part's file goes, below the folder of the records."""
    name = record.id.rpartition("/")[2]
    return f"{_FOLDER}/{record.picture_hash[:8]}-{name[-60:]}"  # 255 bytes are the most that a name may have


def put_aside(seen: Sighting, place: Path) -> None:
    """Move a file unless it has changed, to a further name where that one is taken. Raises OSError."""
    place.parent.mkdir(exist_ok=True)
    target, number = place, 1
    while os.path.lexists(target):
        number += 1
        target = place.with_name(f"{place.stem}-{number}{place.suffix}")
    if not is_still_there(seen):
        return
    path = Path(seen.path)
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_and_remove(seen, target)
    else:
        if not is_still_there(replace(seen, path=str(target))) and not os.path.lexists(path):
            target.rename(path)  # another picture took the name in that moment, and is to be judged


def finish_moves(journal: Journal, out: Path) -> None:
    """Move what an inspection that was killed had recorded as put aside and not moved. Raises RunError, OSError."""
    for record in journal.set_aside():
        try:
            seen = sighting_of(record.id, record.picture, Path(record.picture).stat())
        except OSError:
            continue
        if seen.state[:2] == (record.picture_bytes, record.modified_ns) and record.aside is not None:
            put_aside(seen, out / record.aside)


def _copy_and_remove(seen: Sighting, target: Path) -> None:
    """To another file system, where a name alone cannot be moved."""
    temporary = target.with_name(f".{target.name}.partial")
    shutil.copy2(seen.path, temporary)
    temporary.rename(target)
    if is_still_there(seen):
        Path(seen.path).unlink()
