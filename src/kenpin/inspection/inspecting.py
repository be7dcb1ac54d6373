"""One inspection: pictures from a source are opened, judged, recorded and told of, each once, until none is left."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kenpin.errors import OutputExistsError, RunError
from kenpin.files import check_writable, read_json, sole_writer, sync_folder, write_json
from kenpin.inspection.aside import finish_moves, place_aside, put_aside
from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.inspection.pictures import Opened, Source, open_picture
from kenpin.inspection.record import PartRecord
from kenpin.records import Verdict

if TYPE_CHECKING:
    from kenpin.inspection.judging import Judges

_ABOUT = "inspection.json"
_READERS = 2  # threads that open the next pictures while the networks look at these


@dataclass
class Tally:
    """What an inspection came to."""

    verdicts: Counter[Verdict] = field(default_factory=Counter)
    aside: int = 0
    latencies_s: list[float] = field(default_factory=list)
    """Of each part that was judged, from the complete picture to the record on disk."""


@contextmanager
def record_folder(out: Path) -> Iterator[Path]:
    """The folder of an inspection's records, made where it is not there, in the hands of this process alone.

    Raises RunError, OutputExistsError, OptionError.
    """
    out = out.resolve()
    check_writable(out, overwrite=True, folder=True)
    with sole_writer(out, "inspecting"):
        out.mkdir(parents=True, exist_ok=True)
        if not (out / _ABOUT).exists() and any(not path.name.startswith(".") for path in out.iterdir()):
            raise OutputExistsError(f"{out}: holds files that are not an inspection's records; choose another --out.")
        yield out


def inspect(
    judges: Judges, source_of: Callable[[Journal], Source], out: Path, tell: Callable[[PartRecord], None]
) -> Tally:
    """Inspect what the source has. out: a `record_folder`. tell: called with each record once it is on disk, and with
    those of named pictures that had one already. Raises RunError, OSError."""
    _keep_identity(out / _ABOUT, judges.identity)
    with closing(Journal(out / JOURNAL)) as journal, ThreadPoolExecutor(_READERS) as readers:
        inspection = _Inspection(judges, source := source_of(journal), journal, out, tell)
        if source.sets_aside:
            finish_moves(journal, out)
        ahead: list[Future[Opened]] = []
        while True:
            seen = source.next(judges.batch_size, wait=not ahead)
            following = [readers.submit(open_picture, one) for one in seen or ()]
            inspection.take([one.result() for one in ahead])
            ahead = following
            if seen is None and not ahead:
                return inspection.tally


@dataclass
class _Inspection:
    """What an inspection works with."""

    judges: Judges
    source: Source
    journal: Journal
    out: Path
    tell: Callable[[PartRecord], None]
    tally: Tally = field(default_factory=Tally)

    def take(self, pictures: Sequence[Opened]) -> None:
        """Judge and record those that were not yet, and that are pictures or will never be one."""
        new = self._new(pictures)
        if not new:
            return
        records = self.judges.judge(new, self.out)
        if self.source.sets_aside:
            records = [one if one.size_wh else replace(one, aside=place_aside(one)) for one in records]
        self.journal.append(records)
        durable_s = time.time()
        for one, record in zip(new, records, strict=True):
            self._done(record)
            self.tally.latencies_s.append(durable_s - one.seen.since_s)
            self.source.judged(one.seen)
            if record.aside is not None:
                self.tally.aside += 1
                put_aside(one.seen, self.out / record.aside)

    def _new(self, pictures: Sequence[Opened]) -> list[Opened]:
        """Those without a record."""
        new: dict[tuple[str, str], Opened] = {}
        for one in pictures:
            if one.error is not None and not self.source.gives_up(one.seen):
                continue
            key = (one.seen.id, one.picture_hash)
            known = self.journal.find(*key)
            if known is None and key not in new:
                new[key] = one
                continue
            self.source.judged(one.seen)
            if known is not None and not self.source.sets_aside:
                self._done(known)
        return [*new.values()]

    def _done(self, record: PartRecord) -> None:
        self.tally.verdicts[record.verdict] += 1
        self.tell(record)


def _keep_identity(place: Path, identity: dict[str, Any]) -> None:
    """Records of two policies or of other runs do not stand in one folder. Raises RunError."""
    identity = json.loads(json.dumps(identity))
    if not place.exists():
        write_json(place, identity)
        sync_folder(place.parent)
        return
    kept = read_json(place)
    other = [name for name in sorted({*identity, *kept}) if identity.get(name) != kept.get(name)]
    if other:
        raise RunError(
            f"{place.parent}: was started with another policy (different: {', '.join(other)}); choose another --out."
        )
