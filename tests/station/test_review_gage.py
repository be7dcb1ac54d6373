"""Gage study of people and the line: known agreement comes out, and what is no random sample does not count."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from kenpin.quality.agreement import cohen_kappa
from kenpin.records import Verdict
from kenpin.station.reviewing.drawn import DrawnPart
from kenpin.station.reviewing.gage import INSPECTOR, Said, gage_of

PASS, FAIL = Verdict.PASS, Verdict.FAIL


def _drawn(count: int, verdict: Verdict = PASS, *, first: int = 0, settled: bool = True) -> list[DrawnPart]:
    return [
        DrawnPart(f"{verdict}{number}", number / 1_000, number, verdict, 1.0, verdict if settled else None)
        for number in range(first, first + count)
    ]


def test_agreement_is_that_of_the_pairs_by_the_verdict_of_the_line() -> None:
    passed, failed = _drawn(40), _drawn(20, FAIL)
    said: dict[str, Sequence[Said]] = {}
    for number, one in enumerate([*passed, *failed]):
        ann = PASS if one.verdict is PASS else FAIL
        bo = ann if number % 10 else (FAIL if ann is PASS else PASS)  # each tenth otherwise
        said[one.key] = [("ann", ann), ("bo", bo)]
    found = gage_of([*passed, *failed], set(), said)
    assert (found.pairs, found.waiting) == ({PASS: 40, FAIL: 20}, 0)
    assert [(share.events, share.cases) for share in found.agreeing.values()] == [(36, 40), (18, 20)]
    assert found.people is not None
    ((first, second, kappa),) = found.people.pairs
    assert {first, second} == {"ann", "bo"}
    expected = cohen_kappa([[36, 4], [2, 18]])
    assert kappa.value == pytest.approx(expected.value)
    assert (kappa.low, kappa.high) == (expected.low, expected.high)
    with_line = {frozenset(pair[:2]) - {INSPECTOR}: pair[2].value for pair in found.with_line}
    assert with_line[frozenset({"ann"})] == 1
    assert with_line[frozenset({"bo"})] == pytest.approx(expected.value)


def test_parts_behind_one_that_waits_do_not_count() -> None:
    drawn = _drawn(35)
    said: dict[str, Sequence[Said]] = {one.key: [("ann", PASS), ("bo", PASS)] for one in drawn}
    said[drawn[24].key] = [("ann", PASS)]
    drawn[24] = DrawnPart("PASS24", 0.024, 24, PASS, 1.0, None)
    found = gage_of(drawn, {"PASS24"}, said)
    assert (found.pairs[PASS], found.waiting) == (20, 1)
    assert found.looks[PASS] == 35, "one look is enough to compare people and the line"
    del said[drawn[3].key]
    drawn[3] = DrawnPart("PASS3", 0.003, 3, PASS, 1.0, None)
    found = gage_of(drawn, {"PASS24", "PASS3"}, said)
    assert (found.pairs[PASS], found.waiting, found.looks[PASS]) == (0, 2, 0)
    assert found.people is found.line is None


def test_parts_that_one_person_settles_are_no_pairs_and_hold_up_none() -> None:
    drawn = _drawn(10)
    said: Mapping[str, Sequence[Said]] = {
        one.key: [("ann", PASS)] if number % 2 else [("ann", PASS), ("bo", FAIL)] for number, one in enumerate(drawn)
    }
    found = gage_of(drawn, set(), said)
    assert (found.pairs[PASS], found.looks[PASS], found.waiting) == (5, 10, 0)


def test_where_the_chance_was_raised_the_smallest_counts() -> None:
    old = [DrawnPart(f"o{n}", n / 1_000, n, PASS, 0.02, PASS) for n in range(20)]
    new = [DrawnPart(f"n{n}", n / 1_000, n, PASS, 0.10, PASS) for n in range(100)]
    drawn = sorted([*old, *new], key=lambda one: one.number)
    said: Mapping[str, Sequence[Said]] = {one.key: [("ann", PASS), ("bo", PASS)] for one in drawn}
    assert gage_of(drawn, set(), said).pairs[PASS] == 40


@pytest.mark.parametrize("haste", [0.0, 0.9])
def test_the_agreement_is_right_on_average_whatever_is_looked_at_first(haste: float) -> None:
    """Second looks at doubtful parts first, on which people agree less, must not move it."""
    draw = np.random.default_rng(5)
    shares = []
    for _ in range(300):
        doubtful = draw.random(60) < 0.3
        agree = draw.random(60) < np.where(doubtful, 0.5, 1.0)
        late = draw.random(60) < 0.15 * np.where(doubtful, 1 - haste, 1.0)
        late[: draw.integers(20, 60)] = False  # all are looked at in the end, by their numbers
        drawn, said = [], {}
        for number in range(60):
            key = f"{number}"
            drawn.append(DrawnPart(key, number / 60, number, PASS, 1.0, None if late[number] else PASS))
            if not late[number]:
                said[key] = [("ann", PASS), ("bo", PASS if agree[number] else FAIL)]
        share = gage_of(drawn, {one.key for one in drawn}, said).agreeing.get(PASS)
        if share is not None:
            shares.append(share.value)
    assert np.mean(shares) == pytest.approx(0.85, abs=0.01)
