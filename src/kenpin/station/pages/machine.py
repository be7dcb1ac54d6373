"""The page of the machine: its lines, sources and sinks, room on its disk, what it keeps, and its programs."""

from __future__ import annotations

import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from kenpin.errors import OptionError
from kenpin.station.intake.product_line import LineState
from kenpin.station.operating.steering import Operating
from kenpin.station.pages.asking import PageAsked, asked_page
from kenpin.station.pages.naming import standing_names
from kenpin.station.pages.rendering import render
from kenpin.station.running import NotThereError, Station
from kenpin.station.store.event_tables import last_event_us
from kenpin.station.store.sink_tables import PutAside
from kenpin.station.who.rights import Right

ROUTER = APIRouter(include_in_schema=False)
_ASIDES = 20  # of a sink, that are shown
_Text = Annotated[str, Form(max_length=2_000)]
_Number = Annotated[int, Form()]


@dataclass(frozen=True, slots=True)
class Node:
    """A process of the station."""

    name: str
    is_here: bool
    last_us: int | None
    """When it judged a part, or took a review, last."""


@dataclass(frozen=True, slots=True)
class Disk:
    """The disk of the station's folder, in bytes."""

    total: int
    free: int
    least_free: int
    """Below it the line takes no parts."""


@dataclass(frozen=True, slots=True)
class LineRow:
    """A product's line, and what computes its networks."""

    product: str
    state: LineState
    engines: Sequence[str]


@ROUTER.get("/machine")
def machine_page(request: Request) -> HTMLResponse:
    """What comes in, what goes out, and what stands still."""
    return _page(asked_page(request, Right.OPERATE))


@ROUTER.get("/machine/now")
def machine_now(request: Request) -> HTMLResponse:
    """What changes on the page of the machine."""
    asked = asked_page(request, Right.OPERATE)
    return HTMLResponse(render("machine_now", asked.language, shell=asked.shell("machine"), **_now(asked)))


@ROUTER.post("/machine/source")
def try_source(request: Request, name: _Text) -> Response:
    """Open a source at once that is away."""
    asked = asked_page(request, Right.OPERATE)
    return _done(asked, lambda operating: operating.try_source(asked.who, name))


@ROUTER.post("/machine/sink")
def steer_sink(request: Request, name: _Text, deed: _Text, position: _Number = 0, reason: _Text = "") -> Response:
    """Tell a sink at once what waits, send what it refused again, or give a message up."""
    asked = asked_page(request, Right.OPERATE)
    who = asked.who
    if deed == "try":
        return _done(asked, lambda operating: operating.try_sink(who, name))
    if deed == "again":
        return _done(asked, lambda operating: operating.send_again(who, name, position))
    if deed == "all-again":
        return _done(asked, lambda operating: operating.send_again(who, name))
    if deed == "give-up":
        return _done(asked, lambda operating: operating.give_up(who, name, position, reason))
    raise NotThereError("there is no such deed.")


def _done(asked: PageAsked, work: Callable[[Operating], None]) -> Response:
    """Do something, and show the page again; where it is refused, with the reason."""
    try:
        work(asked.station.operating)
    except OptionError as error:
        return _page(asked, f"{error}", 400)
    return RedirectResponse("/machine", 303)


def _page(asked: PageAsked, notice: str | None = None, status: int = 200) -> HTMLResponse:
    station = asked.station
    settings = station.settings
    return asked.answer(
        "machine", "machine", status, notice=notice, asides=_asides(station), disk=_disk(station),
        retention=settings.retention, nodes=_nodes(station), folder=f"{station.folder.path}", store=station.store.told,
        kenpin=version("kenpin"), python=platform.python_version(), **_now(asked),
    )  # fmt: skip


def _now(asked: PageAsked) -> dict[str, Any]:
    """What comes in, what is judged, and what goes out."""
    station = asked.station
    engines = station.engines()
    return {
        "lines": [LineRow(name, state, engines.get(name, ())) for name, state in station.state().items()],
        "sources": station.sources.states,
        "sinks": station.sinks.states,
        "standings": standing_names(asked.words),
    }


def _asides(station: Station) -> Mapping[str, Sequence[PutAside]]:
    """The first refused messages of each sink that has any."""
    found = {one.name: station.sinks.of(one.name).asides(_ASIDES) for one in station.sinks.states if one.aside}
    return {name: asides for name, asides in found.items() if asides}


def _disk(station: Station) -> Disk:
    usage = shutil.disk_usage(station.folder.path)
    return Disk(usage.total, usage.free, station.settings.limits.free_bytes)


def _nodes(station: Station) -> list[Node]:
    here = station.settings.node
    others = {one.name for one in station.folder.records.iterdir() if one.is_dir()} - {here}
    with station.store.reading() as connection:
        return [Node(name, name == here, last_event_us(connection, name)) for name in [here, *sorted(others)]]
