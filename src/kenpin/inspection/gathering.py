"""Parts from files: pictures of a source gathered by their names until a part has all its views, or waited enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import TYPE_CHECKING

from kenpin.data.part_names import NameForm
from kenpin.inspection.inspecting import Tally
from kenpin.inspection.part_pictures import PartPictures, View, alone
from kenpin.inspection.pictures import Opened, Sighting, Source, as_text, open_picture
from kenpin.inspection.record import PartRecord

if TYPE_CHECKING:
    from kenpin.inspection.line import Line

_POLL_S = 0.05


@dataclass(slots=True)
class GatheredPart:
    """Files of a part, by their ids."""

    name: str
    is_named: bool
    """Whether names of files told it; else it is a file of another form, by itself."""
    files: dict[str, tuple[str | None, Sighting]] = field(default_factory=dict)
    """View and file."""
    came_s: float = 0.0
    """When the last of them came, by the gatherer's clock."""
    is_tried: bool = False
    """Whether one of its files could not be read and may be whole later: then it comes again."""
    is_judged: bool = False

    @property
    def views(self) -> list[str | None]:
        """Names of its views."""
        return [view for view, _ in self.files.values()]


@dataclass
class PartFiles:
    """Files that are gathered by their names, until their parts are judged."""

    form: NameForm
    is_whole: Callable[[GatheredPart], bool]
    """Whether a part has all of its views."""
    part_after_s: float
    clock: Callable[[], float] = time.monotonic
    waiting: dict[str, GatheredPart] = field(default_factory=dict)

    def add(self, seen: Iterable[Sighting]) -> None:
        """Put files to their parts; one that comes again takes its own place."""
        for sighting in seen:
            found = self.form.view_of(sighting.id)
            part, view = found or (sighting.id, None)
            key = f"part {part}" if found else f"file {part}"
            gathered = self.waiting.setdefault(key, GatheredPart(part, is_named=found is not None))
            gathered.files[sighting.id] = view, sighting
            gathered.came_s, gathered.is_tried = self.clock(), False

    def ready(self, *, at_end: bool = False) -> list[GatheredPart]:
        """Parts to open now: those that have all views, cannot be told, or have waited enough. at_end: nothing more
        comes."""

        def is_ready(part: GatheredPart) -> bool:
            if part.is_tried:
                return False
            is_old = self.clock() - part.came_s >= self.part_after_s
            return at_end or is_old or not part.is_named or self.is_whole(part)

        return [part for part in self.waiting.values() if is_ready(part)]

    def forget_judged(self) -> None:
        """Let go of parts that are judged."""
        self.waiting = {key: part for key, part in self.waiting.items() if not part.is_judged}


def inspect_parts(
    line: Line,
    source: Source,
    form: NameForm,
    report: Callable[[PartRecord], None],
    *,
    part_after_s: float,
    stop: Event,
    clock: Callable[[], float] = time.monotonic,
) -> Tally:
    """Inspect the parts of the files of the source. A file whose name has not the form is a part that nobody can judge.

    part_after_s: seconds after its last picture from which a part is judged as it is; stop: whether the end of the
    source is none of the parts. report: as for `kenpin.inspection.inspecting.inspect`. Files that are no pictures stay
    where they are. Raises OSError, RunError as that does.
    """
    views = line.views
    assert views is not None
    files = PartFiles(form, lambda part: views.hindrance(part.views) is None, part_after_s, clock)
    gathering = _Gathering(line, source, files, report)
    with line.reading() as reading:
        while True:
            seen = source.next(line.batch_size, wait=not files.waiting)
            files.add(seen or ())
            ready = files.ready(at_end=seen is None and not stop.is_set())
            for some in _in_batches(ready, line.batch_size):
                pending = [
                    [reading.submit(open_picture, sighting) for _, sighting in part.files.values()] for part in some
                ]
                gathering.judge(some, [[picture.result() for picture in of_part] for of_part in pending])
            if seen is None:
                return gathering.tally
            if not seen and files.waiting:
                stop.wait(_POLL_S)


def _in_batches(parts: list[GatheredPart], most: int) -> Iterator[list[GatheredPart]]:
    """As many parts together as have `most` pictures, or one that has more."""
    batch: list[GatheredPart] = []
    for part in parts:
        if batch and sum(len(one.files) for one in (*batch, part)) > most:
            yield batch
            batch = []
        batch.append(part)
    if batch:
        yield batch


@dataclass
class _Gathering:
    """Parts that are not judged, and what became of the others."""

    line: Line
    source: Source
    files: PartFiles
    report: Callable[[PartRecord], None]
    tally: Tally = field(default_factory=Tally)

    def judge(self, parts: Sequence[GatheredPart], pictures: Sequence[Sequence[Opened]]) -> None:
        """Judge the parts, but for those of which a file may be whole later."""
        ready: list[tuple[GatheredPart, Sequence[Opened], PartPictures]] = []
        for part, opened in zip(parts, pictures, strict=True):
            retried = [one for one in opened if one.error is not None and not self.source.gives_up(one)]
            if retried:
                part.is_tried = True
            elif part.is_named:
                views = [View(name, one) for (name, _), one in zip(part.files.values(), opened, strict=True)]
                ready.append((part, opened, PartPictures.of(as_text(part.name), views)))
            else:
                form = self.files.form.text
                why = f"Its name has not the form {form}, which tells part and view: a person must look."
                ready.append((part, opened, alone(opened[0], why)))
        recorded = self.line.record_parts([part for _, _, part in ready])
        durable_s = time.time()
        for (part, opened, _), entry in zip(ready, recorded, strict=True):
            if entry.is_new or self.source.folder is None:
                self.tally.verdicts[entry.record.verdict] += 1
                self.report(entry.record)
            if entry.is_new:
                self.tally.latencies_s.append(durable_s - max(one.seen.since_s for one in opened))
            for one in opened:
                self.source.judged(one.seen)
            part.is_judged = True
        self.files.forget_judged()
