"""The store follows the station's files: journals become parts, entries of trails are applied, each line once."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

from sqlalchemy import Connection, Executable, bindparam, delete, select, text

from kenpin.chained import ChainedLine, ChainReader, LineKind, Mark
from kenpin.errors import RunError
from kenpin.files import sole_writer
from kenpin.inspection.journal import JOURNAL, PART_RECORDS, Appended
from kenpin.inspection.record import from_values
from kenpin.station.folder import StationFolder
from kenpin.station.store.adding import JournalName, RecordLine, add_parts, forget_numbers, keep_numbers
from kenpin.station.store.applying import Needs, apply_entry, no_needs
from kenpin.station.store.claims import release_all
from kenpin.station.store.file_tables import FOLLOWED
from kenpin.station.store.opening import Store, wait_for_turn
from kenpin.station.store.tables import all_tables, insert_of, is_postgresql
from kenpin.station.trail import TRAIL_ENTRIES, entry_of

_LINES, _BYTES = 500, 8 * 1024**2  # applied in a transaction, and held in memory
_REMEDY = "restore the file from a copy, or fill the store with what is left by `kenpin station rebuild`"
_RECORDS = replace(PART_RECORDS, writer="the station", remedy=_REMEDY)
_ENTRIES = replace(TRAIL_ENTRIES, remedy=_REMEDY)
_MARKS = select(FOLLOWED).where(FOLLOWED.c.file.in_(bindparam("files", expanding=True)))
_VERSION_FOLDER = re.compile(r"(.+)-(\d+)")


@dataclass(frozen=True, slots=True)
class Followed:
    """What a store took up."""

    parts: int = 0
    entries: int = 0
    """Of the trails."""

    def __add__(self, other: Followed) -> Followed:
        return Followed(self.parts + other.parts, self.entries + other.entries)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that is followed."""

    path: Path
    name: str
    """Below the station's folder."""
    kind: LineKind
    apply: Callable[[Connection, Sequence[ChainedLine]], int]
    """Applies lines, and returns how many meant something new."""


