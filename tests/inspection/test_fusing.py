"""Fusing: the worst verdict wins where no rule holds, and rules mean what their words say."""

from __future__ import annotations

from itertools import permutations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import OptionError
from kenpin.inspection.fusing import SEVERITY, fuse, parse_rule
from kenpin.records import Judgement, Verdict

NAMES = ["classifier", "distance", "boxes"]
verdicts = st.sampled_from([*Verdict])
terms = st.tuples(st.sampled_from(NAMES), st.booleans(), verdicts)
rules = st.tuples(verdicts, st.lists(st.lists(terms, min_size=1, max_size=3), min_size=1, max_size=3))


def _judged(*chosen: Verdict) -> dict[str, Judgement]:
    return {name: Judgement("a", one, 0.5, (f"It is {one}.",)) for name, one in zip(NAMES, chosen, strict=False)}


def _text(verdict: Verdict, alternatives: list[list[tuple[str, bool, Verdict]]]) -> str:
    words = [" and ".join(f"{run} {'not ' * negated}{one}" for run, negated, one in one) for one in alternatives]
    return f"{verdict} if {' or '.join(words)}"


@given(st.lists(verdicts, min_size=1, max_size=3))
def test_without_rules_the_worst_verdict_wins_whatever_the_order(chosen: list[Verdict]) -> None:
    worst = max(chosen, key=SEVERITY.__getitem__)
    assert {fuse(_judged(*one), ())[0] for one in permutations(chosen)} == {worst}


@given(st.lists(verdicts, min_size=2, max_size=3), st.integers(0, 1), verdicts)
def test_a_run_that_judges_worse_never_makes_the_part_better(chosen: list[Verdict], place: int, other: Verdict) -> None:
    changed = [*chosen]
    changed[place] = other
    before, after = (SEVERITY[fuse(_judged(*one), ())[0]] for one in (chosen, changed))
    assert (after >= before) or SEVERITY[other] < SEVERITY[chosen[place]]


@given(rules)
def test_a_rule_holds_when_its_words_do_in_python(rule: tuple[Verdict, list[list[tuple[str, bool, Verdict]]]]) -> None:
    text = _text(*rule)
    for chosen in product(Verdict, repeat=3):
        said = _judged(*chosen)
        in_python = [
            " and ".join(f"{said[run].verdict.value!r} {'!=' if no else '=='} {one.value!r}" for run, no, one in terms)
            for terms in rule[1]
        ]
        holds = eval(" or ".join(in_python))
        expected = rule[0] if holds else max(chosen, key=SEVERITY.__getitem__)
        assert fuse(said, [parse_rule(text)])[0] is expected


def test_the_first_rule_that_holds_decides_and_is_named_first() -> None:
    said = _judged(Verdict.PASS, Verdict.FAIL)
    found = [parse_rule(text) for text in ("PASS if distance PASS", "REVIEW if distance FAIL", "FAIL if distance FAIL")]
    verdict, reasons, rule = fuse(said, found)
    assert rule == "REVIEW if distance FAIL"
    assert verdict is Verdict.REVIEW
    assert reasons == ("By the rule REVIEW if distance FAIL.", "distance: It is FAIL.", "classifier: It is PASS.")


def test_the_reason_of_the_worst_run_comes_first() -> None:
    assert fuse(_judged(Verdict.PASS, Verdict.REVIEW, Verdict.FAIL), ())[1][0] == "boxes: It is FAIL."


def test_a_part_that_nothing_decides_about_is_never_passed() -> None:
    assert fuse({}, [parse_rule("PASS if distance PASS")])[0] is Verdict.REVIEW


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("FAIL", "does not begin with"),
        ("fail if distance FAIL", "does not begin with"),
        ("FAIL if", "does not begin with"),
        ("FAIL if distance", "'distance' is not a run"),
        ("FAIL if distance FAIL and", "'distance FAIL and' is not a run"),
        ("FAIL if distance is FAIL", "'distance is FAIL' is not a run"),
        ("FAIL if distance FAIL or not PASS", "'not PASS'"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_words(text: str, place: str) -> None:
    with pytest.raises(OptionError, match=place):
        parse_rule(text)
