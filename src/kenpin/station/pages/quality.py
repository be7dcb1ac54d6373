"""The page of quality: how often the line errs, whether it drifts, how far people agree, and what a part costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.clock import now_us
from kenpin.station.monitoring.reading import key_of_number
from kenpin.station.monitoring.watching import Watched
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.told_charts import ToldAlarm, chart_titles, told_alarm, told_charts
from kenpin.station.pages.told_reviews import ToldCosts, told_costs, told_gage
from kenpin.station.reviewing.costs import PERIODS, costs_over_time, periods
from kenpin.station.reviewing.drawn import drawn_parts
from kenpin.station.reviewing.gage import review_gage
from kenpin.station.reviewing.rates import line_rates
from kenpin.station.running import Station
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import confusion, lots
from kenpin.station.store.tables import micros_of
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
_DAYS = tuple(f"{days}" for days in PERIODS)
_Text = Annotated[str, Form(max_length=4_000)]


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of the table of verdicts beside settled ones."""

    verdict: Verdict
    settled: Verdict
    parts: int


@ROUTER.get("/quality")
def quality_page(request: Request) -> HTMLResponse:
    """Escapes and overkills of a lot, or of the last days, with exact bounds, and the charts of the line."""
    return _page(asked_page(request, Right.LOOK))


@ROUTER.post("/quality/reference")
def choose_reference(
    request: Request, reason: _Text = "", last: _Text = "", since: _Text = "", until: _Text = "", clear: _Text = ""
) -> Response:
    """Choose the reference of the charts: the last parts, those of a time, or the beginning of the version again."""
    asked = asked_page(request, Right.SET_POLICY)
    references, who, product = asked.station.references, asked.who, asked.product
    try:
        if clear:
            references.clear(who, product, reason)
        elif since or until:
            references.choose(who, product, _micros(since), _micros(until), reason)
        else:
            references.choose_last(who, product, _whole(last), reason)
    except OptionError as error:
        return _page(asked, f"{error}", 400)
    return RedirectResponse(f"/quality?product={product}#drift", 303)


def _page(asked: PageAsked, refused: str | None = None, status: int = 200) -> HTMLResponse:
    query, station, words = asked.request.query_params, asked.station, asked.words
    lot, days = query.get("lot") or None, query.get("days") or "30"
    if days not in _DAYS:
        raise OptionError(f"quality: {days!r:.20} days; take one of {', '.join(_DAYS)}.")
    bounds = periods(now_us(), *PERIODS[int(days)])
    wanted = PartFilter(asked.product, lot=lot, from_us=None if lot else bounds[0])
    settings = station.settings_of(asked.product)
    watched = station.watching.of(asked.product)
    with station.store.reading() as connection:
        drawn = drawn_parts(connection, wanted, station.drawing_key)
        rates = line_rates(connection, wanted, drawn, settings)
        crossed = confusion(connection, wanted)
        gage = review_gage(connection, wanted, drawn, station.drawing_key, settings)
        costs = None if lot else told_costs(words, costs_over_time(connection, wanted, bounds, drawn, settings))
        known_lots = [one.lot for one in lots(connection, asked.product, size=100) if one.lot]
    rows = [
        [Cell(verdict, settled, crossed.get((verdict, settled), 0)) for settled in (Verdict.PASS, Verdict.FAIL)]
        for verdict in (Verdict.PASS, Verdict.FAIL, Verdict.REVIEW)
    ]
    return asked.answer(
        "quality", "quality", status, rates=rates, rows=rows, lots=known_lots, lot=lot, days=days, all_days=_DAYS,
        watched=watched, charts=[] if watched is None else told_charts(words, watched),
        constant=_constant(asked, watched), alarms=_alarms(asked, station, watched),
        may_choose=Right.SET_POLICY in asked.who.rights, refused=refused,
        gage=told_gage(words, gage), costs=costs or ToldCosts((), None), prices=settings,
    )  # fmt: skip


def _alarms(asked: PageAsked, station: Station, watched: Watched | None) -> list[ToldAlarm]:
    """All alarms that run, with links to the parts that they began with."""
    if watched is None:
        return []
    with station.store.reading() as connection:
        told = [
            told_alarm(asked.words, one, key_of_number(connection, one.began.first_seq))
            for one in watched.charts
            if one.began is not None
        ]
    return [one for one in told if one is not None]


def _constant(asked: PageAsked, watched: Watched | None) -> list[str]:
    """Titles of what is not charted, as it does not vary in the reference."""
    if watched is None or watched.reference is None:
        return []
    titles = chart_titles(asked.words)
    return [titles[kind] for kind in watched.reference.constant]


def _micros(text: str) -> int:
    try:
        return micros_of(text)
    except ValueError as error:
        raise OptionError(f"reference: {text!r:.60} is not a date and time.") from error


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        raise OptionError(f"reference: {text!r:.60} is not a number of parts.")
    return int(text)
