"""The parts that were drawn for review, as rates, costs and gage studies count them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter

from sqlalchemy import Connection, select

from kenpin.records import Verdict
from kenpin.station.reviewing.sampling import RateEstimate, SampledPart, estimate, number_of
from kenpin.station.store.filtering import PartFilter, asked_parts
from kenpin.station.store.part_tables import PARTS

VERDICTS = {verdict.value: verdict for verdict in Verdict}
"""Verdicts by their names: looked up, as thousands are read at a time."""


@dataclass(frozen=True, slots=True)
class DrawnPart:
    """A part that was drawn for review."""

    key: str
    number: float
    """By which it was drawn, as of `number_of`."""
    judged_us: int
    verdict: Verdict
    """Of the line."""
    chance: float
    """With which a part of its verdict was drawn then."""
    settled: Verdict | None
    """By people."""


def drawn_parts(connection: Connection, asked: PartFilter, secret: bytes) -> list[DrawnPart]:
    """Those of the parts that are asked for, by rising number. secret: by which they were drawn."""
    sql = asked_parts(asked)
    columns = (PARTS.c[name] for name in ("key", "judged_us", "verdict", "sampled", "settled_verdict"))
    rows = connection.execute(select(*columns).select_from(sql.source).where(*sql.where, PARTS.c.sampled.is_not(None)))
    found = [
        DrawnPart(key, number_of(secret, key), judged_us, VERDICTS[verdict], sampled, VERDICTS.get(settled))
        for key, judged_us, verdict, sampled, settled in rows
    ]
    return sorted(found, key=attrgetter("number"))


def evenly_drawn(drawn: Sequence[DrawnPart], verdict: Verdict) -> list[DrawnPart]:
    """Those of a verdict that were drawn with one chance: where it was changed in the meantime, with the smallest."""
    of_verdict = [one for one in drawn if one.verdict is verdict]
    chance = min((one.chance for one in of_verdict), default=0.0)
    return [one for one in of_verdict if one.number < chance]


def rate_of(
    drawn: Sequence[DrawnPart], parts: int, verdict: Verdict, wrong: Verdict, confidence: float = 0.95
) -> RateEstimate:
    """How many of so many parts of a verdict people would settle as `wrong`."""
    sample = [
        SampledPart(one.number, None if one.settled is None else one.settled is wrong)
        for one in evenly_drawn(drawn, verdict)
    ]
    return estimate(parts, 1.0, sample, confidence)
