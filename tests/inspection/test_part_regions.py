"""Regions of real runs: they are in the record, decide by rules, and what has none is refused before the first part."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from kenpin.errors import OptionError
from kenpin.inspection.journal import JOURNAL, read_records, write_parquet
from kenpin.inspection.judging import Judges
from kenpin.inspection.line import Line
from kenpin.inspection.part_regions import RegionFinder
from kenpin.inspection.pictures import open_picture, sighting_of
from kenpin.inspection.policy import Policy
from kenpin.inspection.record import MOST_RECORDED, PartRecord, from_values, to_values
from kenpin.inspection.runs import PolicyRun, RunOutput, load_run
from kenpin.models.looking.maps import map_of_cells
from kenpin.records import Detections, Prediction, Threshold, Verdict
from kenpin.targets import Target
from tests.commands import Run
from tests.inspection.made import record
from tests.pictures import write_parts
from tests.toy_runs import trained

LOW = 0.001  # every part has a region from here on


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a map whose maximum is the score, one with a map beside its score, and one without a map."""
    folder = tmp_path_factory.mktemp("runs")
    few = write_parts(folder / "few", count=24)
    trained("mahalanobis", folder / "places", few, where="positions")
    trained("classifier", folder / "head", few)
    trained("embedder", folder / "vectors", few, epochs=1)
    return folder


def _policy(runs: Path, rules: Any, options: dict[str, Any] | None = None, **more: Any) -> Policy:
    run = {"run": runs / "places", **(options or {})}
    return Policy.from_mapping({"runs": {"distance": run}, "rules": rules, **more})


def _judged(policy: Policy, out: Path, *pictures: Path) -> list[PartRecord]:
    with Line(policy, out) as line:
        return line.judge_many([(path.name, path.read_bytes()) for path in pictures])


def test_a_part_fails_by_the_size_of_a_region_and_the_record_says_which(
    runs: Path, parts: Path, tmp_path: Path
) -> None:
    text = "FAIL if region of distance > 0.001 mm²"
    policy = _policy(
        runs,
        [text],
        {"region_from": LOW, "decides": "rules"},
        px_per_mm=10,
        places={"left": {"box_share": [0, 0, 0.5, 1]}},
        maps={"of": "distance"},
    )
    (judged,) = _judged(policy, tmp_path / "records", parts / "scratch" / "000.png")
    assert (judged.verdict, judged.rule) == (Verdict.FAIL, text)
    assert judged.reasons[0] == f"By the rule {text}."
    assert "mm²" in judged.reasons[1]
    (answer,) = judged.answers
    assert (answer.fail_from, answer.verdict, answer.region_from) == (None, None, LOW)
    assert answer.regions is not None
    largest = answer.regions[0]
    assert judged.size_wh is not None
    assert largest.area_px == pytest.approx(judged.size_wh[0] * judged.size_wh[1])  # all of it lies above so low a cut
    assert largest.area_mm2 == pytest.approx(largest.area_px / 100)
    assert largest.peak == answer.score
    assert largest.places == ("left",)
    assert (tmp_path / "records" / str(answer.map)).is_file()
    assert [*read_records(tmp_path / "records" / JOURNAL)] == [judged]


def test_where_no_rule_holds_a_run_that_decides_by_rules_passes_the_part(
    runs: Path, parts: Path, tmp_path: Path
) -> None:
    rule = ["FAIL if region of distance > 1000000 px²"]
    picture = parts / "scratch" / "000.png"
    by_rules = {"region_from": LOW, "fail_from": LOW, "decides": "rules"}
    (passed,) = _judged(_policy(runs, rule, by_rules), tmp_path / "a", picture)
    assert (passed.verdict, passed.rule) == (Verdict.PASS, None)
    (failed,) = _judged(_policy(runs, rule, {"fail_from": LOW}), tmp_path / "b", picture)
    assert failed.verdict is Verdict.FAIL
    assert failed.answers[0].regions


