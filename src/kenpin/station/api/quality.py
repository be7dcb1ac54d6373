"""Standstills, control charts, gage studies and costs by HTTP, as the pages of the line and of quality show them."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, Field

from kenpin.errors import OptionError
from kenpin.quality.agreement import Kappa
from kenpin.quality.attribute_gage import AttributeStudy, Share
from kenpin.station.api.depending import Asking, asking
from kenpin.station.clock import DAY_US, now_us
from kenpin.station.monitoring.charts import ControlChart
from kenpin.station.monitoring.reading import key_of_number
from kenpin.station.monitoring.watching import Watched
from kenpin.station.reviewing.costs import PERIODS, costs_over_time, periods
from kenpin.station.reviewing.drawn import drawn_parts
from kenpin.station.reviewing.gage import ReviewGage, review_gage
from kenpin.station.running import Station
from kenpin.station.standstills import standstills
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.tables import moment_of
from kenpin.station.who.rights import Right

ROUTER = APIRouter(prefix="/api/v1")
_MOST_POINTS = 5_000
_LONGEST_NAME = 200
Looking = Annotated[Asking, Depends(asking(Right.LOOK))]
Product = Annotated[str | None, Query(max_length=_LONGEST_NAME, description="By default the only one.")]
Lot = Annotated[str | None, Query(max_length=_LONGEST_NAME)]
Days = Annotated[int, Query(ge=1, le=365, description="Of the last so many days; not where a lot is named.")]


class StandstillAnswer(BaseModel):
    """Something that stands still."""

    cause: str
    name: str = Field(description="Of the product, the source or the sink.")
    since: str | None
    count: int | None = Field(description="The version, events that wait, or messages that are put aside.")
    detail: str | None


class AlarmAnswer(BaseModel):
    """An alarm that runs."""

    chart: str
    side: Literal["above", "below"]
    since: str = Field(description="When the first part of its first point was judged.")
    at_least: bool = Field(description="Whether it may have begun before.")
    part: str | None = Field(description="Key of that part.")


class PointAnswer(BaseModel):
    """A point of a chart."""

    value: float
    low: float
    high: float
    since: str
    until: str


class ChartAnswer(BaseModel):
    """A chart, its newest points last."""

    chart: str
    parts_a_point: int
    alarm_since: str | None
    points: tuple[PointAnswer, ...]


class ReferenceAnswer(BaseModel):
    """The reference of a version's charts."""

    chosen_by: str | None = Field(description="Who chose it; null: the beginning of the version.")
    parts: int = Field(description="Parts that it is made of, or that there are for one.")
    wanted_parts: int
    lots: int | None
    since: str | None
    until: str | None
    lack: str | None = Field(description="Why there is none: `short` or `wanders`.")


class ControlAnswer(BaseModel):
    """The control charts of a line."""

    product: str
    version: int
    reference: ReferenceAnswer
    false_alarm_parts: int = Field(description="Parts between two false alarms of all charts together, on average.")
    alarm: AlarmAnswer | None
    charts: tuple[ChartAnswer, ...]


class ShareAnswer(BaseModel):
    """So many of so many, with the exact 95 % interval."""

    events: int
    cases: int
    low: float
    high: float


class KappaAnswer(BaseModel):
    """Agreement beyond chance of two, or of all."""

    who: tuple[str, ...]
    kappa: float | None
    low: float | None
    high: float | None


class GageAnswer(BaseModel):
    """How far people agree, and the line with them; by parts drawn at random, of which nobody saw what others said."""

    pairs: dict[str, int] = Field(description="Parts with two looks, by the verdict of the line.")
    waiting: int
    agreeing: dict[str, ShareAnswer]
    people: tuple[KappaAnswer, ...]
    looks: dict[str, int] = Field(description="Parts that people and the line are compared by, by the line's verdict.")
    line: tuple[KappaAnswer, ...]


class CostAnswer(BaseModel):
    """What a part cost in a period, with a 95 % interval; null where a rate is unknown."""

    since: str
    until: str
    parts: int
    versions: tuple[int, ...]
    cost: float | None
    low: float | None
    high: float | None


@ROUTER.get("/state/standstills")
def get_standstills(asked: Looking, product: Product = None) -> tuple[StandstillAnswer, ...]:
    """What stands still on a product's line, and of the station's sources and sinks, the gravest first."""
    return tuple(
        StandstillAnswer(
            cause=one.cause.value, name=one.name, since=_moment(one.since_us), count=one.count, detail=one.detail
        )
        for one in standstills(asked.station, _product(asked.station, product))
    )


@ROUTER.get("/state/alarm")
def get_alarm(
    asked: Looking, product: Product = None, points: Annotated[int, Query(ge=0, le=_MOST_POINTS)] = 100
) -> ControlAnswer | None:
    """The control charts of a product's line, and the alarm that began first of those that run; null where no version
    judges."""
    station = asked.station
    watched = station.watching.of(_product(station, product))
    return None if watched is None else control_answer(station, watched, points)