class Follower:
    """Follows the files of a station; for any thread. It reads nothing twice while it lives."""

    def __init__(self, store: Store, folder: StationFolder, needs: Needs = no_needs) -> None:
        """needs: tells which parts people are to review."""
        self._store, self._folder, self._needs = store, folder, needs
        self._readers: dict[Path, ChainReader] = {}
        self._locks: dict[Path, Lock] = {}
        self._ends: dict[Path, int] = {}
        """Sizes of files that the store has taken up: it is not asked again."""

    def take_up(self, node: str) -> Followed:
        """Take up all that was written, before a node starts, and end its claims: what it had in hand has a record, or
        is judged again. Raises RunError where a file is gone, shorter or changed, StoreError, OSError."""
        followed = self.take_up_all()
        with self._store.writing() as connection:
            release_all(connection, node)
        return followed

    def take_up_all(self) -> Followed:
        """Take up the files of all nodes: journals, then trails in the order of their moments; an entry may be about a
        part of any node. Raises as `take_up`."""
        self._check_all_there()
        nodes = sorted(one.name for one in self._folder.records.glob("*") if one.is_dir())
        parts = self._follow_each([journal for node in nodes for journal in self._journals(node)])
        return Followed(parts, self._follow_by_moment([*map(self._trail, sorted(self._folder.trails.glob("*.jsonl")))]))

    def journals(self, node: str, product: str | None = None) -> int:
        """Take up what was added to a node's journals of a product, or of all; returns how many parts are new. Raises
        RunError where a file is shorter or changed, StoreError, OSError."""
        changed = [one for one in self._journals(node, product) if self._ends.get(one.path) != one.path.stat().st_size]
        known = {one: self._readers[one.path].mark for one in changed if one.path in self._readers}
        count = sum(self._follow(file, mark) for file, mark in known.items())
        others = [one for one in changed if one not in known]
        return count + (self._follow_each(others) if others else 0)

    def appended(self, appended: Appended) -> bool:
        """Take up what was just added to a journal, as it was written; False where the store has not taken up all that
        stands above it: `journals` does. Raises RunError, StoreError."""
        name = self._journal_name(appended.path)
        path = self._folder.records_of(name.node, name.product, name.version) / JOURNAL
        file = self._journal(path, name)
        lines = [RecordLine(record, offset, f"{path} byte {offset}") for record, offset in appended.records]
        with self._locks.setdefault(path, Lock()):
            with self._store.writing() as connection:
                wait_for_turn(connection)
                if _marks(connection, [file])[file] != appended.before:
                    return False
                add_parts(connection, name, lines, self._needs)
                _keep_mark(connection, file.name, appended.after)
            self._ends[path] = appended.after.offset
        return True

    def trail(self, node: str, end: int | None = None) -> int:
        """Take up what was added to a node's trail; returns how many entries. end: size in bytes of what is known to be
        on disk, `Trail.end`, while another thread may write. Raises as `journals`."""
        path = self._folder.trail(node)
        return self._follow_each([self._trail(path)] if path.exists() else [], end)

    # ---- files ----

    def _journals(self, node: str, product: str | None = None) -> list[_File]:
        found = []
        for path in sorted((self._folder.records / node).glob(f"*/{JOURNAL}")):
            name = self._journal_name(path)
            if product in (None, name.product):
                found.append(self._journal(path, name))
        return found

    def _journal_name(self, path: Path) -> JournalName:
        """Whose journal a file is. Raises RunError."""
        named = _VERSION_FOLDER.fullmatch(path.parent.name)
        if named is None:
            raise RunError(f"{path}: lies in no folder PRODUCT-VERSION; move it out of the station's folder.")
        return JournalName(path.parent.parent.name, named[1], int(named[2]))

    def _journal(self, path: Path, journal: JournalName) -> _File:
        def apply(connection: Connection, lines: Sequence[ChainedLine]) -> int:
            records = [RecordLine(from_values(one.values, one.where), one.offset, one.where) for one in lines]
            return add_parts(connection, journal, records, self._needs)

        return _File(path, self._name(path), _RECORDS, apply)

    def _trail(self, path: Path) -> _File:
        def apply(connection: Connection, lines: Sequence[ChainedLine]) -> int:
            for one in lines:
                apply_entry(connection, entry_of(one.values, one.where), one.where)
            return len(lines)

        return _File(path, self._name(path), _ENTRIES, apply)

    def _name(self, path: Path) -> str:
        return path.relative_to(self._folder.path).as_posix()

    def _check_all_there(self) -> None:
        with self._store.reading() as connection:
            for name in connection.execute(select(FOLLOWED.c.file)).scalars():
                if not (self._folder.path / name).exists():
                    raise RunError(f"{self._folder.path / name}: is gone; {_REMEDY}.")

    # ---- following ----

    def _follow_each(self, files: Sequence[_File], end: int | None = None) -> int:
        """Follow those of the files whose sizes are not those that were read."""
        with self._store.reading() as connection:
            marks = _marks(connection, files)
        self._ends |= {file.path: mark.offset for file, mark in marks.items()}
        return sum(
            self._follow(file, mark, end=end) for file, mark in marks.items() if file.path.stat().st_size != mark.offset
        )

    def _follow(
        self,
        file: _File,
        mark: Mark,
        *,
        end: int | None = None,
        takes: Callable[[Mapping[str, Any]], bool] | None = None,
    ) -> int:
        """Follow a file to its end; of several threads one after the other. mark: where it was lately."""
        count = 0
        with self._locks.setdefault(file.path, Lock()):
            self._readers[file.path] = self._reader(file, mark)  # what it may hash takes no other's turn
            while True:
                with self._store.writing() as connection:
                    wait_for_turn(connection)
                    ahead = self._reader(file, _marks(connection, [file])[file])
                    lines = ahead.read(_LINES, _BYTES, end=end, takes=takes)
                    if not lines:
                        return count
                    new = file.apply(connection, lines)
                    _keep_mark(connection, file.name, ahead.mark)
                self._readers[file.path] = ahead
                self._ends[file.path] = ahead.mark.offset
                count += new
                if ahead.mark.offset == file.path.stat().st_size:
                    return count

    def _follow_by_moment(self, files: Sequence[_File]) -> int:
        """Follow trails entry by entry in the order of their moments, as they were written; each in its own order."""
        count = 0
        while True:
            with self._store.reading() as connection:
                marks = _marks(connection, files)
            moments = {file: moment for file in files if (moment := self._next_moment(file, marks[file])) is not None}
            if not moments:
                return count
            file = min(moments, key=lambda one: (moments[one], one.name))
            others = [moment for one, moment in moments.items() if one is not file]
            takes = _Before(moments[file], min(others)) if others else None
            count += self._follow(file, marks[file], takes=takes)

    def _next_moment(self, file: _File, mark: Mark) -> str | None:
        for line in self._reader(file, mark).read(1, _BYTES):
            return entry_of(line.values, line.where).at
        return None

    def _reader(self, file: _File, mark: Mark) -> ChainReader:
        known = self._readers.get(file.path)
        reader = ChainReader(file.path, file.kind) if known is None else known.copy()
        reader.move_to(mark)
        return reader


