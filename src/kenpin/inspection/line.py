"""A line: pictures in, part records out, each part judged once and its record on disk before it is returned."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from threading import Lock
from typing import Any, Self

from kenpin.data.part_names import NameForm, is_form
from kenpin.data.streaming import Ahead, Pending
from kenpin.errors import OptionError, OutputExistsError, RunError
from kenpin.files import check_writable, read_json, sole_writer, write_json
from kenpin.inspection.aside import place_aside
from kenpin.inspection.journal import JOURNAL, Appended, Journal
from kenpin.inspection.judging import Judges
from kenpin.inspection.part_judging import PartJudges, not_by_part, views_of_runs
from kenpin.inspection.part_pictures import OpenedPart, Part, PartPictures, View, alone
from kenpin.inspection.pictures import Opened, as_text, open_bytes
from kenpin.inspection.policy import Policy, read_policy
from kenpin.inspection.read_ahead import ReadAhead
from kenpin.inspection.record import PartKey, PartRecord
from kenpin.inspection.runs import PolicyRun
from kenpin.runtime.engines import EngineName
from kenpin.views import PartViews

_IDENTITY = "inspection.json"


@dataclass(frozen=True, slots=True)
class Recorded:
    """A part's record, and whether it is new."""

    record: PartRecord
    is_new: bool


@dataclass(frozen=True, slots=True)
class Judged:
    """Parts that were judged, and whose records are not on disk yet."""

    keys: tuple[PartKey, ...]
    """Of the pictures, in their order."""
    known: Mapping[PartKey, PartRecord]
    """Records of those that had one."""
    new: Mapping[PartKey, PartRecord]
    """Records of the others."""


@dataclass(frozen=True, slots=True)
class Durable:
    """Parts whose records are on disk."""

    recorded: list[Recorded]
    appended: Appended | None
    """What was added to the journal; None where nothing was."""


