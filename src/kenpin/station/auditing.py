"""Auditing a station: whether its trails and journals are as they were written, and what the trails say."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from kenpin.chained import BEFORE, CheckedLines, LineKind, read_back
from kenpin.errors import OptionError, RunError
from kenpin.files import read_json
from kenpin.inspection.journal import JOURNAL, PART_RECORDS
from kenpin.inspection.record import from_values, part_key
from kenpin.records_json import from_json, to_json
from kenpin.station.folder import StationFolder
from kenpin.station.trail import TRAIL_ENTRIES, Entry, entry_of, read_entries

REPORT_VERSION: Literal[1] = 1
COLUMNS = ("at", "entry", "who", "what", "about")
"""Names of `cells`."""


@dataclass(frozen=True, slots=True)
class FileAudit:
    """What was found of a file."""

    file: str
    """Its path below the folder of the station."""
    entries: int
    """How many of its first entries are sound; where there is a problem, those that a later line confirms."""
    first: str | None
    """When the first of them was written, UTC, ISO 8601; None where there is none."""
    last: str | None
    bytes: int
    """Size of the sound ones."""
    digest: str
    """Hash of the sound ones: who keeps it elsewhere can tell later that they are the same."""
    unfinished_bytes: int
    """What stands behind the last entry: it is being written, or its writer was killed."""
    problem: str | None
    """What is wrong with the first that is not sound; None where all are."""


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries of the trails are wanted; an empty condition takes all."""

    who: frozenset[str] = frozenset()
    """Names, in small letters."""
    what: frozenset[str] = frozenset()
    """Kinds of entries."""
    since: str = ""
    """UTC, ISO 8601, to the microsecond, as entries have it."""
    before: str = ""

    def takes(self, entry: Entry) -> bool:
        """Whether an entry is wanted."""
        return (
            (not self.who or entry.who.casefold() in self.who)
            and (not self.what or entry.what in self.what)
            and entry.at >= self.since
            and (not self.before or entry.at < self.before)
        )


def audit_files(
    folder: StationFolder, earlier: Mapping[str, FileAudit] | None = None, *, journals: bool = True
) -> Iterator[FileAudit]:
    """What is found of each trail and journal of a station, also while it runs.

    earlier: what was found before, by file: none of that may have gone since, not even at the end of a file, which a
    file cannot tell by itself; journals: False: the trails alone. Raises OptionError where the folder is not that of a
    station, OSError.
    """
    of_parts = folder.records.glob(f"*/*/{JOURNAL}") if journals else ()
    files = {
        path.relative_to(folder.path).as_posix(): path
        for paths in (folder.trails.glob("*.jsonl"), of_parts)
        for path in sorted(paths)
    }
    if not files and not earlier:
        raise OptionError(f"{folder.path}: there is no trail and no journal in it; name the folder of a station.")
    for name, path in files.items():
        yield _audited(name, path, (earlier or {}).get(name))
    for name, mark in (earlier or {}).items():
        if name not in files and mark.entries:
            yield FileAudit(name, 0, None, None, 0, "", 0, f"{folder.path / name}: is gone; {TRAIL_ENTRIES.remedy}.")


def report_of(found: list[FileAudit]) -> dict[str, Any]:
    """What was found as JSON."""
    return {"schema": REPORT_VERSION, "files": to_json(found)}


def read_report(path: Path) -> dict[str, FileAudit]:
    """What was found earlier, by file; of a file that was not sound, what was. Raises RunError."""
    values = read_json(path)
    if values.get("schema") != REPORT_VERSION:
        raise RunError(f"{path}: is not what `kenpin audit verify --json` writes; name such a file.")
    found = from_json(tuple[FileAudit, ...], values.get("files"), str(path))
    return {one.file: one for one in found}


def entries_of(folder: StationFolder, wanted: EntryFilter) -> Iterator[Entry]:
    """The wanted entries of all trails, in the order of their times. Raises RunError where a line is damaged, changed
    or missing, OptionError where the folder is not that of a station, OSError."""
    paths = sorted(folder.trails.glob("*.jsonl"))
    if not paths:
        raise OptionError(f"{folder.path}: there is no trail in it; name the folder of a station.")
    return filter(wanted.takes, heapq.merge(*map(read_entries, paths), key=lambda entry: entry.at))


@dataclass(frozen=True, slots=True, order=True)
class EntryCursor:
    """The last entry of a page: behind it, which is before it in time, the next page begins."""

    at: str
    """UTC, ISO 8601; where a clock was set back, not later than that of any entry behind it in its file."""
    node: str
    number: int

    def __str__(self) -> str:
        return f"{self.at} {self.node} {self.number}"


def read_entry_cursor(text: str) -> EntryCursor:
    """The cursor that `str` wrote. Raises OptionError."""
    at, _, rest = text.partition(" ")
    node, _, number = rest.partition(" ")
    if not (at and node and number.isascii() and number.isdigit() and len(number) <= 18):
        raise OptionError(f"page: {text!r:.60} is no beginning of a page; take the one that the page before names.")
    return EntryCursor(at, node, int(number))


@dataclass(frozen=True, slots=True)
class EntryPage:
    """Some of the entries that were asked for, the newest first."""

    entries: tuple[Entry, ...]
    following: EntryCursor | None
    """Where the next page begins; None: there is none."""


