"""Which parts are asked for, as conditions on rows of parts and of tallies."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, FromClause

from kenpin.errors import OptionError
from kenpin.records import Verdict
from kenpin.station.store.part_tables import NONE, PARTS, REVIEWERS, TALLIES

_LARGEST = {"version": 2**31 - 1, "from_us": 2**62, "to_us": 2**62, "score_from": inf, "score_to": inf}


@dataclass(frozen=True, slots=True)
class PartFilter:
    """Which parts; None: any."""

    product: str | None = None
    version: int | None = None
    lot: str | None = None
    """Empty: parts without a lot."""
    from_us: int | None = None
    """Judged then or later, in microseconds since 1970."""
    to_us: int | None = None
    """Judged before that."""
    verdict: Verdict | None = None
    label: str | None = None
    """Of the runs; empty: parts without a label."""
    score_from: float | None = None
    score_to: float | None = None
    id: str | None = None
    settled: Verdict | None = None
    """What people settled."""
    is_settled: bool | None = None
    reviewer: str | None = None
    """Who reviewed it."""

    def __post_init__(self) -> None:
        """Raises OptionError for a number that no part can have."""
        for name, most in _LARGEST.items():
            value = getattr(self, name)
            if value is not None and not -most <= value <= most:
                raise OptionError(f"filter: {name} is {value}, which no part has; leave it out.")


@dataclass(frozen=True, slots=True)
class AskedParts:
    """A filter as SQL."""

    source: FromClause
    """Whose rows are parts, and perhaps more."""
    counted: FromClause
    """Has as many rows, perhaps without the parts."""
    where: tuple[ColumnElement[bool], ...]
    judged_us: ColumnElement[int]
    """By this and `seq` the rows are in order."""
    seq: ColumnElement[int]


def asked_parts(asked: PartFilter) -> AskedParts:
    """The filter on parts. Those of a reviewer are found by the reviewer, in the same order."""
    of_parts = [
        *_same(PARTS.c.version, asked.version),
        *_same_or_null(PARTS.c.lot, asked.lot),
        *_same(PARTS.c.verdict, asked.verdict),
        *_same_or_null(PARTS.c.label, asked.label),
        *_same(PARTS.c.id, asked.id),
        *_same(PARTS.c.settled_verdict, asked.settled),
    ]
    if asked.is_settled is not None:
        is_null = PARTS.c.settled_verdict.is_(None)
        of_parts.append(~is_null if asked.is_settled else is_null)
    if asked.score_from is not None:
        of_parts.append(PARTS.c.score >= asked.score_from)
    if asked.score_to is not None:
        of_parts.append(PARTS.c.score <= asked.score_to)
    table = PARTS if asked.reviewer is None else REVIEWERS
    judged_us, seq = table.c.judged_us, table.c.seq
    where = [*_same(table.c.product, asked.product), *between(judged_us, asked.from_us, asked.to_us), *of_parts]
    if asked.reviewer is None:
        return AskedParts(PARTS, PARTS, tuple(where), judged_us, seq)
    where.append(REVIEWERS.c.who == asked.reviewer)
    both = REVIEWERS.join(PARTS, REVIEWERS.c.seq == PARTS.c.seq)
    return AskedParts(both, both if of_parts else REVIEWERS, tuple(where), judged_us, seq)


def asked_tallies(asked: PartFilter) -> list[ColumnElement[bool]] | None:
    """The filter on tallies, whatever its times; None where tallies do not tell."""
    if any(one is not None for one in (asked.score_from, asked.score_to, asked.id, asked.reviewer)):
        return None
    where = [
        *_same(TALLIES.c.product, asked.product),
        *_same(TALLIES.c.version, asked.version),
        *_same(TALLIES.c.lot, asked.lot),
        *_same(TALLIES.c.verdict, asked.verdict),
        *_same(TALLIES.c.label, asked.label),
        *_same(TALLIES.c.settled_verdict, asked.settled),
    ]
    if asked.is_settled is not None:
        is_none = TALLIES.c.settled_verdict == NONE
        where.append(~is_none if asked.is_settled else is_none)
    return where


def between(column: ColumnElement[int], first: int | None, end: int | None) -> list[ColumnElement[bool]]:
    """Whether a whole number is at least the first and below the end; None: without bound."""
    return [*([] if first is None else [column >= first]), *([] if end is None else [column < end])]


def _same(column: ColumnElement[Any], value: object) -> list[ColumnElement[bool]]:
    return [] if value is None else [column == value]


def _same_or_null(column: ColumnElement[Any], value: str | None) -> list[ColumnElement[bool]]:
    return [column.is_(None)] if value == NONE else _same(column, value)
