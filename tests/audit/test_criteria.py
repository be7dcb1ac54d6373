"""Acceptance criteria: what a file may say, and that a run shows whether they were fixed before its test."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kenpin.audit.acceptance import Fixed, check_criteria
from kenpin.audit.subjects import read_subject
from kenpin.errors import OptionError
from kenpin.evaluation.measures import MEASURES
from kenpin.run.criteria import Criteria, MeasureLimit, fix_criteria, read_fixed
from kenpin.words import ENGLISH
from tests.commands import Run
from tests.pictures import write_parts
from tests.toy_runs import ToyRun

CRITERIA = "measures: {escape_rate_at_most: {at_most: 0.2}}\ndefective_parts: 3\n"


def _when(run: Path) -> list[Fixed]:
    return [one.when for one in check_criteria(read_subject(run).runs[0], None, (), ENGLISH)]


@given(st.sampled_from(sorted(MEASURES)), st.floats(-10, 10), st.booleans(), st.floats(-10, 10))
def test_a_limit_allows_what_lies_on_its_side(name: str, bound: float, is_most: bool, number: float) -> None:
    limit = {"at_most" if is_most else "at_least": bound}
    criteria = Criteria.from_mapping({"measures": {name: limit}})
    assert criteria.measures[name].allows(number) == (number <= bound if is_most else number >= bound)
    assert Criteria.from_mapping(criteria.model_dump(mode="json", exclude_none=True)) == criteria


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"measures": {"escape_rat": {"at_most": 1}}}, "did you mean"),
        ({"measures": {"auroc": {}}}, "give one of them"),
        ({"measures": {"auroc": {"at_most": 1, "at_least": 0}}}, "give one of them"),
        ({"measures": {"auroc": {"at_leest": 0.9}}}, "did you mean"),
        ({"gage": {"kapa": 0.9}}, "did you mean"),
        ({"gage": {"kappa": 3}}, "kappa"),
        ({"drift": {"measure": "distance"}}, "reference"),
        ({"intended_use": "covers"}, "limits nothing"),
        ({"defective_parts": 0}, "defective_parts"),
    ],
)
def test_what_is_no_criterion_is_refused_with_a_remedy(tmp_path: Path, values: object, said: str) -> None:
    (tmp_path / "c.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(OptionError, match=said):
        fix_criteria(tmp_path / "c.yaml")


def test_a_training_fixes_them_before_it_judges_and_seals_them(kenpin: Run, tmp_path: Path) -> None:
    write_parts(tmp_path / "parts", count=24)
    Path("c.yaml").write_text(CRITERIA)
    assert (
        kenpin("train", "classifier", "--data", "parts", "--out", "run", "--base", "toy", "--criteria", "c.yaml")[0]
        == 0
    )
    run = tmp_path / "run"
    fixed = read_fixed(run / "criteria.json")
    assert fixed.fixed_at <= json.loads((run / "run.json").read_text())["created"]
    assert fixed.criteria.defective_parts == 3
    assert _when(run) == [Fixed.BEFORE]
    (run / "criteria.json").write_text((run / "criteria.json").read_text().replace("0.2", "0.9"))
    status, _, told = kenpin("audit", "run", "--out", "p.html")
    assert status == 2
    assert "criteria.json: is not the file that was trained" in told


def test_criteria_of_an_evaluation_count_only_for_parts_that_nobody_has_judged(
    kenpin: Run, toy_run: ToyRun, tmp_path: Path
) -> None:
    run = toy_run("classifier", tmp_path / "run")
    write_parts(tmp_path / "new", count=9, first=700)
    Path("c.yaml").write_text(CRITERIA)
    evaluate = ("evaluate", run, "--data", "new", "--criteria", "c.yaml")
    status, _, told = kenpin(*evaluate)
    assert status == 2
    assert "--name" in told
    assert kenpin(*evaluate, "--name", "first")[0] == 0
    assert _when(run) == [Fixed.BEFORE]
    assert kenpin("evaluate", run, "--data", "new", "--name", "looked")[0] == 0  # when, no record tells
    assert _when(run) == [Fixed.AFTER]
    (run / "evaluation-looked.json").unlink()
    assert kenpin(*evaluate, "--name", "first", "--overwrite")[0] == 0
    assert _when(run) == [Fixed.BEFORE]
    evaluation = run / "evaluation-first.json"
    evaluation.write_text(evaluation.read_text().replace('"split": "all"', '"split": "test"'))
    assert _when(run) == [Fixed.UNKNOWN]


def test_a_resumed_training_keeps_its_criteria(kenpin: Run, tmp_path: Path) -> None:
    from kenpin.run.criteria import fix_in_run

    (tmp_path / "run").mkdir()
    file = tmp_path / "c.yaml"
    file.write_text(CRITERIA)
    fix_in_run(tmp_path / "run", file, resume=False)
    first = read_fixed(tmp_path / "run" / "criteria.json")
    fix_in_run(tmp_path / "run", file, resume=True)
    assert read_fixed(tmp_path / "run" / "criteria.json") == first
    file.write_text(CRITERIA.replace("0.2", "0.9"))
    with pytest.raises(OptionError, match="start again without --resume"):
        fix_in_run(tmp_path / "run", file, resume=True)


def test_a_limit_by_an_end_of_an_interval_needs_that_end() -> None:
    assert MeasureLimit(at_least=0.9, by="low").allows(0.9)
    with pytest.raises(ValueError, match="by"):
        MeasureLimit(at_least=0.9, by="middle")
