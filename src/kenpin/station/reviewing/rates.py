"""What the reviewed sample tells about the line: escapes among the parts that pass, overkills among those that fail."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqlalchemy import Connection, select

from kenpin.records import Verdict
from kenpin.station.reviewing.sampling import RateEstimate, SampledPart, estimate, number_of
from kenpin.station.settings import ProductSettings
from kenpin.station.store.filtering import PartFilter, asked_parts
from kenpin.station.store.part_tables import PARTS
from kenpin.station.store.queries import count


@dataclass(frozen=True, slots=True)
class LineRates:
    """How often the line errs, by a random sample that people reviewed."""

    escapes: RateEstimate
    """Defective parts among those that passed."""
    overkills: RateEstimate
    """Good parts among those that failed."""
    cost_of_part: float | None
    """Expected cost of a part that passed or failed; None where either rate is unknown."""


def line_rates(connection: Connection, asked: PartFilter, secret: bytes, settings: ProductSettings) -> LineRates:
    """The rates of the parts that are asked for, of any verdict. secret: by which the sample was drawn."""
    escapes = _rate(connection, replace(asked, verdict=Verdict.PASS), secret, wrong=Verdict.FAIL)
    overkills = _rate(connection, replace(asked, verdict=Verdict.FAIL), secret, wrong=Verdict.PASS)
    return LineRates(escapes, overkills, _cost(escapes, overkills, settings))


def _rate(connection: Connection, asked: PartFilter, secret: bytes, wrong: Verdict) -> RateEstimate:
    """How many parts of one verdict people would settle as the other."""
    parts = count(connection, asked).parts
    sql = asked_parts(asked)
    wanted = select(PARTS.c.key, PARTS.c.sampled, PARTS.c.settled_verdict).select_from(sql.source)
    rows = connection.execute(wanted.where(*sql.where, PARTS.c.sampled.is_not(None))).all()
    sample = [
        SampledPart(number_of(secret, key), None if settled is None else settled == wrong.value)
        for key, _, settled in rows
    ]
    # where the chance was changed in the meantime, all were drawn with the smallest one at least
    return estimate(parts, min((row.sampled for row in rows), default=0.0), sample)


def _cost(escapes: RateEstimate, overkills: RateEstimate, settings: ProductSettings) -> float | None:
    parts = escapes.parts + overkills.parts
    if not parts:
        return None
    cost = 0.0
    for rate, price in ((escapes, settings.escape_cost), (overkills, settings.overkill_cost)):
        if rate.parts:
            if rate.rate is None:
                return None
            cost += rate.rate * rate.parts * price
    return cost / parts
