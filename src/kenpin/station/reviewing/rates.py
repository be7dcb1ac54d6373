"""What the reviewed sample tells about the line: escapes among the parts that pass, overkills among those that fail,
and what both cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection

from kenpin.records import Verdict
from kenpin.station.reviewing.drawn import DrawnPart, rate_of
from kenpin.station.reviewing.sampling import RateEstimate
from kenpin.station.settings import ProductSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import count

_EACH = 0.975
"""Confidence of each rate's interval, so that both hold together with 95 % (Bonferroni)."""


@dataclass(frozen=True, slots=True)
class PartCost:
    """Expected cost of a part that passed or failed."""

    value: float
    low: float
    """Two-sided, 95 %; exact bounds of both rates that hold together."""
    high: float


@dataclass(frozen=True, slots=True)
class LineRates:
    """How often the line errs, by a random sample that people reviewed."""

    escapes: RateEstimate
    """Defective parts among those that passed."""
    overkills: RateEstimate
    """Good parts among those that failed."""
    cost_of_part: PartCost | None
    """None where either rate is unknown."""


def line_rates(
    connection: Connection, asked: PartFilter, drawn: Sequence[DrawnPart], settings: ProductSettings
) -> LineRates:
    """The rates of the parts that are asked for, of any verdict. drawn: those that were drawn of them."""
    passed, failed = (count(connection, replace(asked, verdict=one)).parts for one in (Verdict.PASS, Verdict.FAIL))
    return LineRates(
        rate_of(drawn, passed, Verdict.PASS, wrong=Verdict.FAIL),
        rate_of(drawn, failed, Verdict.FAIL, wrong=Verdict.PASS),
        part_cost(drawn, passed, failed, settings),
    )


def part_cost(drawn: Sequence[DrawnPart], passed: int, failed: int, settings: ProductSettings) -> PartCost | None:
    """What a part costs, of so many that passed and failed, by the settings' costs; None where a rate is unknown."""
    value = low = high = 0.0
    for parts, verdict, wrong, price in (
        (passed, Verdict.PASS, Verdict.FAIL, settings.escape_cost),
        (failed, Verdict.FAIL, Verdict.PASS, settings.overkill_cost),
    ):
        if not parts:
            continue
        rate = rate_of(drawn, parts, verdict, wrong, _EACH)
        if rate.rate is None or rate.low is None or rate.high is None:
            return None
        value += price * rate.rate * parts
        low += price * rate.low
        high += price * rate.high
    total = passed + failed
    return PartCost(value / total, low / total, high / total) if total else None
