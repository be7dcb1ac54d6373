"""An inspection: files from a source are judged on a line and reported, each once, until none is left."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from kenpin.inspection.aside import finish_moves, not_moved, put_aside
from kenpin.inspection.pictures import Opened, Source, open_picture
from kenpin.inspection.record import PartRecord
from kenpin.records import Verdict

if TYPE_CHECKING:
    from kenpin.data.streaming import Pending
    from kenpin.inspection.line import Line


@dataclass
class Tally:
    """Counts of an inspection."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    aside: int = 0
    not_moved: int = 0
    """Files that are no pictures and could not be set aside."""
    latencies_s: list[float] = field(default_factory=list)
    """Seconds for each judged part, from the complete picture to the record on disk."""


def inspect(
    line: Line, source: Source, report: Callable[[PartRecord], None], note: Callable[[str], None] = lambda _: None
) -> Tally:
    """Inspect the files of the source.

    report: called with each record once it is on disk, and with earlier records of named pictures; note: called with
    sentences on files that cannot be moved. Raises OSError where a record cannot be written, RunError.
    """
    inspection = _Inspection(line, source, report, note)
    if source.folder is not None and (sentence := finish_moves(line.journal, source.folder, line.out)) is not None:
        note(sentence)
    ahead: deque[Pending[Opened]] = deque()
    with line.reading() as reading:
        while True:
            seen = source.next(line.batch_size, wait=not ahead)
            following = deque(reading.submit(open_picture, sighting) for sighting in seen or ())
            for some in line.taken(ahead):
                inspection.take(some)
                del some  # else these pictures were held while the next ones are opened
            ahead = following
            if seen is None and not ahead:
                return inspection.tally


@dataclass
class _Inspection:
    """State of a running inspection."""

    line: Line
    source: Source
    report: Callable[[PartRecord], None]
    note: Callable[[str], None]
    tally: Tally = field(default_factory=Tally)

    def take(self, pictures: Sequence[Opened]) -> None:
        """Judge the files that are pictures, and those that will never be pictures."""
        ready = [picture for picture in pictures if picture.error is None or self.source.gives_up(picture)]
        recorded = self.line.record(ready, sets_aside=self.source.folder is not None)
        durable_s = time.time()
        for picture, entry in zip(ready, recorded, strict=True):
            if entry.is_new or self.source.folder is None:
                self.tally.verdicts[entry.record.verdict] += 1
                self.report(entry.record)
            self.source.judged(picture.seen)
            if entry.is_new:
                self.tally.latencies_s.append(durable_s - picture.seen.since_s)
                self._set_aside(picture, entry.record)

    def _set_aside(self, picture: Opened, record: PartRecord) -> None:
        if record.aside is None:
            return
        try:
            put_aside(picture.seen, self.line.out / record.aside)
        except OSError as error:
            self.tally.not_moved += 1
            self.note(not_moved(picture.seen.path, error))
        else:
            self.tally.aside += 1
