"""What stands still on a line, and why: versions, the line itself, its sources and its sinks, the gravest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from statistics import median

from sqlalchemy import Connection, func, select

from kenpin.station.clock import MINUTE_US, SECOND_US, now_us
from kenpin.station.intake.product_line import LineState
from kenpin.station.running import NotLoaded, Station
from kenpin.station.sinks.delivery import SinkState
from kenpin.station.sources.running import SourceState
from kenpin.station.store.part_tables import LOTS, PARTS
from kenpin.station.versions.deciding import VersionState, versions_of

_ARRIVALS = 50
"""Parts by whose distances in time a silence is told."""
_FEWEST_ARRIVALS = 20
_SILENCE = 20.0  # usual distances between two parts
_LATE_US = MINUTE_US
"""Time for which a part may be late, or a sink behind."""
_FAR_BEHIND = 1_000  # events
_STUCK_US = 10 * SECOND_US
"""Time after the last part of a source from which parts that wait are told."""


class Cause(StrEnum):
    """Why something stands still, the gravest first."""

    DISK_FULL = "disk-full"
    CANNOT_RECORD = "cannot-record"
    NO_VERSION = "no-version"
    VERSION_WAITS = "version-waits"
    NOT_LOADED = "not-loaded"
    SOURCE_AWAY = "source-away"
    SOURCE_WAITS = "source-waits"
    SILENT = "silent"
    SINK_AWAY = "sink-away"
    SINK_REFUSES = "sink-refuses"
    SINK_BEHIND = "sink-behind"
    MESSAGES_ASIDE = "messages-aside"


@dataclass(frozen=True, slots=True)
class Standstill:
    """Something that stands still."""

    cause: Cause
    name: str
    """Of the product, the source or the sink."""
    since_us: int | None
    """Since when, in microseconds since 1970; None where it is not known."""
    count: int | None
    """Number of the version, events that wait, or messages that are put aside; None where it is about none."""
    detail: str | None
    """What the station said of it, in English; None where there is nothing to add."""


def standstills(station: Station, product: str) -> list[Standstill]:
    """What stands still on a product's line, and of the station's sources and sinks. Raises StoreError."""
    with station.store.reading() as connection:
        arrivals = last_arrivals(connection, product)
        waiting = [one.version for one in versions_of(connection, product) if one.state is VersionState.WAITING]
    return found(
        product,
        station.state().get(product),
        station.not_loaded.get(product),
        waiting,
        arrivals,
        station.sources.states,
        station.sinks.states,
        now_us(),
    )


def hindered(sources: Sequence[SourceState], sinks: Sequence[SinkState], now: int) -> int:
    """How many of the sources and sinks `found` tells of, each once."""
    return len(_of_sources(sources, now)) + sum(bool(_of_sink(sink, now)) for sink in sinks)


def last_arrivals(connection: Connection, product: str) -> Sequence[int]:
    """When the last parts of a product were judged, the newest first."""
    # the lots tell where to begin: of a product that was stopped long ago, all parts of others would be looked at
    last_us = connection.execute(select(func.max(LOTS.c.last_us)).where(LOTS.c.product == product)).scalar_one()
    if last_us is None:
        return []
    newest = select(PARTS.c.judged_us).where(PARTS.c.product == product, PARTS.c.judged_us <= last_us)
    newest = newest.order_by(PARTS.c.judged_us.desc(), PARTS.c.seq.desc()).limit(_ARRIVALS)
    return connection.execute(newest).scalars().all()


def found(
    product: str,
    line: LineState | None,
    not_loaded: NotLoaded | None,
    waiting_versions: Sequence[int],
    arrivals_us: Sequence[int],
    sources: Sequence[SourceState],
    sinks: Sequence[SinkState],
    now: int,
) -> list[Standstill]:
    """What stands still, the gravest first. line: None where no version judges; arrivals_us: when the last parts were
    judged, the newest first; now: in microseconds since 1970."""
    of_line = _of_line(product, line, not_loaded, waiting_versions)
    of_sources, of_sinks = _of_sources(sources, now), [one for sink in sinks for one in _of_sink(sink, now)]
    silence = None if line is None or of_line or of_sources else _silence(product, arrivals_us, now)
    every = [*of_line, *of_sources, *([] if silence is None else [silence]), *of_sinks]
    return sorted(every, key=lambda one: [*Cause].index(one.cause))


def _of_line(
    product: str, line: LineState | None, not_loaded: NotLoaded | None, waiting_versions: Sequence[int]
) -> list[Standstill]:
    if line is None:
        if not_loaded is not None:
            return [Standstill(Cause.NOT_LOADED, product, not_loaded.at_us, not_loaded.version, not_loaded.why)]
        if waiting_versions:
            return [Standstill(Cause.VERSION_WAITS, product, None, max(waiting_versions), None)]
        return [Standstill(Cause.NO_VERSION, product, None, None, None)]
    told = []
    if line.hindrance is not None:
        cause = Cause.DISK_FULL if line.cause == "disk" else Cause.CANNOT_RECORD
        told.append(Standstill(cause, product, line.last_us, None, line.hindrance))
    if not_loaded is not None and not_loaded.version != line.version:
        told.append(Standstill(Cause.NOT_LOADED, product, not_loaded.at_us, not_loaded.version, not_loaded.why))
    return told


def _of_sources(sources: Sequence[SourceState], now: int) -> list[Standstill]:
    return [one for source in sources if (one := _of_source(source, now)) is not None]


def _of_source(source: SourceState, now: int) -> Standstill | None:
    if source.standing == "away":
        return Standstill(Cause.SOURCE_AWAY, source.name, source.since_us, None, source.last_error)
    last_us = source.parts.last_us
    # a full line makes parts wait for a moment, and takes the next one
    if source.standing == "waits" and (last_us is None or now - last_us > _STUCK_US):
        return Standstill(Cause.SOURCE_WAITS, source.name, source.parts.hindered_us, None, source.parts.hindrance)
    return None


def _of_sink(sink: SinkState, now: int) -> list[Standstill]:
    told = []
    if sink.standing == "away":
        told.append(Standstill(Cause.SINK_AWAY, sink.name, sink.since_us, sink.waiting, sink.last_error))
    elif sink.standing == "refuses":
        told.append(Standstill(Cause.SINK_REFUSES, sink.name, sink.since_us, sink.waiting, sink.last_error))
    elif sink.standing == "up" and sink.waiting:
        is_late = sink.oldest_us is not None and now - sink.oldest_us > _LATE_US
        if is_late or sink.waiting >= _FAR_BEHIND:
            told.append(Standstill(Cause.SINK_BEHIND, sink.name, sink.oldest_us, sink.waiting, None))
    if sink.aside:
        told.append(Standstill(Cause.MESSAGES_ASIDE, sink.name, None, sink.aside, sink.last_error))
    return told


def _silence(product: str, arrivals_us: Sequence[int], now: int) -> Standstill | None:
    """No part for much longer than usual, where enough came to know what is usual."""
    if len(arrivals_us) < _FEWEST_ARRIVALS:
        return None
    apart = [newer - older for newer, older in pairwise(arrivals_us)]
    if now - arrivals_us[0] <= max(_LATE_US, _SILENCE * median(apart)):
        return None
    return Standstill(Cause.SILENT, product, arrivals_us[0], None, None)
