"""Every kind of contradiction is found, and nothing is marked in a description that the evidence holds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from kenpin.description.contradictions import Kind, find_contradictions, named_classes, named_places
from kenpin.description.evidence import Evidence
from kenpin.description.places import Place
from kenpin.records import Verdict
from tests.description.made import CLASSES, GOOD, SAYS_GOOD, SAYS_SCRATCH, SCRATCHED

REVIEWED = replace(SCRATCHED, verdict=Verdict.REVIEW)


def kinds(evidence: Evidence, said: Any, **changes: str) -> set[Kind]:
    return {one.kind for one in find_contradictions(replace(said, **changes), evidence)}


CASES = [
    (Kind.DEFECT_ON_PASS, GOOD, SAYS_GOOD, {"finding": "unknown"}),
    (Kind.SEVERITY_ON_PASS, GOOD, SAYS_GOOD, {"severity": "minor"}),
    (Kind.REPAIR_ON_PASS, GOOD, SAYS_GOOD, {"suggested_repair": "Polish it."}),
    (Kind.NONE_ON_FAIL, SCRATCHED, SAYS_GOOD, {"severity": "major"}),
    (Kind.NO_SEVERITY_ON_FAIL, SCRATCHED, SAYS_SCRATCH, {"severity": "none"}),
    (Kind.SEVERITY_AND_FINDING, REVIEWED, SAYS_SCRATCH, {"severity": "none"}),
    (Kind.SEVERITY_AND_FINDING, REVIEWED, SAYS_GOOD, {"severity": "critical"}),
    (Kind.PLACE_WITHOUT_FINDING, GOOD, SAYS_GOOD, {"place": "centre"}),
    (Kind.UNSUPPORTED_CLASS, SCRATCHED, SAYS_SCRATCH, {"finding": "bridge"}),
    (Kind.UNSUPPORTED_PLACE, SCRATCHED, SAYS_SCRATCH, {"place": "lower right", "appearance": ""}),
    (Kind.TEXT_NAMES_CLASS, GOOD, SAYS_GOOD, {"appearance": "A deep scratch."}),
    (Kind.TEXT_NAMES_CLASS, SCRATCHED, SAYS_SCRATCH, {"suggested_cause": "ブラシの傷が原因"}),
    (Kind.TEXT_NAMES_PLACE, SCRATCHED, SAYS_SCRATCH, {"appearance": "A line at the bottom-right."}),
    (Kind.TEXT_NAMES_PLACE, SCRATCHED, SAYS_SCRATCH, {"appearance": "右下に線がある"}),
    (Kind.TEXT_DENIES_DEFECT, SCRATCHED, SAYS_SCRATCH, {"appearance": "There is no visible damage."}),
    (Kind.TEXT_DENIES_DEFECT, SCRATCHED, SAYS_SCRATCH, {"appearance": "異常なし"}),
]


@pytest.mark.parametrize(("kind", "evidence", "said", "changes"), CASES)
def test_each_kind_is_found_alone(kind: Kind, evidence: Evidence, said: Any, changes: dict[str, str]) -> None:
    assert kinds(evidence, said) <= {Kind.NONE_ON_FAIL, Kind.NO_SEVERITY_ON_FAIL}, "the change must make the difference"
    found = find_contradictions(replace(said, **changes), evidence)
    assert {one.kind for one in found} == {kind}
    assert all(one.sentence.endswith(".") and "\n" not in one.sentence for one in found)


def test_what_is_marked_once_is_not_marked_again_in_a_text() -> None:
    again = {"place": "lower right", "appearance": "A bridge at the lower right.", "finding": "bridge"}
    assert kinds(SCRATCHED, SAYS_SCRATCH, **again) == {Kind.UNSUPPORTED_PLACE, Kind.UNSUPPORTED_CLASS}


def test_every_kind_has_its_case() -> None:
    assert {case[0] for case in CASES} == set(Kind)


def test_the_sentence_says_what_stands_against_what() -> None:
    (found,) = find_contradictions(replace(SAYS_SCRATCH, place="lower right", appearance=""), SCRATCHED)
    assert found.sentence == "The place is lower right, and it was found at upper left, upper middle, centre."
    (found,) = find_contradictions(replace(SAYS_SCRATCH, suggested_cause="a dent, from a bridge"), SCRATCHED)
    assert found.sentence == "The suggested cause names bridge, and no run and no similar case supports it."


CONSISTENT = [
    (SCRATCHED, SAYS_SCRATCH, {}),
    (GOOD, SAYS_GOOD, {}),
    (GOOD, SAYS_GOOD, {"appearance": "A clean part, no scratch, dent or bridge.", "suggested_repair": "None."}),
    (GOOD, SAYS_GOOD, {"appearance": "キズも傷もなし", "suggested_repair": "不要"}),
    (GOOD, SAYS_GOOD, {"appearance": "The logo at the lower right is sharp.", "suggested_repair": "No repair needed."}),
    (GOOD, SAYS_GOOD, {"appearance": "傷なし。", "suggested_repair": "修理は不要です"}),
    (SCRATCHED, SAYS_SCRATCH, {"finding": "unknown"}),
    (SCRATCHED, SAYS_SCRATCH, {"finding": "dent", "place": "none"}),
    (SCRATCHED, SAYS_SCRATCH, {"finding": "キズ", "place": "upper middle", "appearance": "左上にキズがある"}),
    (SCRATCHED, SAYS_SCRATCH, {"appearance": "Scratches in the centre, no bridges."}),
    (SCRATCHED, SAYS_SCRATCH, {"appearance": "A solder bridge, and no other defects."}),
    (SCRATCHED, SAYS_SCRATCH, {"suggested_cause": "No fault of the material; the centre punch at work."}),
    (SCRATCHED, SAYS_SCRATCH, {"appearance": "It cannot be a bridge."}),
    (REVIEWED, SAYS_SCRATCH, {}),
    (REVIEWED, SAYS_GOOD, {}),
    (Evidence(), SAYS_GOOD, {}),
]


@pytest.mark.parametrize(("evidence", "said", "changes"), CONSISTENT)
def test_nothing_is_marked_where_the_evidence_holds(evidence: Evidence, said: Any, changes: dict[str, str]) -> None:
    assert find_contradictions(replace(said, **changes), evidence) == ()


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("A Scratch!", ["scratch"]),
        ("scratches, SCRATCHED lines", ["scratch"]),
        ("scratched", []),
        ("scratchy, unscratch", []),
        ("solder_bridge and Solder  Bridges", ["solder-bridge"]),
        ("a bridge beside a solder bridge", ["solder-bridge", "bridge"]),
        ("indent, dental, dents", ["dent"]),
        ("表面にキズが多い", ["キズ"]),
        ("打ち傷あり", ["傷"]),
        ("ｷｽﾞ", ["キズ"]),
        ("無傷", []),
        ("傷は見られない。", []),
        ("傷はない。キズがある。", ["キズ"]),
        ("no scratch but a dent", ["dent"]),
        ("It is not a scratch; it is a dent", ["dent"]),
        ("scratch-free", []),
        ("The dent is not a scratch", ["dent"]),
        ("There is no doubt that it is a dent", ["dent"]),
        ("no longer usable: dent", ["dent"]),
        ("A dent\nwithout scratches", ["dent"]),
        ("", []),
    ],
)
def test_names_are_found_as_whole_words_and_not_where_denied(text: str, named: list[str]) -> None:
    assert list(named_classes(text, CLASSES)) == named


def test_a_good_class_hides_what_lies_within_it() -> None:
    assert named_classes("判定：傷あり良品", ["傷"], besides=["傷あり良品"]) == ()
    assert named_classes("defect-free", ["defect"]) == ()


def test_a_name_that_is_a_number_is_not_looked_for() -> None:
    assert named_classes("3 mm wide, a b", ["3", "a", "C1.2 (void)"]) == ()
    assert named_classes("like c1.2-void", ["C1.2 (void)"]) == ("C1.2 (void)",)


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("Upper left and lower-middle", [Place.UPPER_LEFT, Place.LOWER_MIDDLE]),
        ("top center", [Place.UPPER_MIDDLE]),
        ("in the centre", [Place.CENTRE]),
        ("in the middle left", [Place.MIDDLE_LEFT]),
        ("a centre punch", []),
        ("中央に、左下に", [Place.CENTRE, Place.LOWER_LEFT]),
        ("中央上", []),
        ("nothing at all, not at the upper right", []),
    ],
)
def test_places_are_found_by_name(text: str, places: list[Place]) -> None:
    assert list(named_places(text)) == places
