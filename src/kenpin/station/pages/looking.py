"""Pages that show: the line, the parts, one part, and its pictures."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse

from kenpin.errors import OptionError
from kenpin.inspection.closer_look import layer_of
from kenpin.inspection.record import PartRecord, first_map
from kenpin.records import Verdict
from kenpin.station.arrival import Arrival
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.marking import layers_of, sizes_of
from kenpin.station.pages.part_views import first_view, shown_views, view_at
from kenpin.station.pages.regions import region_table
from kenpin.station.pages.rendering import render
from kenpin.station.pages.sending import download
from kenpin.station.pages.standing import control_view, standing_view
from kenpin.station.pages.upright import shown_as_it_is
from kenpin.station.pages.views import line_view
from kenpin.station.running import NotThereError, Station
from kenpin.station.store.exporting import csv_pieces, parquet_pieces
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.full_records import read_record
from kenpin.station.store.marks import marks_in
from kenpin.station.store.queries import PartRow, count, find_part, lots, page, read_cursor, stream
from kenpin.station.store.tables import micros_of
from kenpin.station.store.views import views_in
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
_OPEN = "open"  # in the filter: not settled
_THUMBNAIL_PX = 320
_KEPT = {"Cache-Control": "private, max-age=86400, immutable"}  # a picture's address holds its content


@ROUTER.get("/")
def first_page(request: Request) -> Response:
    """The line; where nothing is set up, the set-up."""
    asked_page(request, Right.LOOK)
    return RedirectResponse("/line", 303)


@ROUTER.get("/line")
def line_page(request: Request) -> HTMLResponse:
    """The last part, large, and the counts of its lot; it follows the line by itself."""
    asked = asked_page(request, Right.LOOK)
    return asked.answer("line", "line", view=_line(asked), line=standing_view(asked), control=control_view(asked))


@ROUTER.get("/line/standing")
def line_standing(request: Request) -> Response:
    """What stands still and which alarm runs, where it is not what the page shows already."""
    asked = asked_page(request, Right.LOOK)
    return _unless_seen(asked, "line_standing", line=standing_view(asked))


@ROUTER.get("/line/control")
def line_control(request: Request) -> Response:
    """The control chart beside it, where it is not what the page shows already."""
    asked = asked_page(request, Right.LOOK)
    return _unless_seen(asked, "line_control", control=control_view(asked))


@ROUTER.get("/line/now")
def line_now(request: Request) -> HTMLResponse:
    """What changes on the page of the line."""
    asked = asked_page(request, Right.LOOK)
    return HTMLResponse(render("line_now", asked.language, shell=asked.shell("line"), view=_line(asked)))


@ROUTER.get("/parts")
def parts_page(request: Request) -> HTMLResponse:
    """Parts by a filter, the newest first."""
    asked = asked_page(request, Right.LOOK)
    filter_ = FilterForm.of(asked)
    before = request.query_params.get("before")
    with asked.station.store.reading() as connection:
        found = page(connection, filter_.asked(), size=60, behind=read_cursor(before) if before else None)
        counted = count(connection, filter_.asked())
        known_lots = [one.lot for one in lots(connection, asked.product, size=100) if one.lot]
    words = asked.words
    told = words.count("%(count)s part", "%(count)s parts", counted.parts)
    if not counted.is_exact:
        told = words("more than %(parts)s", parts=told)
    return asked.answer(
        "parts", "parts", parts=found.parts, older=found.following, filter=filter_, lots=known_lots,
        found_words=told, query=filter_.query(),
    )  # fmt: skip


@ROUTER.get("/parts.csv")
def parts_as_csv(request: Request) -> StreamingResponse:
    """The filtered parts for a spreadsheet: texts that it would compute as formulas are escaped."""
    asked = asked_page(request, Right.LOOK)
    rows = stream(asked.station.store, FilterForm.of(asked).asked())
    pieces = csv_pieces(rows, marks_in(asked.station.store), views_in(asked.station.store), for_spreadsheets=True)
    return download(
        ("\ufeff" + piece if first else piece for first, piece in _numbered(pieces)), "parts", "text/csv", "csv"
    )


@ROUTER.get("/parts.parquet")
def parts_as_parquet(request: Request) -> StreamingResponse:
    """The filtered parts as Parquet."""
    asked = asked_page(request, Right.LOOK)
    rows = stream(asked.station.store, FilterForm.of(asked).asked())
    pieces = parquet_pieces(rows, marks_in(asked.station.store), views_in(asked.station.store))
    return download(pieces, "parts", "application/vnd.apache.parquet", "parquet")


@ROUTER.get("/parts/{key}")
def part_page(request: Request, key: str) -> Response:
    """All that is known of a part; not to who looks at it blind at present."""
    asked = asked_page(request, Right.LOOK)
    part, record = _part(asked.station, key)
    if asked.station.reviewing.looks_blind(asked.who, key):
        return RedirectResponse(f"/review?product={part.product}", 303)
    with asked.station.store.reading() as connection:
        reviews = asked.station.reviewing.reviews_of(connection, key)
    views = shown_views(record, asked.station.pictures)
    first = first_view(views)
    has_picture = bool(part.picture_hash) and asked.station.pictures.find(part.picture_hash) is not None
    return asked.answer(
        "part", "parts", part=part, record=record, layers=layers_of(part, record, reviews),
        has_picture=has_picture or first is not None, reviews=reviews, products=asked.assignable(part),
        regions=region_table(record), views=views, first=first, sizes=sizes_of(part, record),
    )  # fmt: skip


@ROUTER.get("/parts/{key}/picture")
def part_picture(request: Request, key: str) -> Response:
    """Its picture, upright: as it came where browsers show it as kenpin reads it, else as PNG. Of several the one that
    stands for it, or the one that `view` names by its number."""
    asked = asked_page(request, Right.LOOK)
    picture_hash = _picture_asked(asked, key)
    media_type = shown_as_it_is(asked.station.pictures.read(picture_hash) or b"")
    if media_type is not None:
        return FileResponse(asked.station.pictures.path(picture_hash), media_type=media_type, headers=_KEPT)
    return _encoded(asked.station, picture_hash, "PNG")


@ROUTER.get("/parts/{key}/thumbnail")
def part_thumbnail(request: Request, key: str) -> Response:
    """Its picture, small, encoded anew."""
    asked = asked_page(request, Right.LOOK)
    return _encoded(asked.station, _picture_asked(asked, key), "JPEG", _THUMBNAIL_PX)


@ROUTER.get("/parts/{key}/layer")
def part_layer(request: Request, key: str) -> Response:
    """The map of its picture, or of the one that `view` names, to be laid over it."""
    asked = asked_page(request, Right.LOOK)
    part, record = _part(asked.station, key)
    if asked.station.reviewing.looks_blind(asked.who, key):
        raise NotThereError("you look at this part without what runs say of it; say what it is, and its map is here.")
    number = request.query_params.get("view")
    named = first_map(record.answers_on_picture if number is None else view_at(record, number).answers)
    if named is None:
        raise NotThereError("the part has no map.")
    file = asked.station.folder.records_of(part.node, part.product, part.version) / layer_of(named)
    if not file.is_file():
        raise NotThereError("the part's map was removed.")
    return FileResponse(file, media_type="image/png", headers=_KEPT)


@dataclass(frozen=True, slots=True)
class FilterForm:
    """The filter of the page of parts, as it stands in the address."""

    product: str
    lot: str | None = None
    verdict: str | None = None
    label: str | None = None
    settled: str | None = None
    score_from: float | None = None
    score_to: float | None = None
    since: str | None = None
    until: str | None = None
    person: str | None = None

    @staticmethod
    def of(asked: PageAsked) -> FilterForm:
        """The filter that an address holds. Raises OptionError."""
        given = {name: value for name, value in asked.request.query_params.items() if value}
        texts = {name: given.get(name) for name in ("lot", "verdict", "label", "settled", "since", "until", "person")}
        return FilterForm(
            asked.product, **texts, score_from=_number(given, "score_from"), score_to=_number(given, "score_to")
        )

    def asked(self) -> PartFilter:
        """As the store takes it. Raises OptionError."""
        return PartFilter(
            product=self.product,
            lot=self.lot,
            verdict=_verdict(self.verdict),
            label=self.label,
            settled=None if self.settled == _OPEN else _verdict(self.settled),
            is_settled=False if self.settled == _OPEN else None,
            score_from=self.score_from,
            score_to=self.score_to,
            from_us=_micros(self.since),
            to_us=_micros(self.until),
            reviewer=self.person,
        )

    def query(self) -> str:
        """As it stands in an address."""
        names = (
            *("product", "lot", "verdict", "label", "settled"),
            "score_from",
            "score_to",
            "since",
            "until",
            "person",
        )
        return urlencode({name: value for name in names if (value := getattr(self, name)) is not None})


def _line(asked: PageAsked) -> Any:
    station = asked.station
    with station.store.reading() as connection:
        return line_view(connection, asked.product, lambda part: _record(station, part))


def _unless_seen(asked: PageAsked, template: str, **values: Any) -> Response:
    """A fragment, which names its content; 204 where the page holds it, so that nothing is read out again."""
    (view,) = values.values()
    if asked.request.query_params.get("seen") == view.digest:
        return Response(status_code=204)
    return HTMLResponse(render(template, asked.language, shell=asked.shell("line"), **values))


def _part(station: Station, key: str) -> tuple[PartRow, PartRecord]:
    part = _row(station, key)
    return part, _record(station, part)


def _row(station: Station, key: str) -> PartRow:
    with station.store.reading() as connection:
        part = find_part(connection, key)
    if part is None:
        raise NotThereError("there is no such part; the address may be of another station.")
    return part


def _record(station: Station, part: PartRow) -> PartRecord:
    return read_record(station.folder, part.journal, part.offset_bytes, part.key)


def _picture_asked(asked: PageAsked, key: str) -> str:
    """The hash of the picture that an address is about, which is there. Raises NotThereError."""
    station, number = asked.station, asked.request.query_params.get("view")
    part = _row(station, key)
    picture_hash = part.picture_hash if number is None else view_at(_record(station, part), number).picture_hash
    if not picture_hash or station.pictures.find(picture_hash) is None:
        raise NotThereError("the part's picture was removed, or could not be kept.")
    return picture_hash


def _encoded(station: Station, picture_hash: str, kind: str, most_px: int | None = None) -> Response:
    """A stranger's picture, opened elsewhere, made smaller where asked for, and encoded anew. Raises NotThereError,
    DecoderBusyError."""
    with station.viewer.turn():
        data = station.pictures.read(picture_hash)
        image = None if data is None else station.viewer.open(Arrival(picture_hash, data)).image
        if image is None:
            raise NotThereError("the part's file is not a picture that can be opened.")
        if most_px is not None:
            image.thumbnail((most_px, most_px))
        file = io.BytesIO()
        image.save(file, kind, compress_level=1)  # of a PNG: it is sent once, over a network of the plant
    return Response(file.getvalue(), media_type=f"image/{kind.lower()}", headers=_KEPT)


def _numbered(pieces: Iterator[str]) -> Iterator[tuple[bool, str]]:
    for number, piece in enumerate(pieces):
        yield number == 0, piece


def _verdict(text: str | None) -> Verdict | None:
    if text is None:
        return None
    try:
        return Verdict(text)
    except ValueError as error:
        raise OptionError(f"filter: {text!r:.60} is not a verdict; take PASS, FAIL or REVIEW.") from error


def _number(given: dict[str, str], name: str) -> float | None:
    try:
        return float(given[name]) if name in given else None
    except ValueError as error:
        raise OptionError(f"filter: {given[name]!r:.60} is not a number.") from error


def _micros(text: str | None) -> int | None:
    """Microseconds since 1970 of a moment; one without a zone is UTC."""
    if text is None:
        return None
    try:
        return micros_of(text)
    except ValueError as error:
        raise OptionError(f"filter: {text!r:.60} is not a date and time.") from error
