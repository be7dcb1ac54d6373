"""A watched folder: files that a line writes, each handed out once it is complete, in the order of their arrival."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from threading import Event

from kenpin.data.reading.pictures import is_picture
from kenpin.inspection.pictures import Opened, Sighting, as_text, is_still_there, sighting_of, status_of

_POLL_S, _POLL_ALL_S, _AGAIN_S = 0.05, 1.0, 1.0
_REST = 9  # pause, in multiples of the time of listing: a folder of any size takes little of a core
_ENDS = {b"\x89PNG": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
"""First and last bytes of formats with an end mark; a file that ends so and can be decoded is complete."""


@dataclass(slots=True)
class _Waiting:
    """A file whose present state has not been judged."""

    seen: Sighting
    since_s: float
    """Time of its last change, by the watcher's clock."""
    in_hand: bool = False
    refused: bool = False
    """Whether it was read and is no picture."""
    unread_s: float | None = None
    """Time of the first try that could not read it, by the watcher's clock."""
    again_s: float = 0.0
    """Time of the next such try."""


class WatchedFolder:
    """Pictures that arrive in a folder and the folders below it; hidden files and other endings are ignored.

    A folder below it that cannot be listed is handed out like a file. While the watched folder itself cannot be listed,
    the watcher waits for it and hands out no files.
    """

    def __init__(
        self,
        folder: Path,
        judged: Mapping[str, tuple[int, int]],
        *,
        settle_s: float,
        aside_after_s: float,
        until_idle_s: float | None,
        stop: Event,
        clock: Callable[[], float] = time.monotonic,
        note: Callable[[str], None] = lambda _: None,
    ) -> None:
        """judged: size in bytes and modification time of files that were judged before, by their id; note: called with
        a sentence when the folder disappears, and when it is back."""
        self.folder, self._clock, self._stop = folder, clock, stop
        self._settle_s, self._aside_after_s, self._until_idle_s = settle_s, aside_after_s, until_idle_s
        self._judged: dict[str, tuple[int, int, int | None]] = {id: (*state, None) for id, state in judged.items()}
        self._waiting: dict[str, _Waiting] = {}
        self._inodes: dict[str, int] = {}
        """Inodes of judged files, by path: between two full listings these files are skipped."""
        self._look_next_s = self._look_at_all_s = self._busy_s = clock()
        self._began_s = time.time()
        self._note = note
        self._away_since_s: float | None = None

    @property
    def is_away(self) -> bool:
        """Whether the folder could not be listed."""
        return self._away_since_s is not None

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """Files that may be complete and whose present state was not tried, the oldest first.

        Raises OSError where the folder stays away and is watched for a limited time only.
        """
        while not self._stop.is_set():
            if self._clock() >= self._look_next_s:
                self._look()
            waiting = self._waiting.values() if self._away_since_s is None else ()
            ready = sorted(filter(self._is_ready, waiting), key=lambda file: file.seen.modified_ns)[:most]
            for file in ready:
                file.in_hand = True
            if ready or not wait:
                return [file.seen for file in ready]
            if self._waiting or self._away_since_s is not None:
                self._busy_s = self._clock()
            elif self._until_idle_s is not None and self._clock() - self._busy_s >= self._until_idle_s:
                self._look(at_all=True)
                if not self._waiting and self._away_since_s is None:
                    break
            self._stop.wait(max(0.0, self._look_next_s - self._clock()))
        return None

    def judged(self, seen: Sighting) -> None:
        """Mark this file as judged, until it changes."""
        self._judged[seen.id] = seen.state
        self._inodes[seen.path] = seen.inode
        self._waiting.pop(seen.id, None)
        self._busy_s = self._clock()

    def gives_up(self, opened: Opened) -> bool:
        """Whether the waiting time is over. Until then a file that is no picture is tried again when it has changed,
        and at the end; an unreadable file every second, for a share may be away for a moment."""
        seen = opened.seen
        waiting = self._waiting.get(seen.id)
        if waiting is None or waiting.seen.state != seen.state:
            return False
        now_s = self._clock()
        waiting.in_hand, waiting.refused = False, bool(opened.picture_hash)
        if waiting.refused:
            waiting.again_s, begin_s = now_s, waiting.since_s
        else:  # from the first try, which comes late on a busy line: a share that is away for a moment costs no part
            waiting.unread_s = begin_s = now_s if waiting.unread_s is None else waiting.unread_s
            waiting.again_s = now_s + min(_AGAIN_S, self._aside_after_s)
        return now_s - begin_s >= self._aside_after_s and is_still_there(seen)

    def _look(self, *, at_all: bool = False) -> None:
        """Update the waiting files from a listing."""
        started_s = self._clock()
        at_all = at_all or started_s >= self._look_at_all_s
        try:
            sightings_now = [*sightings(self.folder, {} if at_all else self._inodes)]
        except OSError as error:
            self._is_away(error)
            self._look_next_s = started_s + _POLL_ALL_S
            return
        if self._away_since_s is not None:
            self._away_since_s = None
            self._note(f"{as_text(str(self.folder))}: is back.")
        before, self._waiting = self._waiting, {}
        for seen in sightings_now:
            judged = self._judged.get(seen.id)
            if judged is not None and judged[:2] == seen.state[:2] and judged[2] in (None, seen.inode):
                self._inodes[seen.path] = seen.inode
                continue
            self._inodes.pop(seen.path, None)
            earlier = before.get(seen.id)
            same = earlier is not None and (earlier.in_hand or earlier.seen.state == seen.state)
            self._waiting[seen.id] = (
                earlier if earlier is not None and same else _Waiting(self._from_now(seen), started_s)
            )
        with_rest_s = (1 + _REST) * (self._clock() - started_s)
        if at_all:
            self._look_at_all_s = started_s + max(_POLL_ALL_S, with_rest_s)
            with_rest_s = 0.0  # the quick listing that follows has its own pause
        self._look_next_s = started_s + max(_POLL_S, with_rest_s)

    def _is_away(self, error: OSError) -> None:
        """Note it once. Raises the error where the folder stays away and the waiting would be endless."""
        if self._away_since_s is None:
            self._away_since_s = self._clock()
            reason = error.strerror or error
            self._note(f"{as_text(str(self.folder))}: cannot be read ({reason}); waiting until it is back.")
        if self._until_idle_s is not None:
            patience_s = max(self._until_idle_s, self._aside_after_s)
            if self._clock() - self._away_since_s >= patience_s:
                raise error

    def _from_now(self, seen: Sighting) -> Sighting:
        """The sighting, its time limited to the present inspection: not before its start, nor in the future."""
        return replace(seen, since_s=min(max(seen.since_s, self._began_s), time.time()))

    def _is_ready(self, file: _Waiting) -> bool:
        """Whether to open it now. Before it is given up it is tried once more, whatever its size and times are."""
        unchanged_s = self._clock() - file.since_s
        if file.in_hand or self._clock() < file.again_s:
            return False
        if file.refused:
            return unchanged_s >= self._aside_after_s
        age_s = time.time() - file.seen.modified_ns / 1e9
        return max(unchanged_s, age_s) >= self._settle_s or _shows_its_end(file.seen.path)


