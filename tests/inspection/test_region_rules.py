"""Rules on regions: each word does what it says, and a rule that cannot be judged is refused with its remedy."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from kenpin.errors import OptionError
from kenpin.inspection.fusing import fuse, parse_rule
from kenpin.inspection.policy import Policy, read_policy
from kenpin.inspection.region_rules import SizeBound, parse_ignored, parse_region_term
from kenpin.records import Judgement, Verdict
from kenpin.regions import DefectRegion
from tests.tree import ROOT

NO_RUN: dict[str, Judgement] = {}


def _region(area: float, length: float = 10.0, width: float = 2.0, *places: str, ignored: bool = False) -> DefectRegion:
    return DefectRegion(
        (), (), (0, 0, 1, 1), (5, 6), 100 * area, 10 * length, 10 * width, places=places, ignored=ignored,
        area_mm2=area, length_mm=length, width_mm=width,
    )  # fmt: skip


def _verdict(condition: str, *regions: DefectRegion) -> Verdict:
    return fuse(NO_RUN, [parse_rule(f"FAIL if {condition}")], {"d": regions}, ["d"]).verdict


@pytest.mark.parametrize(
    ("condition", "fails"),
    [
        ("region of d", True),
        ("region of d > 0.8 mm²", True),
        ("region of d > 0.8 mm2", True),
        ("region of d >0.8mm^2", True),
        ("region of d > 1 mm²", False),
        ("region of d ≥ 1 mm²", True),
        ("region of d larger than 99 px²", True),
        ("region of d > 100 px2", False),
        ("region of d longer than 4 mm", True),
        ("region of d longer than 50 px", False),
        ("region of d wider than 1.9 mm", True),
        ("region of d wider than 2 mm", False),
        ("region of d longer than 4 mm, wider than 3 mm", False),
        ("region of d longer than 4 mm wider than 1 mm in seal", True),
        ("region of d in rim", False),
        ("region of d outside seal", False),
        ("region of d outside rim", True),
        ("at least 1 region of d", True),
        ("at least 2 regions of d", False),
        ("more than 1 region of d", False),
        ("no region of d", False),
        ("no region of d > 1 mm²", True),
        ("region of d and region of d in seal", True),
        ("region of d in rim or region of d in seal", True),
    ],
)
def test_each_word_does_what_it_says(condition: str, fails: bool) -> None:
    assert _verdict(condition, _region(1, 5, 2, "seal")) is (Verdict.FAIL if fails else Verdict.PASS)


@given(st.lists(st.floats(0.01, 10), max_size=8), st.floats(0.01, 10), st.integers(1, 8))
def test_regions_are_counted_from_a_size_on(areas: list[float], size: float, least: int) -> None:
    regions = [_region(area) for area in areas]
    text = f"at least {least} regions of d ≥ {size:.3f} mm²"
    enough = sum(area >= float(f"{size:.3f}") for area in areas) >= least
    assert (_verdict(text, *regions) is Verdict.FAIL) is enough
    assert (_verdict(text.replace(f"at least {least}", f"more than {least - 1}"), *regions) is Verdict.FAIL) is enough


@given(st.lists(st.floats(0.01, 10), max_size=8), st.integers(0, 7))
def test_one_more_region_never_makes_a_part_better(areas: list[float], least: int) -> None:
    regions = [_region(area) for area in areas]
    text = f"more than {least} regions of d > 2 mm²"
    assert not (_verdict(text, *regions) is Verdict.FAIL and _verdict(text, *regions, _region(1)) is Verdict.PASS)


def test_what_is_ignored_does_not_count() -> None:
    assert _verdict("region of d", _region(1, ignored=True)) is Verdict.PASS
    assert _verdict("no region of d", _region(1, ignored=True)) is Verdict.FAIL


def test_a_threshold_decides_beside_the_rules_unless_the_run_decides_by_rules() -> None:
    rules = [parse_rule("FAIL if region of d > 2 mm²")]
    failed = {"d": Judgement("a", Verdict.FAIL, 9.0, ("Its score fails.",))}
    small = {"d": [_region(1)]}
    assert fuse(failed, rules, small).verdict is Verdict.FAIL
    passed = fuse({}, rules, small, ["d"])
    assert (passed.verdict, passed.rule) == (Verdict.PASS, None)
    assert passed.reasons == ("d: no rule on its regions holds.",)
    # another run's verdict stays
    other = {"c": Judgement("a", Verdict.REVIEW, 0.5, ("Unsure.",))}
    assert fuse(other, rules, small, ["d"]).verdict is Verdict.REVIEW
    # and a rule can pass what a threshold fails, where it says so
    lenient = [parse_rule("PASS if d FAIL and no region of d > 2 mm²")]
    assert fuse(failed, lenient, small).verdict is Verdict.PASS


def test_the_reasons_name_the_rule_and_the_largest_region() -> None:
    text = "FAIL if region of d > 0.5 mm²"
    fused = fuse({}, [parse_rule(text)], {"d": [_region(2), _region(1), _region(0.1)]}, ["d"])
    assert fused == (
        Verdict.FAIL,
        (f"By the rule {text}.", "d: 2 mm², 10 × 2 mm at 5, 6 px, and 1 more."),
        text,
    )


@pytest.mark.parametrize(
    ("condition", "sentence"),
    [
        ("region of", "is no condition on regions"),
        ("big region of d", "is no condition on regions"),
        ("region of d > 0.8", "'0.8' does not begin with a number and a unit"),
        ("region of d > 0,8 mm²", "with a decimal point"),
        ("region of d > mm²", "does not begin with a number and a unit"),
        ("region of d > -1 mm²", "does not begin with a number and a unit"),
        ("region of d > nan mm²", "does not begin with a number and a unit"),
        ("region of d > 0.8 mm³", "does not begin with a number and a unit"),
        ("region of d > 0.8 mm", "is a length, and `>` compares areas; write `0.8 mm²`"),
        ("region of d longer than 2 mm²", "is an area, and the length is compared; write `2 mm`"),
        ("region of d < 0.8 mm²", "give the run `ignore_below`"),
        ("region of d in seal in rim", "names two places"),
        ("region of d at noon", "'at noon' is not understood"),
        ("at least 0 regions of d", "at least 0 regions there always are"),
        ("at least 1000 regions of d", "is no condition on regions"),
    ],
)
def test_what_is_no_condition_is_refused_with_its_remedy(condition: str, sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        parse_rule(f"FAIL if {condition}")
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(f"rule 'FAIL if {condition}'")


def test_sizes_that_are_ignored_are_areas_or_lengths() -> None:
    assert parse_ignored(" 0.05  mm2") == SizeBound("area", 0.05, "mm", reached=True)
    assert parse_ignored("3 px") == SizeBound("length", 3, "px", reached=True)
    assert parse_region_term("region of d > .5 px²", "").bounds == (SizeBound("area", 0.5, "px"),)


def _policy(folder: Path, **values: Any) -> Policy:
    (folder / "policy.yaml").write_text(yaml.safe_dump({"runs": {"d": "run"}, **values}, allow_unicode=True), "utf-8")
    return read_policy(folder / "policy.yaml")


BOX = {"box_share": [0, 0, 1, 0.5]}


def test_a_policy_with_everything_is_read_and_written_again(tmp_path: Path) -> None:
    policy = _policy(
        tmp_path,
        runs={"d": {"run": "run", "decides": "rules", "ignore_below": "0.05 mm²", "region_from": 12}},
        px_per_mm=[20, 19.5],
        places={"seal": {"polygon_px": [[0, 0], [10, 0], [0, 10]]}, "上": BOX},
        rules=["FAIL if region of d > 0.8 mm² in seal", "REVIEW if more than 2 regions of d outside 上"],
    )
    assert policy.scale == (20.0, 19.5)
    assert policy.places is not None
    assert policy.places["上"].ring_px((200, 100)) == (0, 0, 200, 0, 200, 50, 0, 50)
    again = _policy(tmp_path, **policy.model_dump(mode="json", exclude_defaults=True))
    assert replace_run(again) == replace_run(policy)
    assert _policy(tmp_path, px_per_mm=20).scale == (20, 20)


def test_the_policy_of_the_documentation_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / "inspect.md").read_text("utf-8"), re.DOTALL)
    policy = _policy(tmp_path, **yaml.safe_load(text))
    assert policy.runs_with_regions == {"distance"}
    assert len(policy.rules) == 4


def replace_run(policy: Policy) -> Policy:
    """The policy without the folders of its runs, which are made absolute."""
    runs = {name: run.model_copy(update={"run": Path("run")}) for name, run in policy.runs.items()}
    return policy.model_copy(update={"runs": runs})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"rules": "FAIL if region of distance"}, "names a run `distance` that is not below `runs`"),
        ({"rules": "FAIL if region of d in seal"}, "give `places` with a box or a polygon of this name"),
        ({"rules": "FAIL if region of d in seel", "places": {"seal": BOX}}, "did you mean `seal`?"),
        ({"rules": "FAIL if region of d > 0.8"}, "option `rules`: rule"),
        ({"px_per_mm": 0}, "option `px_per_mm`: `px_per_mm` of 0.0 is no scale"),
        ({"px_per_mm": [1, 2, 3]}, "is no scale"),
        ({"px_per_mm": []}, "is no scale"),
        ({"px_per_mm": "much"}, "option `px_per_mm`"),
        ({"px_per_mm": float("nan")}, "option `px_per_mm`"),
        ({"places": {"two words": BOX}}, "'two words' cannot name a place"),
        ({"places": {"a": {}}}, "place a: has no form; give one of"),
        ({"places": {"a": {**BOX, "box_px": [0, 0, 1, 1]}}}, "box_px and box_share; give one of"),
        ({"places": {"a": {"box_px": [5, 0, 1, 1]}}}, "exchange them"),
        ({"places": {"a": {"box_share": [0, 0, 2, 1]}}}, "reaches out of the picture; give numbers from 0 to 1"),
        ({"places": {"a": {"box_px": [-5, 0, 1, 1]}}}, "reaches out of the picture"),
        ({"places": {"a": {"box_px": [0, 0, 1]}}}, "place a: option `box_px`"),
        ({"places": {"a": {"polygon_px": [[0, 0], [1, 1]]}}}, "has 2 corners; give 3 to 100"),
        ({"places": {"a": {"polygon_px": [[0, 0], [1, 1], [2, 2]]}}}, "has no area"),
        ({"places": {"a": {"polygon": [[0, 0]]}}}, "unknown option `polygon`; did you mean `polygon_px`?"),
        ({"places": ["a"]}, "option `places`"),
        ({"runs": {"d": {"run": "r", "decides": "rules"}}}, "run d decides by `rules`, and no rule is on its regions"),
        ({"runs": {"d": {"run": "r", "decides": "rule"}}}, "did you mean 'rules'?"),
        ({"runs": {"d": {"run": "r", "ignore_below": "small"}}}, "'small' does not begin with a number and a unit"),
        ({"runs": {"d": {"run": "r", "region_from": "high"}}}, "run d: option `region_from` is 'high'"),
    ],
)  # fmt: skip
def test_a_policy_that_cannot_be_judged_by_is_refused(tmp_path: Path, values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError) as refused:
        _policy(tmp_path, **values)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith(str(tmp_path / "policy.yaml"))
    assert "\n" not in str(refused.value)


def test_a_region_that_was_not_measured_in_mm_decides_nothing() -> None:
    with pytest.raises(OptionError, match="not measured in mm"):
        _verdict("region of d > 1 mm²", replace(_region(1), area_mm2=None))
