"""Evidence is made of what runs and cases say, and told the same way each time, piece by piece."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kenpin.cases.case import Case, CaseVerdict, Found
from kenpin.description.answers import Description, read_answer, schema_of, write_answer
from kenpin.description.describer import question_of
from kenpin.description.evidence import Evidence, evidence_of, witness_of
from kenpin.description.places import Place
from kenpin.description.telling import Piece, pieces_of, tell
from kenpin.errors import LabelError
from kenpin.models.vlm.schema import longest_answer
from kenpin.quality.threshold import judge
from kenpin.records import Detections, Map, Prediction, Threshold, Verdict
from tests.description.made import CLASSES, GOOD, SAYS_SCRATCH, SCRATCHED

CUT = Threshold(0.5, None, "made")


def test_tells_everything_in_short_lines() -> None:
    assert tell(SCRATCHED).splitlines() == [
        "Verdict: FAIL.",
        "Score: 0.93, fails from 0.50.",
        "Class: scratch 0.70, dent 0.20, ok 0.10.",
        "Found: キズ at upper left (0.80).",
        "Distance: 8.25, fails from 3.00, mostly by mean 3.",
        "Map of the distance: hottest at centre.",
        "Known case: POSITIVE, solder-bridge, similarity 0.97: remelt the joint.",
    ]
    assert pieces_of(SCRATCHED) == tuple(Piece)
    assert pieces_of(Evidence()) == ()
    assert tell(Evidence()) == ""


@pytest.mark.parametrize("piece", Piece)
def test_each_piece_can_be_left_out(piece: Piece) -> None:
    left, told = tell(SCRATCHED, [piece]).splitlines(), tell(SCRATCHED).splitlines()
    gone = [line for line in told if line not in left]
    assert [line for line in told if line in left] == left
    assert len(gone) == 1
    assert question_of(SCRATCHED, [piece]) != question_of(SCRATCHED)
    assert tell(SCRATCHED, set(Piece) - {piece}).splitlines() == gone


def test_what_is_left_out_comes_in_by_no_other_door() -> None:
    evidence = replace(SCRATCHED, cases=(), reasons=("It looks like scratch (probability 0.70).",))
    asked = question_of(evidence, [Piece.CLASS, Piece.BOXES])
    names = asked.split("finding:")[0]
    assert not any(label in names for label in CLASSES)


def test_a_run_becomes_a_witness() -> None:
    found = Detections(((0, 0, 10, 10), (50, 50, 88, 88)), ("dent", "scratch"), (0.4, 0.9))
    shares = {"a": 1.0, "b": 4.0, "c": 2.0, "d": 3.0}
    prediction = Prediction("a", "scratch", {"scratch": 0.9}, 0.9, found, contributions=shares)
    heat = Map(np.eye(9, dtype=np.float32)[::-1] * np.arange(9), "made", "")
    witness = witness_of("run", prediction, judge(prediction, CUT), CUT, size_wh=(90, 90), map=heat)
    assert witness.verdict is Verdict.FAIL
    assert [box.label for box in witness.boxes or ()] == ["scratch", "dent"]
    assert [box.places[0] for box in witness.boxes or ()] == [Place.LOWER_RIGHT, Place.UPPER_LEFT]
    assert list(witness.items) == ["b", "d", "c"]
    assert witness.hottest[0] is Place.UPPER_RIGHT
    passed = replace(prediction, defect_score=0.1)
    assert witness_of("run", passed, judge(passed, CUT), CUT, map=heat).hottest == ()
    assert witness_of("run", Prediction("a")).boxes is None


def test_witnesses_and_cases_become_evidence() -> None:
    def said(score: float) -> object:
        prediction = Prediction("a", defect_score=score)
        return witness_of(f"run {score}", prediction, judge(prediction, CUT), CUT)

    cases = [Found(Case("1", "a.png", CaseVerdict.POSITIVE, "rust"), 0.1), Found(Case("2", "b.png", None, "良品"), 0.5)]
    evidence = evidence_of([said(0.1), said(0.7)], cases, classes=["ok", "dent"], ok_classes=["ok"])  # type: ignore[list-item]
    assert evidence.verdict is Verdict.FAIL
    assert evidence.reasons == ("The score 0.7 reaches 0.5, from which parts fail.",)
    assert evidence.defect_classes == ("dent", "rust")
    assert evidence.supported_classes == {"rust"}
    assert [round(one.similarity, 6) for one in evidence.cases] == [0.9, 0.5]
    euclidean = evidence_of([], cases, metric="l2")
    assert [round(one.similarity, 3) for one in euclidean.cases] == [0.909, 0.667]
    assert euclidean.verdict is None
    assert evidence_of([], verdict=Verdict.REVIEW, reasons=["by policy"]).reasons == ("by policy",)


def test_support_is_what_was_said() -> None:
    assert SCRATCHED.supported_classes == {"scratch", "dent", "キズ", "solder-bridge"}
    assert SCRATCHED.supported_places == {Place.UPPER_LEFT, Place.UPPER_MIDDLE, Place.CENTRE}
    assert replace(SCRATCHED, ok_classes=("ok", "キズ")).supported_places == {Place.CENTRE}, "a good thing is no defect"
    assert GOOD.supported_classes == frozenset()
    assert GOOD.supported_places == frozenset()


def test_a_description_survives_the_way() -> None:
    assert read_answer(write_answer(SAYS_SCRATCH)) == SAYS_SCRATCH
    for wrong in ("[]", "{}", '{"finding": 1}', "scratch"):
        with pytest.raises(ValueError, match=r".*"):
            read_answer(wrong)


def test_the_schema_is_that_of_the_case() -> None:
    schema = schema_of(SCRATCHED, 10)
    assert schema["properties"]["finding"]["enum"] == [*CLASSES, "unknown", "none"]
    assert len(schema["properties"]["place"]["enum"]) == 10
    assert list(schema["properties"]) == list(Description.__dataclass_fields__)
    assert longest_answer(schema) < 500 < longest_answer(schema_of(SCRATCHED))
    with pytest.raises(LabelError, match="rename the class"):
        schema_of(replace(SCRATCHED, defect_classes=("none",)))


def test_the_question_names_what_may_be_answered() -> None:
    question = question_of(SCRATCHED, language="Japanese")
    assert all(word in question for word in (*CLASSES, *Place, "unknown", "none", "Japanese"))
