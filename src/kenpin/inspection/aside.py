"""Files that are no pictures, moved aside: recorded before they move, never deleted, never overwritten."""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from kenpin.data.picture_files import MAX_BYTES
from kenpin.data.reading.pictures import is_picture
from kenpin.inspection.journal import Journal
from kenpin.inspection.pictures import Sighting, as_text, is_still_there, sighting_of, status_of
from kenpin.inspection.record import PartRecord
from kenpin.plural import counted

_FOLDER = "aside"
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


def place_aside(record: PartRecord) -> str:
    """Path for a part's file, below the folder of the records."""
    name = record.id.rpartition("/")[2]
    kept = "".join(letter for letter in record.picture_hash[:8] if letter.isalnum())
    return f"{_FOLDER}/{kept}-{name[-60:]}"  # 255 bytes are the most that a name may have


def put_aside(seen: Sighting, place: Path) -> None:
    """Move a file unless it has changed, to a further name where that one is taken. Raises OSError."""
    place.parent.mkdir(exist_ok=True)
    if place.parent.is_symlink():
        raise OSError(errno.ELOOP, f"{place.parent.name} is a link to another folder")
    target, number = place, 1
    while os.path.lexists(target):
        number += 1
        target = place.with_name(f"{place.stem}-{number}{place.suffix}")
    if not is_still_there(seen):
        return
    path = Path(seen.path)
    link = os.lstat(path)
    try:
        path.rename(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy_and_remove(seen, target)
    else:
        # a link that is moved may lead elsewhere, and is known by itself
        is_link = target.is_symlink() and os.path.samestat(link, os.lstat(target))
        is_it = is_link or is_still_there(replace(seen, path=str(target)))
        if not is_it and not os.path.lexists(path):
            target.rename(path)  # another picture took the name in that moment, and is to be judged


def not_moved(path: str, error: OSError) -> str:
    """Note on a file that cannot be moved."""
    return f"{as_text(path)}: cannot be opened, and cannot be moved aside ({error.strerror or error}); it stays there."


def finish_moves(journal: Journal, watched: Path, out: Path) -> str | None:
    """Move files that an earlier inspection recorded as moved aside and then did not move: it was killed, or failed.

    Whatever a record says, for the journal may be a stranger's, only files in the watched folder and the folders below
    it are moved, and only to where this inspection would move them. Returns a sentence on files that still cannot be
    moved. Raises RunError.
    """
    failed: list[str] = []
    for record in journal.set_aside():
        if record.aside != place_aside(record):
            continue
        for path in filter(lambda path: _lies_in(watched, path), _paths_of(record.id)):
            seen = sighting_of(record.id, str(watched / path), status_of(str(watched / path)))
            if not seen.inode or seen.state[:2] != (record.picture_bytes, record.modified_ns):
                continue
            try:
                put_aside(seen, out / record.aside)
            except OSError as error:
                failed.append(not_moved(seen.path, error))
    if len(failed) < 2:
        return failed[0] if failed else None
    return f"{failed[0]} So it is with {counted(len(failed) - 1, 'other')}."


def _lies_in(watched: Path, path: str) -> bool:
    """Whether a path leads to a picture below the watched folder, through no link."""
    parts = path.split("/")
    if not all(part and part not in (".", "..") and "\0" not in part for part in parts) or not is_picture(path):
        return False
    return not any(watched.joinpath(*parts[:depth]).is_symlink() for depth in range(1, len(parts)))


def _paths_of(text: str) -> Iterator[str]:
    """The possible paths of a record's text: \\x.. in it may be a byte that is not UTF-8, or these very characters."""
    yield text
    path = os.fsdecode(_ESCAPED.sub(lambda match: bytes.fromhex(match[1].decode()), text.encode()))
    if path != text and as_text(path) == text:
        yield path


def _copy_and_remove(seen: Sighting, target: Path) -> None:
    """Move to another file system, by a copy. Raises OSError, and then leaves no copy."""
    status = os.lstat(seen.path)
    if not stat.S_ISREG(status.st_mode) or status.st_size > MAX_BYTES:
        # a pipe or a device has no end, and would fill the disk of the records; a link may lead to anything
        raise OSError(errno.EXDEV, "the folder of the records lies on another file system")
    temporary = target.with_name(".moving.partial")
    try:
        temporary.unlink(missing_ok=True)
        with open(seen.path, "rb") as file, open(temporary, "xb") as copy:  # x: through no link that lies there
            shutil.copyfileobj(file, copy)
        shutil.copystat(seen.path, temporary)
        temporary.rename(target)
        if is_still_there(seen):
            Path(seen.path).unlink()
    except OSError:
        temporary.unlink(missing_ok=True)
        if os.path.lexists(seen.path):
            target.unlink(missing_ok=True)
        raise