def sightings(folder: Path, but: Mapping[str, int]) -> Iterator[Sighting]:
    """The picture files in a folder and below it, in no order, except files with these inodes at these paths; and the
    folders below it that cannot be listed.

    Any entry with the name of a picture counts, also pipes and broken links, but not folders: none may be overlooked.
    Raises OSError where the folder itself cannot be listed.
    """
    waiting = [os.fspath(folder)]
    while waiting:
        current = waiting.pop()
        try:
            with os.scandir(current) as entries:
                for entry in entries:
                    if entry.name.startswith(".") or but.get(entry.path) == entry.inode():
                        continue
                    if _is_folder(entry):
                        waiting.append(entry.path)
                    elif is_picture(entry.name) and (status := _status(entry)) is not None:
                        yield sighting_of(_name_below(entry.path, folder), entry.path, status)
        except OSError as error:
            if current == os.fspath(folder):
                raise
            if not isinstance(error, FileNotFoundError):
                yield sighting_of(f"{_name_below(current, folder)}/", current, status_of(current))


def _name_below(path: str, folder: str | os.PathLike[str]) -> str:
    """The path below the folder, every byte of it: two files that differ never have one name."""
    return as_text(PurePath(os.path.relpath(path, folder)).as_posix())


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # it then fails where it is opened
        return False


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None where the file is gone again."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return status_of(entry.path) if os.path.lexists(entry.path) else None
    except OSError:
        return status_of(entry.path)


def ends_as_its_format(data: bytes) -> bool:
    """Whether the bytes of a file end with the end mark of their format; False where that has none."""
    return any(data.startswith(begin) and data.endswith(end) for begin, end in _ENDS.items())


def _shows_its_end(path: str) -> bool:
    """Whether a file ends as its format does."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # reading a pipe might never end
            return False
        with open(path, "rb", buffering=0) as file:
            start = file.read(4)
            end = next((end for begins, end in _ENDS.items() if start.startswith(begins)), None)
            if end is None:
                return False
            file.seek(-len(end), os.SEEK_END)
            return file.read() == end
    except OSError:
        return False
