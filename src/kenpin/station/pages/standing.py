"""What the page of the line shows above its last part: what stands still, the alarm that runs, and its chart."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kenpin.station.monitoring.reading import key_of_number
from kenpin.station.monitoring.watching import Watched
from kenpin.station.pages.asking import PageAsked
from kenpin.station.pages.told_charts import ToldAlarm, ToldChart, small_chart, told_alarm
from kenpin.station.pages.told_standstills import ToldStandstill, nothing_set_up, told_standstill
from kenpin.station.standstills import standstills


@dataclass(frozen=True, slots=True)
class StandingView:
    """What stands still, and the alarm that began first of those that run."""

    standstills: Sequence[ToldStandstill]
    alarm: ToldAlarm | None
    further: int
    """Further alarms that run."""

    @property
    def digest(self) -> str:
        """Of all that is told."""
        alarm = self.alarm
        told = None if alarm is None else (alarm.what, alarm.since_us, alarm.key)  # not for how many parts
        return _digest((*self.standstills, told, self.further))


@dataclass(frozen=True, slots=True)
class ControlView:
    """The chart, and what it is worth."""

    watched: Watched | None
    chart: ToldChart | None

    @property
    def digest(self) -> str:
        """Of all that is shown."""
        watched = self.watched
        told = None if watched is None else (watched.version, watched.lack, watched.parts)
        return _digest((told, self.chart))


def standing_view(asked: PageAsked) -> StandingView:
    """What stands still of the product that is asked for, and its alarm. Raises StoreError."""
    station, words, product = asked.station, asked.words, asked.product
    if not product:
        return StandingView([nothing_set_up(words)], None, 0)
    settings = station.products.get(product)
    title = (settings and settings.title) or product
    watched = station.watching.of(product)
    alarm, further = None, 0
    if watched is not None and watched.alarm is not None and watched.alarm.began is not None:
        with station.store.reading() as connection:
            key = key_of_number(connection, watched.alarm.began.first_seq)
        alarm = told_alarm(words, watched.alarm, key)
        further = sum(one.began is not None for one in watched.charts) - 1
    still = [told_standstill(words, one, title, product) for one in standstills(station, product)]
    return StandingView(still, alarm, further)


def control_view(asked: PageAsked) -> ControlView:
    """The chart of the product that is asked for. Raises StoreError."""
    watched = asked.station.watching.of(asked.product)
    return ControlView(watched, None if watched is None else small_chart(asked.words, watched))


def _digest(told: object) -> str:
    return hashlib.blake2b(repr(told).encode("utf-8", "backslashreplace"), digest_size=8).hexdigest()