class Line:
    """The runs of a policy with the records of the parts that they judged; for one process, and any of its threads.

    >>> with Line("policy.yaml", "records") as line:  # doctest: +SKIP
    ...     record = line.judge("a.png", Path("a.png").read_bytes())
    ...     print(record.verdict, *record.reasons)
    """

    def __init__(
        self,
        policy: Policy | str | Path,
        out: str | Path,
        *,
        device: str | None = None,
        engine: EngineName = "auto",
        engine_may_change: bool = False,
    ) -> None:
        """Load the runs, and judge one picture. out: folder of the records, created where it does not exist;
        engine_may_change: whether its records may be of another engine, or of another release of it, whose scores are
        equal but for rounding: each record's `policy` tells which.

        Raises OptionError, RunError, OutputExistsError, CaseLibraryError, MissingExtraError, OSError.
        """
        policy = policy if isinstance(policy, Policy) else read_policy(Path(policy))
        with ExitStack() as opening:
            self.out = opening.enter_context(record_folder(Path(out)))
            self._judges = Judges(policy, device=device, engine=engine)
            views, self._by = views_of_runs(policy, self._judges.runs), policy.by
            if policy.by is not None and views is None:
                raise OptionError("option `by` of the policy: its runs judge each picture by itself; leave it out.")
            self._parts = None if views is None else PartJudges(self._judges, policy, views)
            keep_identity(self.out, self._judges.identity, engine_may_change=engine_may_change)
            self.journal = opening.enter_context(closing(Journal(self.out / JOURNAL)))
            self._read_ahead = opening.enter_context(closing(ReadAhead(self._judges.batch_size)))
            self._opened = opening.pop_all()
        self.batch_size = self._judges.batch_size
        """Most pictures at a time."""
        self._judging, self._recording = Lock(), Lock()

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on what was given in place of what its runs keep."""
        return self._judges.notes

    @property
    def views(self) -> PartViews | None:
        """The views by which parts are judged; None where each picture is a part."""
        return None if self._parts is None else self._parts.views

    @property
    def form(self) -> NameForm:
        """The form of file names that tells parts and views: the policy's, or that of the training. Raises OptionError
        where a column told them in the training."""
        assert self._parts is not None
        form = self.known_form
        if form is None:
            views = self._parts.views
            raise OptionError(
                f"the policy's runs judge parts by {views}, which a column {views.by!r} told apart; files have "
                "none, so give the form of their names in the policy, such as `by: '{part}_{view}'`."
            )
        return form

    @property
    def known_form(self) -> NameForm | None:
        """As `form`; None where a column told them, or each picture is a part."""
        by = None if self._parts is None else self._by or self._parts.views.by
        return NameForm(by) if by is not None and is_form(by) else None

    @property
    def runs(self) -> Mapping[str, PolicyRun]:
        """The runs by their names in the policy."""
        return self._judges.runs

    @property
    def defects(self) -> tuple[str, ...]:
        """Classes of defects that the runs tell apart."""
        return self._judges.defects

    @property
    def engines(self) -> tuple[str, ...]:
        """What computes the networks of the runs: `torch`, or the name and version of another engine."""
        return self._judges.engines

    def judge(self, name: str, data: bytes) -> PartRecord:
        """The record of a part, by its name and the bytes of its picture; it is on disk.

        A part that has a record keeps it. A file that is no picture, or on which the runs fail, is REVIEW. Raises
        OSError where the record cannot be written, and no other error, whatever the picture is.
        """
        (record,) = self.judge_many([(name, data)])
        return record

    def judge_part(self, name: str, pictures: Mapping[str, bytes] | Sequence[bytes]) -> PartRecord:
        """The record of a part that is judged by several pictures, by its name and the bytes of each by the name of its
        view, or in a list where views have no names; it is on disk. Raises OptionError where single pictures are parts,
        or none is given, OSError as `judge` does.
        """
        if self._parts is None or not pictures:
            lacks = "no picture is given" if self._parts is not None else "the policy's runs judge single pictures"
            raise OptionError(f"part {name}: {lacks}; give all pictures of a part to runs that were trained with --by.")
        named: list[tuple[str | None, bytes]] = (
            [*pictures.items()] if isinstance(pictures, Mapping) else [(None, data) for data in pictures]
        )
        views = [
            View(view, open_bytes(f"{name} {view or number}", data)) for number, (view, data) in enumerate(named, 1)
        ]
        (recorded,) = self.record_parts([PartPictures.of(as_text(name), views)])
        return recorded.record

    def judge_many(self, pictures: Iterable[tuple[str, bytes]]) -> list[PartRecord]:
        """Records of several parts, in their order: faster than one by one. Raises OSError as `judge` does."""
        records: list[PartRecord] = []
        coming = iter(pictures)
        ahead: deque[Pending[Opened]] = deque()
        with self.reading() as reading:
            while True:
                following = deque(reading.submit(_open_named, one) for one in islice(coming, self.batch_size))
                for some in self.taken(ahead):
                    records += [recorded.record for recorded in self.record(some)]
                    del some  # else these pictures were held while the next ones are opened
                if not following:
                    return records
                ahead = following

    def reading(self) -> Ahead:
        """Reading of pictures while others are judged; what is read ahead is bounded by bytes."""
        return self._read_ahead.reading()

    def taken(self, pending: deque[Pending[Part]]) -> Iterator[list[Part]]:
        """Parts whose pictures were read ahead, as many at a time as their bytes allow. `pending` is emptied."""
        return self._read_ahead.taken(pending)

    def record(self, pictures: Sequence[Opened], *, sets_aside: bool = False) -> list[Recorded]:
        """The record of each picture, on disk. sets_aside: whether the caller moves files that are no pictures to where
        their new records say. Where parts are judged by several, each is a part that lacks the others. Raises OSError
        where a record cannot be written, RunError where one cannot be read."""
        return self.keep(self.judged(pictures, sets_aside=sets_aside)).recorded

    def judged(self, parts: Sequence[OpenedPart], *, sets_aside: bool = False) -> Judged:
        """The first half of `record`, for whoever writes records while the next pictures are judged: nothing is on disk
        yet. A part by several pictures is REVIEW where the runs judge single ones. Raises RunError."""
        if self._parts is not None:
            by_part = [part if isinstance(part, PartPictures) else alone(part) for part in parts]
            return self._looked_at(by_part, self._parts.judge)

        def judge(new: Sequence[OpenedPart], out: Path) -> list[PartRecord]:
            single = [part for part in new if isinstance(part, Opened)]
            records = self._judges.judge(single, out) if single else []
            if sets_aside:
                records = [_to_move(*both) for both in zip(records, single, strict=True)]
            judged = iter(records)
            return [next(judged) if isinstance(part, Opened) else not_by_part(self._judges, part) for part in new]

        return self._looked_at(parts, judge)

    def keep(self, judged: Judged) -> Durable:
        """The second half: the records are on disk. A part that has got one since it was judged keeps that one. Raises
        OSError, RunError."""
        with self._recording:
            since = {key: found for key in judged.new if (found := self.journal.find(key)) is not None}
            new = {key: record for key, record in judged.new.items() if key not in since}
            appended = self.journal.append([*new.values()]) if new else None
        records = {**judged.known, **since, **new}
        recorded = [Recorded(records[key], new.pop(key, None) is not None) for key in judged.keys]
        return Durable(recorded, appended)

    def record_parts(self, parts: Sequence[PartPictures]) -> list[Recorded]:
        """The record of each part by several pictures, on disk. Raises OSError and RunError as `record` does."""
        assert self._parts is not None
        return self.keep(self._looked_at(parts, self._parts.judge)).recorded

    def _looked_at(
        self, parts: Sequence[Part], judge: Callable[[Sequence[Part], Path], Sequence[PartRecord]]
    ) -> Judged:
        with self._judging:
            keys = [part.key for part in parts]
            known = {key: found for key in dict.fromkeys(keys) if (found := self.journal.find(key)) is not None}
            new: dict[PartKey, Part] = {}
            for key, part in zip(keys, parts, strict=True):
                if key not in known:
                    new.setdefault(key, part)
            records = judge(list(new.values()), self.out) if new else ()
            return Judged(tuple(keys), known, dict(zip(new, records, strict=True)))

    def close(self) -> None:
        """Release the folder of the records."""
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _open_named(picture: tuple[str, bytes]) -> Opened:
    return open_bytes(*picture)


@contextmanager
def record_folder(out: Path) -> Iterator[Path]:
    """The folder of an inspection's records, created where it does not exist, locked for this process.

    Raises RunError, OutputExistsError, OptionError.
    """
    out = out.resolve()
    check_writable(out, overwrite=True, folder=True)
    with sole_writer(out, "inspecting"):
        out.mkdir(parents=True, exist_ok=True)
        if not (out / _IDENTITY).exists() and any(not path.name.startswith(".") for path in out.iterdir()):
            raise OutputExistsError(f"{out}: holds files that are not an inspection's records; choose another --out.")
        yield out


def _to_move(record: PartRecord, picture: Opened) -> PartRecord:
    """The record with the path that its file is moved to, where it is no picture; a folder is not moved."""
    if picture.image is not None or picture.seen.is_folder:
        return record
    return replace(record, aside=place_aside(record))


def keep_identity(out: Path, identity: dict[str, Any], *, engine_may_change: bool = False) -> None:
    """Note in a folder of records what judges, and refuse one with records of anything else. Raises RunError."""
    path = out / _IDENTITY
    identity = json.loads(json.dumps(identity))
    if not path.exists():
        write_json(path, identity)
        return
    kept = read_json(path)
    if engine_may_change and kept != identity and _without_engines(kept) == _without_engines(identity):
        write_json(path, identity)
        return
    other = [name for name in sorted({*identity, *kept}) if identity.get(name) != kept.get(name)]
    if other:
        raise RunError(f"{out}: was started with another policy (different: {', '.join(other)}); choose another --out.")


def _without_engines(identity: dict[str, Any]) -> dict[str, Any]:
    runs = {
        name: {key: value for key, value in run.items() if key != "engine"} for name, run in identity["runs"].items()
    }
    return {**identity, "runs": runs}