def newest_entries(
    folder: StationFolder, wanted: EntryFilter, *, size: int = 50, behind: EntryCursor | None = None
) -> EntryPage:
    """The newest of the wanted entries, or those behind a cursor, read from the ends of the files. Whether these are
    sound, `audit_files` tells. Raises RunError where a line is damaged, OSError."""
    paths = sorted(folder.trails.glob("*.jsonl"))
    newest = heapq.merge(*map(_backwards, paths), key=lambda one: one[0], reverse=True)
    found = (one for one in newest if (behind is None or one[0] < behind) and wanted.takes(one[1]))
    some = [*islice(found, size + 1)]
    following = some[size - 1][0] if len(some) > size else None
    return EntryPage(tuple(entry for _, entry in some[:size]), following)


def cells(entry: Entry) -> tuple[str, str, str, str, str]:
    """An entry as a row of a table, whose cells `COLUMNS` names."""
    about = json.dumps(entry.about, ensure_ascii=False, separators=(", ", ": "))
    return entry.at, f"{entry.node}/{entry.number}", entry.who, entry.what, about


def moment(text: str, *, end: bool = False) -> str:
    """A time that a person gave, as entries have theirs: UTC unless it names another zone. Raises OptionError.

    end: of a day without a time its end, else its beginning.

    >>> moment("2026-11-27"), moment("2026-11-27", end=True)
    ('2026-11-27T00:00:00.000000+00:00', '2026-11-28T00:00:00.000000+00:00')
    >>> moment("2026-11-27T09:30+09:00")
    '2026-11-27T00:30:00.000000+00:00'
    """
    try:
        try:
            at = datetime.combine(date.fromisoformat(text), time()) + timedelta(days=end)
        except ValueError:
            at = datetime.fromisoformat(text)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise OptionError(f"{text!r:.60} is not a time; give one such as 2026-11-27 or 2026-11-27T09:30.") from error
    return at.isoformat(timespec="microseconds")


# ---- a file ----


def _backwards(path: Path) -> Iterator[tuple[EntryCursor, Entry]]:
    """The entries of a trail, the last one first, each with its place among those of all trails."""
    at = ""
    for values, where in read_back(path, TRAIL_ENTRIES):
        entry = entry_of(values, where)
        at = min(at or entry.at, entry.at)
        yield EntryCursor(at, entry.node, entry.number), entry


def _audited(name: str, path: Path, earlier: FileAudit | None) -> FileAudit:
    kind: LineKind = TRAIL_ENTRIES
    look: Callable[[Mapping[str, Any], str], str] = _Entries(path)
    if path.name == JOURNAL:
        kind, look = PART_RECORDS, _Records()
    lines = CheckedLines(path, kind)
    sound = so_far = FileAudit(name, 0, None, None, 0, lines.digest, 0, None)
    try:
        for values, where in lines:
            sound = so_far  # this line holds the hash of those above it
            at = look(values, where)
            _check_guarded(values, where, kind)
            if earlier is not None and lines.lines == earlier.entries and lines.digest != earlier.digest:
                raise RunError(f"{where}: this line or one above it is another than it was earlier; {kind.remedy}.")
            so_far = FileAudit(name, lines.lines, sound.first or at, at, lines.end, lines.digest, 0, None)
    except RunError as error:
        return replace(sound, problem=f"{error}")
    if earlier is not None and so_far.entries < earlier.entries:
        problem = f"{path}: has {so_far.entries} of the {earlier.entries} lines that it had earlier; {kind.remedy}."
        return replace(so_far, problem=problem)
    return replace(so_far, unfinished_bytes=path.stat().st_size - so_far.bytes)


def _check_guarded(values: Mapping[str, Any], where: str, kind: LineKind) -> None:
    if BEFORE not in values:  # a station has never written such, and the hashes could be taken from all lines
        raise RunError(f"{where}: has no hash of what stands above it; {kind.remedy}.")


class _Entries:
    """Checks the entries of a trail, one after the other."""

    def __init__(self, path: Path) -> None:
        self._node, self._count = path.stem, 0

    def __call__(self, values: Mapping[str, Any], where: str) -> str:
        """When it was written. Raises RunError."""
        entry = entry_of(values, where)
        self._count += 1
        if (entry.number, entry.node) != (self._count, self._node):
            raise RunError(
                f"{where}: is entry {entry.number} of {entry.node}, and should be entry {self._count} of {self._node}; "
                f"{TRAIL_ENTRIES.remedy}."
            )
        return entry.at


class _Records:
    """Checks the records of a journal, one after the other."""

    def __init__(self) -> None:
        self._keys: set[bytes] = set()

    def __call__(self, values: Mapping[str, Any], where: str) -> str:
        """When it was written. Raises RunError."""
        record = from_values(values, where)
        key = part_key(record.id, record.picture_hash, record.picture_bytes, record.modified_ns)
        # the hash of a key takes 16 bytes, whatever its id; there may be millions
        short = blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if short in self._keys:
            raise RunError(f"{where}: records a part for the second time; {PART_RECORDS.remedy}.")
        self._keys.add(short)
        return record.judged_at
