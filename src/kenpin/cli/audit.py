"""Commands on what a station wrote: `audit verify`, `audit show`."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import cyclopts
from cyclopts import Parameter

from kenpin.cli import FINDINGS, _show
from kenpin.cli._groups import DATA, OUTPUT
from kenpin.cli.data import Overwrite
from kenpin.plural import counted

if TYPE_CHECKING:
    from kenpin.station.trail import Entry

app = cyclopts.App(name="audit")


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class VerifyOptions:
    """What the files are compared with, and where the findings go."""

    against: Annotated[
        Path | None,
        Parameter(
            group=DATA,
            help="What --json wrote earlier, kept elsewhere: nothing of that may have changed or gone since, at the "
            "end of a file either.",
        ),
    ] = None
    json: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the findings to this JSON file.")] = None
    overwrite: Overwrite = False


@app.command
def verify(folder: Path, /, *, options: VerifyOptions = VerifyOptions()) -> int:
    """Check that all trails and journals of a station are as they were written: one line each.

    The exit status is 1 where one is not, 0 otherwise.

    Parameters
    ----------
    folder:
        Folder of the station, which may be running.
    """
    from kenpin.files import check_writable, write_json
    from kenpin.station.auditing import audit_files, read_report, report_of
    from kenpin.station.folder import StationFolder

    check_writable(options.json, options.overwrite)
    earlier = None if options.against is None else read_report(options.against)
    found = []
    for one in audit_files(StationFolder(folder), earlier):
        written = ", being written" if one.unfinished_bytes else ""
        between = (one.first or "–", one.last or "–")
        _show.row(one.file, counted(one.entries, "entry"), *between, one.problem or f"sound{written}")
        found.append(one)
    wrong = sum(one.problem is not None for one in found)
    _show.say(f"{folder}: {counted(len(found), 'file')}, {wrong or 'none'} not as it was written.")
    if options.json is not None:
        write_json(options.json, report_of(found))
    return FINDINGS if wrong else 0


@Parameter(name="*")
@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """Which entries are shown, and where they go."""

    who: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Only entries of this account, token or `console`; may be given again.",
        ),
    ] = ()
    what: Annotated[
        tuple[str, ...],
        Parameter(
            group=DATA,
            negative=(),
            show_default=False,
            help="Only entries of this kind, such as signed-in; may be given again.",
        ),
    ] = ()
    since: Annotated[
        str | None, Parameter(group=DATA, help="Only entries from this day or time on; UTC, unless it names a zone.")
    ] = None
    until: Annotated[
        str | None, Parameter(group=DATA, help="Only entries up to the end of this day, or before this time.")
    ] = None
    csv: Annotated[Path | None, Parameter(group=OUTPUT, help="Write the entries to this CSV file.")] = None
    overwrite: Overwrite = False


@app.command
def show(folder: Path, /, *, options: ShowOptions = ShowOptions()) -> None:
    """Show what people and the station decided: one line each, in the order of time.

    Parameters
    ----------
    folder:
        Folder of the station, which may be running.
    """
    from kenpin.files import check_writable
    from kenpin.station.auditing import EntryFilter, cells, entries_of, moment
    from kenpin.station.folder import StationFolder

    check_writable(options.csv, options.overwrite)
    wanted = EntryFilter(
        frozenset(name.casefold() for name in options.who),
        frozenset(options.what),
        "" if options.since is None else moment(options.since),
        "" if options.until is None else moment(options.until, end=True),
    )
    entries = entries_of(StationFolder(folder), wanted)
    if options.csv is not None:
        _show.say(f"{options.csv}: {counted(_write_csv(options.csv, entries, options.overwrite), 'entry')}.")
        return
    shown = 0
    for entry in entries:
        _show.row(*cells(entry))
        shown += 1
    if not shown:
        _show.say("no entry fits these conditions.")


def _write_csv(path: Path, entries: Iterable[Entry], overwrite: bool) -> int:
    from kenpin.data.spreadsheets import as_text_cell
    from kenpin.files import new_file
    from kenpin.station.auditing import COLUMNS, cells

    count = 0
    # with a mark in front spreadsheets take it for UTF-8
    with (
        new_file(path, overwrite=overwrite) as unfinished,
        unfinished.open("w", encoding="utf-8-sig", newline="") as to,
    ):
        table = csv.writer(to)
        table.writerow(COLUMNS)
        for entry in entries:
            count += 1
            table.writerow(map(as_text_cell, cells(entry)))
    return count
