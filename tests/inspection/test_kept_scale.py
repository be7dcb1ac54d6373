"""A scale that a run, a package or a policy keeps: every step measures by it, and another one that is given is told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from kenpin.errors import OptionError
from kenpin.export import export_package
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.line import Line
from kenpin.inspection.policy import Policy
from kenpin.predictor import load_predictor
from kenpin.report import write_report
from tests.commands import Run
from tests.pictures import write_parts
from tests.toy_runs import trained

LOW = 0.001


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run with a scale, with another one, and without; and a package with a scale of its own."""
    folder = tmp_path_factory.mktemp("scales")
    few = write_parts(folder / "few", count=24)
    for name, scale in {"ten": (10.0,), "twenty": (20.0, 5.0), "none": None}.items():
        trained("mahalanobis", folder / name, few, where="positions", px_per_mm=scale)
    export_package(folder / "ten", folder / "package", to="onnx")
    export_package(folder / "ten", folder / "other", to="onnx", px_per_mm=40)
    return folder


KEPT: dict[str, tuple[float, float] | None] = {
    "ten": (10, 10),
    "twenty": (20, 5),
    "none": None,
    "package": (10, 10),
    "other": (40, 40),
}


def _policy(folder: Path, *names: str, **values: object) -> Path:
    runs = {name: {"run": str(folder / name), "region_from": LOW, "decides": "rules"} for name in names}
    rules = [f"FAIL if region of {name} > 0.001 mm²" for name in names]
    file = folder / "policy.yaml"
    file.write_text(yaml.safe_dump({"runs": runs, "rules": rules, **values}, allow_unicode=True), "utf-8")
    return file


@pytest.mark.parametrize("name", KEPT)
def test_what_a_run_keeps_measures_in_every_step(
    runs: Path, parts: Path, tmp_path: Path, kenpin: Run, name: str
) -> None:
    picture = parts / "scratch" / "000.png"
    scale = KEPT[name]
    assert load_predictor(runs / name).px_per_mm == scale
    kenpin("predict", runs / name, picture, "--json", tmp_path / "p.json")
    found = json.loads((tmp_path / "p.json").read_text("utf-8"))
    assert found["px_per_mm"] == (None if scale is None else list(scale))
    for region in found["predictions"][0]["regions"]:
        mm2 = None if scale is None else region["area_px"] / (scale[0] * scale[1])
        assert region["area_mm2"] == (None if mm2 is None else pytest.approx(mm2))
    told = kenpin("explain", runs / name, picture, "--out", tmp_path / "e.png", "--region-from", str(LOW))[1]
    assert ("mm²" in told) is (scale is not None)
    if scale is None:
        with pytest.raises(OptionError, match="measures in mm, and how many pixels a millimetre has is not known"):
            Line(_policy(runs, name), tmp_path / "records")
        return
    with Line(_policy(runs, name), tmp_path / "records") as line:
        record = line.judge("a", picture.read_bytes())
        assert line.notes == ()
    assert record.px_per_mm == scale
    assert record.answers[0].regions is not None
    region = record.answers[0].regions[0]
    assert region.area_mm2 == pytest.approx(region.area_px / (scale[0] * scale[1]))
    assert json.loads((tmp_path / "records" / "inspection.json").read_text("utf-8"))["policy"]["px_per_mm"] == list(
        scale
    )


def test_another_scale_takes_precedence_and_is_told(runs: Path, parts: Path, tmp_path: Path, kenpin: Run) -> None:
    picture = parts / "scratch" / "000.png"
    policy = _policy(runs, "ten", px_per_mm=[25])
    told = kenpin("inspect", policy, picture, "--out", tmp_path / "of-policy")[2]
    assert "run ten keeps 10 pixels a millimetre; sizes are by the 25 that were given in their place." in told
    told = kenpin("inspect", policy, picture, "--out", tmp_path / "typed", "--px-per-mm", "50")[2]
    assert f"{policy} keeps 25 pixels a millimetre; sizes are by the 50" in told
    assert [next(read_records(tmp_path / out / JOURNAL)).px_per_mm for out in ("of-policy", "typed")] == [
        (25, 25),
        (50, 50),
    ]
    told = kenpin("predict", runs / "twenty", picture, "--json", tmp_path / "p.json", "--px-per-mm", "4")[2]
    assert "keeps 20 across and 5 down pixels a millimetre; sizes are by the 4" in told
    assert json.loads((tmp_path / "p.json").read_text("utf-8"))["px_per_mm"] == [4, 4]
    same = kenpin("predict", runs / "ten", picture, "--json", tmp_path / "q.json", "--px-per-mm", "10")[2]
    assert "keeps" not in same


def test_runs_that_keep_different_scales_judge_together_only_by_a_given_one(runs: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="run ten keeps 10 pixels a millimetre and run twenty 20 across and 5 down"):
        Line(_policy(runs, "ten", "twenty"), tmp_path / "records")
    with Line(_policy(runs, "ten", "twenty", px_per_mm=10), tmp_path / "given") as line:
        assert len(line.notes) == 1
    with Line(_policy(runs, "ten", "none"), tmp_path / "one") as line:
        assert line.notes == ()


def test_a_size_below_which_regions_are_ignored_needs_a_scale(runs: Path, tmp_path: Path) -> None:
    options = {"run": str(runs / "none"), "region_from": LOW, "ignore_below": "1 mm"}
    policy = Policy.from_mapping({"runs": {"none": options}})
    with pytest.raises(OptionError, match="run none: `ignore_below` of 1 mm is in mm, and how many pixels"):
        Line(policy, tmp_path / "records")


def test_the_report_says_by_which_scale_it_measures(runs: Path, tmp_path: Path) -> None:
    pages = {
        name: write_report(folder, tmp_path / f"{name}.html").read_text("utf-8")
        for name, folder in {"ten": runs / "ten", "none": runs / "none", "other": runs / "other" / "run"}.items()
    }
    assert "Their sizes are by 10 pixels a millimetre." in pages["ten"]
    assert "Their sizes are by 40 pixels a millimetre." in pages["other"]
    assert "mm²" not in pages["none"]
    assert "mm²" in pages["ten"]


def test_a_scale_where_nothing_is_measured_is_refused(runs: Path, parts: Path, tmp_path: Path, kenpin: Run) -> None:
    told = kenpin("predict", runs / "ten", parts / "ok", "--px-per-mm", "4")[2]
    assert "option `--px-per-mm` measures the regions that --json FILE holds" in told
    with pytest.raises(OptionError, match="is no scale"):
        trained("mahalanobis", tmp_path / "run", parts, px_per_mm=(0.0,))
    with pytest.raises(OptionError, match="`px_per_mm` does nothing with base mlp"):
        trained("embedder", tmp_path / "run", parts, base="mlp", px_per_mm=(3.0,))