@ROUTER.get("/quality/gage")
def get_gage(asked: Looking, product: Product = None, lot: Lot = None, days: Days = 30) -> GageAnswer:
    """How far people agree with each other, and the line with them."""
    station = asked.station
    wanted = _asked(station, product, lot, days)
    assert wanted.product is not None
    with station.store.reading() as connection:
        drawn = drawn_parts(connection, wanted, station.drawing_key)
        settings = station.settings_of(wanted.product)
        return gage_answer(review_gage(connection, wanted, drawn, station.drawing_key, settings))


@ROUTER.get("/quality/cost")
def get_cost(asked: Looking, product: Product = None, days: Days = 30) -> tuple[CostAnswer, ...]:
    """The cost of a part over time, by the costs of the settings as they are now; the newest period last."""
    station = asked.station
    hours, count = PERIODS.get(days, (24, days))
    bounds = periods(now_us(), hours, count)
    wanted = PartFilter(_product(station, product), from_us=bounds[0])
    assert wanted.product is not None
    with station.store.reading() as connection:
        drawn = drawn_parts(connection, wanted, station.drawing_key)
        found = costs_over_time(connection, wanted, bounds, drawn, station.settings_of(wanted.product))
    return tuple(
        CostAnswer(
            since=moment_of(one.from_us),
            until=moment_of(one.to_us),
            parts=one.parts,
            versions=one.versions,
            cost=None if one.cost is None else one.cost.value,
            low=None if one.cost is None else one.cost.low,
            high=None if one.cost is None else one.cost.high,
        )
        for one in found
    )


def control_answer(station: Station, watched: Watched, points: int) -> ControlAnswer:
    """What the charts show, as the interface answers with it. points: of each chart, at most."""
    reference = watched.reference
    return ControlAnswer(
        product=watched.product,
        version=watched.version,
        reference=ReferenceAnswer(
            chosen_by=None if watched.chosen is None else watched.chosen.who,
            parts=watched.parts,
            wanted_parts=watched.wanted_parts,
            lots=None if reference is None else reference.lots,
            since=None if reference is None else moment_of(reference.first_us),
            until=None if reference is None else moment_of(reference.last_us),
            lack=watched.lack,
        ),
        false_alarm_parts=watched.false_alarm_parts,
        alarm=None if watched.alarm is None else _alarm(station, watched.alarm),
        charts=tuple(_chart(one, points) for one in watched.charts),
    )


def gage_answer(found: ReviewGage) -> GageAnswer:
    """A gage study as the interface answers with it."""
    return GageAnswer(
        pairs={verdict.value: count for verdict, count in found.pairs.items()},
        waiting=found.waiting,
        agreeing={verdict.value: _share(share) for verdict, share in found.agreeing.items()},
        people=_kappas(found.people),
        looks={verdict.value: count for verdict, count in found.looks.items()},
        line=tuple(_kappa((first, second), kappa) for first, second, kappa in found.with_line),
    )


def _alarm(station: Station, running: ControlChart) -> AlarmAnswer:
    began = running.began
    assert began is not None
    with station.store.reading() as connection:
        key = key_of_number(connection, began.first_seq)
    return AlarmAnswer(
        chart=running.kind.value,
        side="above" if running.is_high else "below",
        since=moment_of(began.first_us),
        at_least=running.may_be_older,
        part=key,
    )


def _chart(one: ControlChart, points: int) -> ChartAnswer:
    shown = one.last(points)
    chart = shown.chart
    return ChartAnswer(
        chart=one.kind.value,
        parts_a_point=one.parts_a_point,
        alarm_since=None if one.began is None else moment_of(one.began.first_us),
        points=tuple(
            PointAnswer(value=value, low=low, high=high, since=moment_of(at.first_us), until=moment_of(at.last_us))
            for at, value, low, high in zip(shown.points, chart.values, chart.low, chart.high, strict=True)
        ),
    )


def _kappas(study: AttributeStudy | None) -> tuple[KappaAnswer, ...]:
    if study is None:
        return ()
    pairs = [_kappa((first, second), kappa) for first, second, kappa in study.pairs]
    return (*pairs, *([] if study.overall is None else [_kappa((), study.overall)]))


def _kappa(who: tuple[str, ...], kappa: Kappa) -> KappaAnswer:
    return KappaAnswer(who=who, kappa=kappa.value, low=kappa.low, high=kappa.high)


def _share(share: Share) -> ShareAnswer:
    return ShareAnswer(events=share.events, cases=share.cases, low=share.low, high=share.high)


def _asked(station: Station, product: str | None, lot: str | None, days: int) -> PartFilter:
    since = None if lot else now_us() - days * DAY_US
    return PartFilter(_product(station, product), lot=lot, from_us=since)


def _product(station: Station, product: str | None) -> str:
    """The product that is asked for. Raises OptionError."""
    known = [*station.products]
    if product is None and len(known) == 1:
        return known[0]
    if product not in known:
        raise OptionError(f"product {product!r:.60}: name one of {', '.join(known) or 'none yet'}.")
    assert product is not None
    return product


def _moment(us: int | None) -> str | None:
    return None if us is None else moment_of(us)