def test_small_regions_do_not_count_and_are_recorded(runs: Path, parts: Path, tmp_path: Path) -> None:
    options = {"region_from": LOW, "ignore_below": "1000000 px²", "decides": "rules"}
    (judged,) = _judged(_policy(runs, ["FAIL if region of distance"], options), tmp_path, parts / "ok" / "000.png")
    assert judged.verdict is Verdict.PASS
    assert judged.answers[0].regions is not None
    assert all(region.ignored for region in judged.answers[0].regions)


def test_a_map_beside_the_score_needs_a_cut_of_its_own(runs: Path, parts: Path, tmp_path: Path) -> None:
    rules = ["FAIL if region of classifier > 0 px²"]
    with pytest.raises(OptionError, match=r"run classifier has no number of its map .* give it `region_from`"):
        Judges(Policy.from_mapping({"runs": {"classifier": str(runs / "head")}, "rules": rules}))
    run = {"run": runs / "head", "region_from": 1e-6, "decides": "rules"}
    policy = Policy.from_mapping({"runs": {"classifier": run}, "rules": rules})
    found = _judged(policy, tmp_path, parts / "scratch" / "000.png", parts / "ok" / "000.png")
    for judged in found:
        (answer,) = judged.answers
        assert answer.regions is not None
        assert bool(answer.regions) is (judged.verdict is Verdict.FAIL)
        assert answer.label != "ok" or not answer.regions  # a map for a good class is not against the part


def test_runs_that_have_no_regions_are_refused_before_the_first_part(runs: Path) -> None:
    with pytest.raises(OptionError, match="run a finds no regions, for it gives neither a map nor boxes"):
        Judges(Policy.from_mapping({"runs": {"a": str(runs / "vectors")}, "rules": ["FAIL if region of a"]}))
    two = _policy(runs, ["FAIL if region of distance", "FAIL if distance FAIL"], {"decides": "rules"})
    with pytest.raises(OptionError, match="run distance decides by rules on its regions, so it has no verdict"):
        Judges(two)
    endless = replace(load_run("a", _policy(runs, []).runs["distance"], None, "auto"))
    endless.predictor.threshold = Threshold(math.inf, None, "none")
    run = PolicyRun("distance", endless.predictor, endless.record, endless.predictor.threshold, "v", endless.folder)
    with pytest.raises(OptionError, match="run distance: no region reaches inf, from which its parts fail"):
        RegionFinder(_policy(runs, ["FAIL if region of distance"]), {"distance": run})
    RegionFinder(_policy(runs, []), {"distance": run})  # where no rule asks, there are none


def test_a_place_outside_of_the_picture_is_for_a_person_to_look_at(runs: Path, parts: Path, tmp_path: Path) -> None:
    policy = _policy(
        runs,
        ["FAIL if region of distance in far"],
        {"decides": "rules", "fail_from": 100},
        places={"far": {"box_px": [9000, 0, 9100, 50]}},
    )
    (judged,) = _judged(policy, tmp_path, parts / "ok" / "000.png")
    assert judged.verdict is Verdict.REVIEW
    assert "place far lies outside of the picture" in judged.reasons[0]


def test_the_records_of_an_inspection_that_asks_for_nothing_new_go_on(runs: Path) -> None:
    """The identity of such a policy is the same as before there were regions."""
    identity = Judges(_policy(runs, [])).identity
    assert set(identity["policy"]) == {"rules", "maps", "cases", "describe"}
    assert set(identity["runs"]["distance"]) <= {"version", "threshold", "engine"}
    other = Judges(_policy(runs, [], {"region_from": 3.0}, px_per_mm=20)).identity
    assert other["policy"]["px_per_mm"] == [20.0]
    assert other["runs"]["distance"]["region_from"] == 3.0


def test_records_of_an_earlier_kenpin_are_read() -> None:
    old = json.loads(json.dumps(to_values(record(1))))
    del old["rule"]
    for answer in old["answers"]:
        for name in ("regions", "regions_left_out", "region_from"):
            del answer[name]
    read = from_values(old, "here")
    assert read.rule is None
    assert [answer.regions for answer in read.answers] == [None] * len(read.answers)
    assert {item.name for item in fields(read)} == {item.name for item in fields(record(1))}


