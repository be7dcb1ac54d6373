"""The cost of a part over time: each period by its own parts and its own sample."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from sqlalchemy import Connection

from kenpin.records import Verdict
from kenpin.station.clock import HOUR_US
from kenpin.station.reviewing.drawn import DrawnPart
from kenpin.station.reviewing.rates import PartCost, part_cost
from kenpin.station.settings import ProductSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import tallied

PERIODS = {1: (3, 8), 7: (24, 7), 30: (72, 10), 365: (24 * 30, 12)}
"""Hours of a period, and how many there are, by the days that are looked at."""


@dataclass(frozen=True, slots=True)
class PeriodCost:
    """What a part cost in a period."""

    from_us: int
    to_us: int
    parts: int
    """That passed or failed."""
    versions: tuple[int, ...]
    """That judged them."""
    cost: PartCost | None
    """None where a rate is unknown, as no part of its sample counts."""


def periods(to_us: int, hours: int, count: int) -> list[int]:
    """Ends and beginnings of so many periods of whole hours, the last of which holds a moment: (count + 1,), rising.

    >>> [one // HOUR_US for one in periods(25 * HOUR_US + 1, hours=4, count=3)]
    [14, 18, 22, 26]
    """
    end = -(-to_us // HOUR_US) * HOUR_US
    return [end - hours * HOUR_US * back for back in range(count, -1, -1)]


def costs_over_time(
    connection: Connection,
    asked: PartFilter,
    bounds_us: Sequence[int],
    drawn: Sequence[DrawnPart],
    settings: ProductSettings,
) -> list[PeriodCost]:
    """What a part cost in each period, by the settings' costs as they are now. asked: whose times are not looked at;
    bounds_us: of the periods, rising whole hours; drawn: those that were drawn of the parts, others of any time too."""
    asked = replace(asked, from_us=bounds_us[0], to_us=bounds_us[-1])
    parts: dict[tuple[int, Verdict], int] = defaultdict(int)
    versions: dict[int, set[int]] = defaultdict(set)
    for (hour, version, verdict), count in tallied(connection, asked, ("hour", "version", "verdict")).items():
        place = _place(bounds_us, hour * HOUR_US)
        parts[place, Verdict(verdict)] += count
        versions[place].add(version)
    drawn_in: dict[int, list[DrawnPart]] = defaultdict(list)
    for one in drawn:
        drawn_in[_place(bounds_us, one.judged_us)].append(one)
    found = []
    for place, (from_us, to_us) in enumerate(pairwise(bounds_us)):
        passed, failed = parts[place, Verdict.PASS], parts[place, Verdict.FAIL]
        cost = part_cost(drawn_in[place], passed, failed, settings)
        found.append(PeriodCost(from_us, to_us, passed + failed, tuple(sorted(versions[place])), cost))
    return found


def _place(bounds_us: Sequence[int], moment_us: int) -> int:
    return bisect_right(bounds_us, moment_us) - 1
