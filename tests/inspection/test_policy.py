"""The policy file: what it may say, and that a wrong one is met with a sentence that names the nearest right one."""

from __future__ import annotations

from pathlib import Path

import pytest

from kenpin.errors import OptionError
from kenpin.inspection.policy import DOUBTFUL, Policy, read_policy
from kenpin.records import Verdict
from tests.tree import ROOT


def _read(folder: Path, text: str) -> Policy:
    (folder / "policy.yaml").write_text(text, "utf-8")
    return read_policy(folder / "policy.yaml")


def test_folders_are_meant_from_the_policys_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plant").mkdir()
    monkeypatch.chdir(tmp_path)
    policy = _read(Path("plant"), "runs: {a: runs/a, b: {run: /elsewhere/b}}\ncases: {library: known, run: a}")
    assert policy.runs["a"].run == tmp_path / "plant" / "runs" / "a"
    assert policy.runs["b"].run == Path("/elsewhere/b")
    assert policy.cases is not None
    assert policy.cases.library == str(tmp_path / "plant" / "known")
    other = _read(Path("plant"), "runs: {a: a}\ncases: {library: 's3://plant/known', run: a}")
    assert other.cases is not None
    assert other.cases.library == "s3://plant/known"


@pytest.mark.parametrize("path", sorted((ROOT / "recipes" / "policies").iterdir()), ids=lambda path: path.name)
def test_the_recipes_are_policies(path: Path) -> None:
    assert read_policy(path).runs


def test_what_is_not_said_is_done_for_doubtful_parts(tmp_path: Path) -> None:
    policy = _read(tmp_path, "runs: {不良: a}\nmaps: {of: 不良}\nrules: FAIL  if 不良 not PASS")
    assert policy.maps is not None
    assert policy.maps.when == DOUBTFUL == (Verdict.FAIL, Verdict.REVIEW)
    assert policy.rules == ("FAIL if 不良 not PASS",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("rules: FAIL if a FAIL", "option `runs` is missing"),
        ("runs: {}", "names no run"),
        ("runs: []", "names no run"),
        ("runs: {a: 3}", "option `runs`"),
        ("runs: {not: a}", "'not' cannot name a run"),
        ("runs: {FAIL: a}", "'FAIL' cannot name a run"),
        ("runs: {two words: a}", "'two words' cannot name a run"),
        ("runs: {a: a}\nruls: []", "unknown option `ruls`; did you mean `rules`?"),
        ("runs: {a: {run: a, fail_form: 1}}", "run a: unknown option `fail_form`; did you mean `fail_from`?"),
        ("runs: {a: {fail_from: 1}}", "run a: option `run` is missing"),
        ("runs: {a: {run: a, fail_from: much}}", "run a: option `fail_from` is 'much'; give a number"),
        ("runs: {a: {run: a, review_from: 1}}", "`review_from` goes with a `fail_from`"),
        ("runs: {a: {run: a, fail_from: 1, review_from: 2}}", "`review_from` goes with a `fail_from`"),
        ("runs: {a: a}\nmaps: {off: a}", "unknown option `off`; did you mean `of`?"),
        ("runs: {a: a}\nmaps: {of: a, when: FAILED}", "option `when` is 'FAILED'; did you mean 'FAIL'?"),
        (
            "runs: {distance: a}\nmaps: {of: distanc}",
            "run `distanc` that is not below `runs`; did you mean `distance`?",
        ),
        ("runs: {distance: a}\nrules: FAIL if distanse FAIL", "`distanse` that is not below `runs`; did you mean"),
        ("runs: {a: a}\ncases: {library: b, run: c}", "`cases` names a run `c`"),
        ("runs: {a: a}\ndescribe: {run: b, leave_out: boxen}", "option `leave_out` is 'boxen'; did you mean 'boxes'?"),
        ("runs: {a: a}\nrules: [FAIL when a FAIL]", "does not begin with"),
        ("runs: {a: a, a: b}", "a is there twice"),
    ],
)
def test_a_wrong_policy_is_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        _read(tmp_path, text)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "policy.yaml"))
