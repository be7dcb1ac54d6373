"""A watched folder: files that a line drops, each handed out once it is whole, in the order in which they came."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event

from kenpin.data.reading.pictures import id_below, is_picture
from kenpin.inspection.pictures import Opened, Sighting, as_text, is_still_there, sighting_of, status_of

_POLL_S, _POLL_ALL_S, _AGAIN_S = 0.05, 1.0, 1.0
_REST = 9  # times as long as looking takes: a folder of any size costs little of a core
_ENDS = {b"\x89PNG": b"IEND\xaeB`\x82", b"\xff\xd8\xff": b"\xff\xd9"}
"""How formats that show their end begin and end; one that ends so and can be decoded is whole."""


@dataclass(slots=True)
class _Waiting:
    """A file that has not been judged as it is."""

    seen: Sighting
    since_s: float
    """Since when it has not changed, by the watcher's clock."""
    in_hand: bool = False
    refused: bool = False
    """Whether it was read and is no picture."""
    again_s: float = 0.0
    """When to try again, by the watcher's clock, what could not be read."""


class WatchedFolder:
    """Pictures as they come into a folder and those below it; hidden files and other endings are left alone.

    A folder below it that cannot be listed is handed out like a file. While the watched folder itself cannot be listed
    nothing is handed out, and it is waited for.
    """

    sets_aside = True

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
        """judged: size in bytes and time of the last writing of the files that were judged before, by their id;
        note: called with a sentence when the folder goes away, and when it comes back."""
        self._folder, self._clock, self._stop = folder, clock, stop
        self._settle_s, self._aside_after_s, self._until_idle_s = settle_s, aside_after_s, until_idle_s
        self._judged: dict[str, tuple[int, int, int | None]] = {id: (*state, None) for id, state in judged.items()}
        self._waiting: dict[str, _Waiting] = {}
        self._inodes: dict[str, int] = {}
        """Of the files that were judged, by path: between two looks at all files these are passed over."""
        self._look_next_s = self._look_at_all_s = self._busy_s = clock()
        self._began_s = time.time()
        self._note = note
        self._away_since_s: float | None = None

    def next(self, most: int, *, wait: bool) -> list[Sighting] | None:
        """Files that may be whole and that were not tried as they are, the first come first.

        Raises OSError where the folder stays away although it was to be watched for a limited time alone.
        """
        while not self._stop.is_set():
            if self._clock() >= self._look_next_s:
                self._look()
            waiting = self._waiting.values() if self._away_since_s is None else ()
            ready = sorted(filter(self._is_ready, waiting), key=lambda one: one.seen.modified_ns)[:most]
            for one in ready:
                one.in_hand = True
            if ready or not wait:
                return [one.seen for one in ready]
            if self._waiting or self._away_since_s is not None:
                self._busy_s = self._clock()
            elif self._until_idle_s is not None and self._clock() - self._busy_s >= self._until_idle_s:
                self._look(at_all=True)
                if not self._waiting and self._away_since_s is None:
                    break
            self._stop.wait(max(0.0, self._look_next_s - self._clock()))
        return None

    def judged(self, seen: Sighting) -> None:
        """This file is done with, until it is another."""
        self._judged[seen.id] = seen.state
        self._inodes[seen.path] = seen.inode
        self._waiting.pop(seen.id, None)
        self._busy_s = self._clock()

    def gives_up(self, opened: Opened) -> bool:
        """Whether it has been waited for long enough. If not, what is no picture is tried again when it has changed,
        and at the end; what could not be read every second until then, for a share may be away for a moment."""
        seen = opened.seen
        waiting = self._waiting.get(seen.id)
        if waiting is None or waiting.seen.state != seen.state:
            return False
        waiting.in_hand, waiting.refused = False, bool(opened.picture_hash)
        waiting.again_s = self._clock() + (0.0 if waiting.refused else min(_AGAIN_S, self._aside_after_s))
        return self._clock() - waiting.since_s >= self._aside_after_s and is_still_there(seen)

    def _look(self, *, at_all: bool = False) -> None:
        """What lies there and was not judged as it is."""
        started_s = self._clock()
        at_all = at_all or started_s >= self._look_at_all_s
        try:
            found = [*sightings(self._folder, {} if at_all else self._inodes)]
        except OSError as error:
            self._is_away(error)
            self._look_next_s = started_s + _POLL_ALL_S
            return
        if self._away_since_s is not None:
            self._away_since_s = None
            self._note(f"{as_text(str(self._folder))}: is back.")
        before, self._waiting = self._waiting, {}
        for seen in found:
            judged = self._judged.get(seen.id)
            if judged is not None and judged[:2] == seen.state[:2] and judged[2] in (None, seen.inode):
                self._inodes[seen.path] = seen.inode
                continue
            self._inodes.pop(seen.path, None)
            one = before.get(seen.id)
            same = one is not None and (one.in_hand or one.seen.state == seen.state)
            self._waiting[seen.id] = one if one is not None and same else _Waiting(self._from_now(seen), started_s)
        with_rest_s = (1 + _REST) * (self._clock() - started_s)
        if at_all:
            self._look_at_all_s = started_s + max(_POLL_ALL_S, with_rest_s)
            with_rest_s = 0.0  # the quick look that follows takes its own
        self._look_next_s = started_s + max(_POLL_S, with_rest_s)

    def _is_away(self, error: OSError) -> None:
        """Say so once. Raises the error where the folder stays away and would be waited for without end."""
        if self._away_since_s is None:
            self._away_since_s = self._clock()
            reason = error.strerror or error
            self._note(f"{as_text(str(self._folder))}: cannot be read ({reason}); waiting until it is back.")
        if self._until_idle_s is not None:
            patience_s = max(self._until_idle_s, self._aside_after_s)
            if self._clock() - self._away_since_s >= patience_s:
                raise error

    def _from_now(self, seen: Sighting) -> Sighting:
        """Without the time before there was an inspection, or what a clock of another machine is ahead."""
        return replace(seen, since_s=min(max(seen.since_s, self._began_s), time.time()))

    def _is_ready(self, one: _Waiting) -> bool:
        """Whether to open it now. Before it is given up it is tried once more, whatever its size and times say."""
        unchanged_s = self._clock() - one.since_s
        if one.in_hand or self._clock() < one.again_s:
            return False
        if one.refused:
            return unchanged_s >= self._aside_after_s
        age_s = time.time() - one.seen.modified_ns / 1e9
        return max(unchanged_s, age_s) >= self._settle_s or _shows_its_end(one.seen.path)


def sightings(folder: Path, but: Mapping[str, int]) -> Iterator[Sighting]:
    """The picture files in a folder and below it, in no order, but those that have these inodes under these paths; and
    the folders below it that cannot be listed.

    Whatever has the name of a picture and is none of the folders counts, for nobody may pass over it: pipes and links
    that lead nowhere too. Raises OSError where the folder itself cannot be listed.
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
                        yield sighting_of(as_text(id_below(entry.path, folder)), entry.path, status)
        except OSError as error:
            if current == os.fspath(folder):
                raise
            if not isinstance(error, FileNotFoundError):
                yield sighting_of(f"{as_text(id_below(current, folder))}/", current, status_of(current))


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir(follow_symlinks=False)
    except OSError:  # then whoever opens it is told
        return False


def _status(entry: os.DirEntry[str]) -> os.stat_result | None:
    """None where the file is gone again."""
    try:
        return entry.stat()
    except FileNotFoundError:
        return status_of(entry.path) if os.path.lexists(entry.path) else None
    except OSError:
        return status_of(entry.path)


def _shows_its_end(path: str) -> bool:
    """Whether a file ends as its format does."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):  # a pipe could be waited for in vain
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