class _Before:
    """Whether an entry comes before those of other trails; the one that is next does, whatever its clock said."""

    def __init__(self, next_at: str, others: str) -> None:
        self._next_at, self._others = next_at, others

    def __call__(self, values: Mapping[str, Any]) -> bool:
        return values.get("at") == self._next_at or str(values.get("at")) < self._others


def rebuild(store: Store, folder: StationFolder, needs: Needs = no_needs) -> Followed:
    """Empty what the station's files fill, and fill it from them; accounts and what else the store alone holds stay, as
    do the numbers of parts. One that is killed goes on where the station starts. Raises RunError where the station
    runs or a file is damaged, StoreError, OSError."""
    with ExitStack() as held:
        for records in sorted(folder.records.glob("*/*/")):
            held.enter_context(_not_running(records))
        with store.writing() as connection:
            wait_for_turn(connection)
            keep_numbers(connection)
            _empty(connection)
        followed = Follower(store, folder, needs).take_up_all()
        with store.writing() as connection:
            forget_numbers(connection)
        return followed


def _not_running(records: Path) -> AbstractContextManager[object]:
    try:
        with ExitStack() as opened:
            opened.enter_context(sole_writer(records))
            return opened.pop_all()
    except RunError as error:
        raise RunError(f"{records}: the station is running; stop it, and fill the store then.") from error


def _empty(connection: Connection) -> None:
    tables = [table for table in reversed(all_tables().sorted_tables) if table.info.get("from_files")]
    if is_postgresql(connection):
        connection.execute(text(f"TRUNCATE {', '.join(table.name for table in tables)}"))
    else:
        for table in tables:
            connection.execute(delete(table))


def _marks(connection: Connection, files: Sequence[_File]) -> dict[_File, Mark]:
    rows = connection.execute(_MARKS, {"files": [file.name for file in files]})
    known = {row.file: Mark(row.offset_bytes, row.lines, row.digest) for row in rows}
    return {file: known.get(file.name, Mark()) for file in files}


def _keep_mark(connection: Connection, name: str, mark: Mark) -> None:
    values = {"file": name, "offset_bytes": mark.offset, "lines": mark.lines, "digest": mark.digest}
    connection.execute(_set_mark(postgres=is_postgresql(connection)), values)


@cache
def _set_mark(*, postgres: bool) -> Executable:
    insert = insert_of(FOLLOWED, postgres=postgres)
    then = {name: insert.excluded[name] for name in ("offset_bytes", "lines", "digest")}
    return insert.on_conflict_do_update(index_elements=["file"], set_=then)
