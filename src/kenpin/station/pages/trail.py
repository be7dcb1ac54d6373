"""The page of the trail: who decided what and when, as CSV too, and whether the files are as they were written."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice
from threading import Lock
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response, StreamingResponse

from kenpin.data.spreadsheets import as_text_cell
from kenpin.errors import OptionError, RunError
from kenpin.station.auditing import (
    COLUMNS,
    EntryFilter,
    EntryPage,
    FileAudit,
    audit_files,
    cells,
    entries_of,
    moment,
    newest_entries,
    read_entry_cursor,
    report_of,
)
from kenpin.station.clock import now_us
from kenpin.station.folder import StationFolder
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.naming import entry_names
from kenpin.station.pages.sending import download
from kenpin.station.store.applying import entry_kinds
from kenpin.station.store.tables import micros_of
from kenpin.station.trail import Entry
from kenpin.station.who.accounts import list_accounts
from kenpin.station.who.rights import CONSOLE, STATION, Right

ROUTER = APIRouter(include_in_schema=False)
_SIZE, _ROWS = 100, 500  # entries of a page, and rows that are sent at a time
_HASH = re.compile(r"\b[0-9a-f]{32,}\b")
_CHECKING = Lock()  # reads whole files: one at a time is enough


@dataclass(frozen=True, slots=True)
class TrailForm:
    """The filter of the page, as it stands in the address."""

    who: str = ""
    what: str = ""
    since: str = ""
    until: str = ""

    @staticmethod
    def of(request: Request) -> TrailForm:
        """The filter that an address holds."""
        given = request.query_params
        return TrailForm(*(given.get(name, "").strip() for name in ("who", "what", "since", "until")))

    def asked(self) -> EntryFilter:
        """As the trails are asked. Raises OptionError."""
        return EntryFilter(
            frozenset({self.who.casefold()} if self.who else ()),
            frozenset({self.what} if self.what else ()),
            moment(self.since) if self.since else "",
            moment(self.until, end=True) if self.until else "",
        )

    def query(self) -> str:
        """As it stands in an address."""
        given = {"who": self.who, "what": self.what, "since": self.since, "until": self.until}
        return urlencode({name: value for name, value in given.items() if value})


@dataclass(frozen=True, slots=True)
class EntryView:
    """An entry, as the page shows it."""

    entry: Entry
    at_us: int
    name: str
    """Of its kind, in the page's language."""
    about: Sequence[tuple[str, str]]
    """What it holds; what is empty is left out, and hashes are shortened."""
    part: str | None
    """Key of the part that it is about."""


@ROUTER.get("/trail")
def trail_page(request: Request) -> HTMLResponse:
    """What people and the service decided, the newest first."""
    asked, form = asked_page(request, Right.AUDIT), TrailForm.of(request)
    before, station = request.query_params.get("before"), asked.station
    notice, found = None, EntryPage((), None)
    try:
        behind = read_entry_cursor(before) if before else None
        found = newest_entries(station.folder, form.asked(), size=_SIZE, behind=behind)
    except (OptionError, RunError) as error:
        notice = told(station.folder, f"{error}")
    names = entry_names(asked.words)
    views = [
        EntryView(one, micros_of(one.at), names.get(one.what, one.what), _pairs(one), _part_of(one))
        for one in found.entries
    ]
    with station.store.reading() as connection:
        people = [CONSOLE.name, STATION.name, *(one.name for one in list_accounts(connection))]
    kinds = sorted(((what, names.get(what, what)) for what in entry_kinds()), key=lambda one: one[1])
    return asked.answer(
        "trail", "trail", 200 if notice is None else 400, notice=notice, entries=views, older=found.following,
        form=form, query=form.query(), people=people, kinds=kinds,
    )  # fmt: skip


@ROUTER.get("/trail.csv")
def trail_as_csv(request: Request) -> StreamingResponse:
    """The filtered entries for a spreadsheet, the oldest first; the last row says so where a file is damaged."""
    asked = asked_page(request, Right.AUDIT)
    folder = asked.station.folder
    pieces = _pieces(folder, TrailForm.of(request).asked())
    # a mark by which spreadsheets take it for UTF-8
    return download(chain(("\ufeff",), pieces), "trail", "text/csv", "csv")


@ROUTER.get("/trail/check")
def check_page(request: Request, records: str = "") -> HTMLResponse:
    """Whether the trails, and the records of parts too, are as they were written. records: 1 where these too."""
    asked = asked_page(request, Right.AUDIT)
    folder, found = asked.station.folder, _checked(asked, bool(records))
    found = [replace(one, problem=told(folder, one.problem)) if one.problem else one for one in found]
    return asked.answer("trail_check", "trail", found=found, records=bool(records), at_us=now_us())


@ROUTER.get("/trail/check.json")
def check_report(request: Request) -> Response:
    """The same as a file that is kept elsewhere: `kenpin audit verify --against` compares with it later."""
    asked = asked_page(request, Right.AUDIT)
    report = json.dumps(report_of(_checked(asked, True)), indent=1, ensure_ascii=False)
    return download(iter([report]), "verified", "application/json", "json")


def told(folder: StationFolder, sentence: str) -> str:
    """A sentence about files without the path of the station's folder."""
    return sentence.replace(f"{folder.path}/", "")


def _pairs(entry: Entry) -> list[tuple[str, str]]:
    """What an entry holds, as a person reads it."""
    shown = {key: value for key, value in entry.about.items() if value is not None}
    texts = {key: one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for key, one in shown.items()}
    return [(key, _HASH.sub(lambda found: f"{found[0][:8]}…", text)) for key, text in texts.items()]


def _part_of(entry: Entry) -> str | None:
    key = entry.about.get("part")
    return key if isinstance(key, str) and _HASH.fullmatch(key) else None


def _checked(asked: PageAsked, records: bool) -> list[FileAudit]:
    if not _CHECKING.acquire(blocking=False):
        raise OptionError("the files are being checked for somebody already; ask again when that has ended.")
    try:
        return [*audit_files(asked.station.folder, journals=records)]
    finally:
        _CHECKING.release()


def _pieces(folder: StationFolder, wanted: EntryFilter) -> Iterator[str]:
    """The table in pieces of some rows."""
    rows = _rows(folder, wanted)
    while some := [*islice(rows, _ROWS)]:
        text = io.StringIO()
        csv.writer(text).writerows(some)
        yield text.getvalue()


def _rows(folder: StationFolder, wanted: EntryFilter) -> Iterator[Sequence[str]]:
    yield COLUMNS
    try:
        for entry in entries_of(folder, wanted):
            yield [*map(as_text_cell, cells(entry))]
    except RunError as error:
        yield ("", "", "", "damaged", as_text_cell(told(folder, f"{error}")))
