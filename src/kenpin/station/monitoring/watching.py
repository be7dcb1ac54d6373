"""Watching the lines: their charts follow the store, each part read once, and tell what they show at any moment."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from typing import Literal

from sqlalchemy import Connection

from kenpin.station.monitoring.charts import KEPT_PARTS, ControlChart, LineCharts
from kenpin.station.monitoring.reading import (
    PartValues,
    added_parts,
    last_number,
    last_parts,
    parts_between,
    stretch_of,
)
from kenpin.station.monitoring.references import MOST_PARTS, ChosenStretch, Tenure, tenures
from kenpin.station.monitoring.stretches import (
    LEAST_PARTS,
    LineReference,
    Stretch,
    level_beginning,
    reference_of,
    searched,
)
from kenpin.station.settings import ProductSettings
from kenpin.station.store.opening import Store

_AT_ONCE = 5_000  # parts that are read at a time

Lack = Literal["short", "wanders"]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the charts of a product's line show."""

    product: str
    version: int
    """The one that judges."""
    began_us: int
    """Since when it does."""
    chosen: ChosenStretch | None
    """What a person chose for the reference; None: the beginning of the version."""
    reference: LineReference | None
    lack: Lack | None
    """Why there is no reference: too few parts yet, or a beginning that does not vary about one level."""
    parts: int
    """Parts that the reference is made of, or that there are for one."""
    wanted_parts: int
    """Parts that a reference takes."""
    false_alarm_parts: int
    """Parts between two false alarms of all charts together, on average."""
    charts: tuple[ControlChart, ...]
    alarm: ControlChart | None
    """The chart whose alarm began first, of those that run."""


@dataclass(slots=True)
class _Followed:
    """A product's line as it is followed."""

    tenure: Tenure
    settings: ProductSettings
    beginning: Stretch
    """Where there is no reference yet: the parts that it may be made of."""
    tried: int = -1
    """Stretches of the beginning that were tried."""
    charts: LineCharts | None = None


@dataclass(slots=True)
class _State:
    """All that is followed, up to the part of a number."""

    mark: int | None = None
    lines: dict[str, _Followed] = field(default_factory=dict)


class Watching:
    """The charts of all lines of a store; for any thread."""

    def __init__(self, store: Store, settings_of: Callable[[str], ProductSettings]) -> None:
        self._store, self._settings_of = store, settings_of
        self._state = _State()
        self._following = Lock()
        self._shown: Mapping[str, Watched] = {}

    @property
    def shown(self) -> Mapping[str, Watched]:
        """What they showed when the store was read last, by product."""
        return self._shown

    def of(self, product: str) -> Watched | None:
        """What they show of a product; None where no version judges. Raises StoreError."""
        self.catch_up()
        return self._shown.get(product)

    def catch_up(self) -> None:
        """Read what the store took up since. Raises StoreError."""
        with self._following, self._store.reading() as connection:
            self._follow_tenures(connection)
            self._follow_parts(connection)
            self._shown = {product: _watched(product, one) for product, one in self._state.lines.items()}

    def _follow_tenures(self, connection: Connection) -> None:
        """Begin anew where another version judges, or another reference was chosen."""
        if self._state.mark is None:
            self._state.mark = last_number(connection)
        running = tenures(connection)
        lines = self._state.lines
        for product in [*lines.keys() - running.keys()]:
            del lines[product]
        for product, tenure in running.items():
            if product not in lines or lines[product].tenure != tenure:
                settings = self._settings_of(product)
                lines[product] = _begun(connection, product, tenure, settings, self._state.mark)

    def _follow_parts(self, connection: Connection) -> None:
        assert self._state.mark is not None
        while rows := added_parts(connection, self._state.mark, most=_AT_ONCE):
            for product, line in self._state.lines.items():
                own = [row for row in rows if row.product == product and row.version == line.tenure.version]
                _add(line, own)
            self._state.mark = rows[-1].seq


def _begun(
    connection: Connection, product: str, tenure: Tenure, settings: ProductSettings, up_to_seq: int
) -> _Followed:
    """A line with the parts that the store has up to a number."""
    chosen, version = tenure.chosen, tenure.version
    from_us, to_us = (tenure.began_us, None) if chosen is None else (chosen.from_us, chosen.to_us)
    most = searched(settings.reference_parts) if chosen is None else MOST_PARTS
    line = _Followed(
        tenure, settings, parts_between(connection, product, version, from_us, to_us, up_to_seq, most=most)
    )
    reference = _reference(line)
    if reference is not None:
        behind = last_parts(
            connection, product, version, reference.first_us, reference.last_seq, up_to_seq, most=KEPT_PARTS
        )
        line.charts = LineCharts(reference, settings.false_alarm_parts, is_whole=len(behind) < KEPT_PARTS)
        line.charts.add(behind)
        line.beginning = line.beginning[:0]
    return line


def _add(line: _Followed, rows: Sequence[PartValues]) -> None:
    if not rows:
        return
    parts = stretch_of(rows)
    if line.charts is not None:
        line.charts.add(parts)
        return
    if line.tenure.chosen is not None:  # its parts are in the past
        return
    room = searched(line.settings.reference_parts) - len(line.beginning)
    line.beginning += parts[:room]
    reference = _reference(line)
    if reference is not None:
        line.charts = LineCharts(reference, line.settings.false_alarm_parts)
        for some in (line.beginning, parts[max(room, 0) :]):
            line.charts.add(some[int((some.seq <= reference.last_seq).sum()) :])
        line.beginning = line.beginning[:0]


def _reference(line: _Followed) -> LineReference | None:
    """The reference, where there is one now that was not there before."""
    if line.tenure.chosen is not None:
        return reference_of(line.beginning) if len(line.beginning) >= LEAST_PARTS else None
    wanted = line.settings.reference_parts
    complete = (len(line.beginning) - wanted) // (wanted // 2)
    if complete <= line.tried:
        return None
    line.tried = complete
    return level_beginning(line.beginning, wanted)


def _watched(product: str, line: _Followed) -> Watched:
    tenure, charts = line.tenure, line.charts
    reference = None if charts is None else charts.reference
    wanted = line.settings.reference_parts if tenure.chosen is None else LEAST_PARTS
    parts = len(line.beginning) if reference is None else reference.parts
    lack: Lack | None = None
    if reference is None:
        lack = "short" if parts < wanted else "wanders"
    return Watched(
        product=product,
        version=tenure.version,
        began_us=tenure.began_us,
        chosen=tenure.chosen,
        reference=reference,
        lack=lack,
        parts=parts,
        wanted_parts=wanted,
        false_alarm_parts=line.settings.false_alarm_parts,
        charts=() if charts is None else charts.charts,
        alarm=None if charts is None else charts.alarm,
    )
