"""The page of quality: how often the line errs, by what people found."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.clock import DAY_US, now_us
from kenpin.station.pages.asking import asked_page
from kenpin.station.reviewing.rates import line_rates
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import confusion, lots
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
_DAYS = ("1", "7", "30", "365")


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table of verdicts beside settled ones."""

    verdict: Verdict
    settled: Verdict
    parts: int


@ROUTER.get("/quality")
def quality_page(request: Request) -> HTMLResponse:
    """Escapes and overkills of a lot, or of the last days, with exact bounds."""
    asked = asked_page(request, Right.LOOK)
    lot, days = request.query_params.get("lot") or None, request.query_params.get("days") or "30"
    if days not in _DAYS:
        raise OptionError(f"quality: {days!r:.20} days; take one of {', '.join(_DAYS)}.")
    since = None if lot else now_us() - int(days) * DAY_US
    wanted = PartFilter(asked.product, lot=lot, from_us=since)
    station = asked.station
    with station.store.reading() as connection:
        rates = line_rates(connection, wanted, station.drawing_key, station.settings_of(asked.product))
        crossed = confusion(connection, wanted)
        known_lots = [one.lot for one in lots(connection, asked.product, size=100) if one.lot]
    rows = [
        [Cell(verdict, settled, crossed.get((verdict, settled), 0)) for settled in (Verdict.PASS, Verdict.FAIL)]
        for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.REVIEW)
    ]
    return asked.answer(
        "quality", "quality", rates=rates, rows=rows, lots=known_lots, lot=lot, days=days, all_days=_DAYS
    )