def test_records_with_regions_become_parquet(runs: Path, parts: Path, tmp_path: Path) -> None:
    policy = _policy(runs, ["FAIL if region of distance"], {"fail_from": LOW}, px_per_mm=[10, 20])
    (judged,) = _judged(policy, tmp_path / "records", parts / "scratch" / "000.png")
    assert write_parquet(tmp_path / "records" / JOURNAL, tmp_path / "parts.parquet") == 1
    (row,) = pq.read_table(tmp_path / "parts.parquet").to_pylist()
    assert row["rule"] == judged.rule
    (region, *_) = row["answers"][0]["regions"]
    ours = (judged.answers[0].regions or ())[0]
    assert region["area_mm2"] == ours.area_mm2
    assert region["rings_px"] == [list(ring) for ring in ours.rings_px]
    assert set(region) == {item.name for item in fields(ours)}


def test_a_record_holds_the_largest_regions_and_rules_count_all(
    runs: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy as np

    from kenpin.inspection import part_regions

    grid = np.zeros((40, 40), np.float32)
    grid[::2, ::4] = 1.0
    grid[0, 0] = 9.0

    def many(run: PolicyRun, opened: Any, output: RunOutput) -> Any:
        return (map_of_cells(grid, opened.image.size, "what", "unit"),)

    monkeypatch.setattr(part_regions, "maps_of", many)
    policy = _policy(runs, ["FAIL if at least 200 regions of distance"], {"region_from": 0.5, "decides": "rules"})
    (judged,) = _judged(policy, tmp_path, parts / "ok" / "000.png")
    assert judged.verdict is Verdict.FAIL
    (answer,) = judged.answers
    assert answer.regions is not None
    assert (len(answer.regions), answer.regions_left_out) == (MOST_RECORDED, 200 - MOST_RECORDED)
    assert answer.regions[0].peak == 9.0


def test_a_scale_can_be_given_on_the_command_line(kenpin: Run, runs: Path, parts: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    run = f"{{run: {runs / 'places'}, fail_from: {LOW}}}"
    policy.write_text(f"runs: {{distance: {run}}}\nrules: FAIL if region of distance > 0.001 mm²\n", "utf-8")
    picture = parts / "scratch" / "000.png"
    status, out, err = kenpin("inspect", policy, picture, "--out", "records")
    assert (status, out) == (2, "")
    assert "measures in mm" in err
    assert "--px-per-mm" in err
    status, out, err = kenpin("inspect", policy, picture, "--out", "records", "--px-per-mm", "20")
    assert (status, "By the rule FAIL if region of distance > 0.001 mm²." in out) == (3, True), err
    assert kenpin("inspect", policy, picture, "--out", "records", "--px-per-mm", "10")[0] == 2  # another inspection


def test_boxes_of_a_detector_are_regions_from_its_threshold_on(runs: Path, parts: Path) -> None:
    run = load_run("boxes", _policy(runs, []).runs["distance"], None, "auto")
    run.predictor.target = Target.BOXES
    run.predictor.model = object()  # type: ignore[assignment]  # no map: its answer alone is looked at
    run.predictor.threshold = Threshold(0.5, None, "set")
    detector = PolicyRun("boxes", run.predictor, run.record, run.predictor.threshold, "v", run.folder)
    policy = Policy.from_mapping({"runs": {"boxes": "run"}, "rules": ["FAIL if region of boxes"], "px_per_mm": 2})
    path = parts / "ok" / "000.png"
    status = path.stat()
    opened = open_picture(sighting_of("a", str(path), status))
    assert isinstance(opened.image, Image.Image)
    boxes = Detections(((0, 0, 4, 2), (0, 0, 9, 9)), ("dent", "dent"), (0.9, 0.4))
    found = RegionFinder(policy, {"boxes": detector}).find(
        opened, {"boxes": RunOutput(Prediction("a", detections=boxes), {})}
    )
    (region,) = found["boxes"]
    assert (region.label, region.area_px, region.area_mm2) == ("dent", 8, 2)
