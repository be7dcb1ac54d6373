"""Lines that take parts as a test says, and sources beside them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kenpin.data.images import read_image
from kenpin.data.picture_files import hash_of
from kenpin.errors import ImageError
from kenpin.inspection.record import PartRecord
from kenpin.records import ImageSource, Verdict
from kenpin.station.arrival import Arrival, PartArrival
from kenpin.station.sources.contract import Opens, SourcePlace, open_here, read_source
from kenpin.station.sources.running import RunningSource


def record_of(arrival: Arrival | PartArrival) -> PartRecord:
    """A record of a part: its size, where it is a picture."""
    if isinstance(arrival, PartArrival):
        arrival = Arrival(arrival.id, b"".join(view.data for view in arrival.views), arrival.product, arrival.lot)
    try:
        size_wh = read_image(ImageSource(arrival.id, arrival.data)).size
    except ImageError:
        size_wh = None
    verdict = Verdict.REVIEW if size_wh is None else Verdict.PASS
    at = "2026-11-27T10:00:00.000000+00:00"
    values = (len(arrival.data), 0, size_wh, verdict, (), arrival.lot, "", "", at, 0.0)
    return PartRecord(arrival.id, arrival.id, hash_of(arrival.data), *values)


class MadeLine:
    """A line that records what it is given. `before`: called with each part, and may raise as a line does."""

    def __init__(self, before: Callable[[Arrival], None] = lambda arrival: None, after_s: float = 0.0) -> None:
        """after_s: seconds that it takes for a part."""
        self.before, self._after_s = before, after_s
        self.taken: list[Arrival] = []
        self.parts: list[PartArrival] = []
        self._lock = threading.Lock()

    def submit(self, arrival: Arrival | PartArrival) -> Future[PartRecord]:
        if isinstance(arrival, PartArrival):
            with self._lock:
                self.parts.append(arrival)
        else:
            self.before(arrival)
            with self._lock:
                self.taken.append(arrival)
        answer: Future[PartRecord] = Future()
        if self._after_s:
            threading.Timer(self._after_s, lambda: answer.set_result(record_of(arrival))).start()
        else:
            answer.set_result(record_of(arrival))
        return answer

    @property
    def ids(self) -> list[str]:
        with self._lock:
            return [one.id for one in self.taken]


class MemorySeen:
    """The memory of a source, in memory."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[int, int]] = {}

    def all(self) -> dict[str, tuple[int, int]]:
        return dict(self.files)

    def add(self, files: Mapping[str, tuple[int, int]]) -> None:
        self.files |= files

    def remove(self, ids: Iterable[str]) -> None:
        for id in ids:
            self.files.pop(id, None)


def place(folder: Path, seen: MemorySeen | None = None, opens: Opens = open_here) -> SourcePlace:
    return SourcePlace("line-1", folder, folder / "aside" / "line-1", seen or MemorySeen(), opens)


@contextmanager
def running(
    line: MadeLine,
    station: Path,
    made: Any = None,
    /,
    *,
    seen: MemorySeen | None = None,
    opens: Opens = open_here,
    **values: Any,
) -> Iterator[RunningSource]:
    """A source with these settings, in its thread. made: a kind, in place of the one that the settings name."""
    quick = {"first_wait_s": 0.01, "longest_wait_s": 0.05} | values
    if made is None:
        name, kind, options = read_source("line-1", quick)
    else:
        name, kind, options = "made", made, made.OPTIONS.from_mapping(quick)
    source = RunningSource(name, kind, options, place(station, seen, opens), line.submit)
    source.start()
    try:
        yield source
    finally:
        source.close(10)
        assert not source._thread.is_alive()


def stands(source: RunningSource, standing: str) -> bool:
    """Whether a source is in this state."""
    return source.state.standing == standing
