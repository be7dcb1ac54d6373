"""Packages in INT8: calibrated on learned pictures, judged by validation pictures, refused where they cost more."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.export import export_package, quantised
from kenpin.export.quantised import export_int8, told
from kenpin.models.package.record import Quantised, read_package_record
from kenpin.predictor import load_predictor
from kenpin.run.lineage import read_lineage
from kenpin.training import train
from tests.commands import Run

if find_spec("nncf") is None:  # not imported here: that would bring its telemetry into every test of this process
    pytest.skip("the extra int8 is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def run(few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that chose by validation pictures. Read only."""
    out = tmp_path_factory.mktemp("int8") / "run"
    values: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 1, "report": False}
    return train("classifier", data=str(few_parts), out=out, **values)


def _of(run: Path, few_parts: Path) -> tuple[Dataset, Dataset]:
    """What it learned from, and what chose."""
    dataset, lineage = load_dataset(few_parts), read_lineage(run)
    contents = dataset.contents()
    learned, chosen = (
        dataset.select(row for row, content in enumerate(contents) if content in kind)
        for kind in (lineage.learned, lineage.chosen)
    )
    return learned, chosen


def test_it_is_calibrated_and_judged_on_the_right_pictures(run: Path, few_parts: Path, tmp_path: Path) -> None:
    learned, chosen = _of(run, few_parts)
    assert len(chosen)
    found = export_int8(run, tmp_path / "int8", tolerance=10.0)
    assert (found.calibrated_on, found.parts) == (len(learned), len(chosen))
    record = read_package_record(tmp_path / "int8")
    assert (record.precision, record.quantised) == ("int8", found)
    exact, package = load_predictor(export_package(run, tmp_path / "fp32", to="openvino")), tmp_path / "int8"
    before, now = (list(one.predict(chosen)) for one in (exact, load_predictor(package)))
    assert [one.defect_score for one in now] == pytest.approx([one.defect_score for one in before], abs=0.1)
    changed = sum(
        exact.judge(a).verdict != exact.judge(b).verdict if exact.threshold else a.label != b.label
        for a, b in zip(before, now, strict=True)
    )
    assert found.changed == changed
    sizes = [(folder / "network" / "model.bin").stat().st_size for folder in (package, tmp_path / "fp32")]
    assert sizes[0] < 0.5 * sizes[1]


def test_what_costs_more_is_refused_with_its_figures_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[bool] = []

    def dear(before: object, now: object, controlled: bool, calibrated_on: int) -> Quantised:
        tried.append(controlled)
        return Quantised(
            calibrated_on=calibrated_on, controlled=controlled, parts=40, changed=3, cost_before=0.1, cost_now=0.2,
            auroc_before=0.9, auroc_now=0.8, low=-0.2, high=0.0,
        )  # fmt: skip

    monkeypatch.setattr(quantised, "_figures", dear)
    with pytest.raises(OptionError, match=r"3 of 40 verdicts changed, and the cost per part goes from 0\.1 to 0\.2; A"):
        export_int8(run, tmp_path / "int8", tolerance=0.5)
    assert tried == [False, True]
    assert not list(tmp_path.iterdir())


def test_without_validation_pictures_others_must_judge_and_count_as_seen(few_parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(few_parts)
    own, others = (dataset.select(range(first, len(dataset), 2)) for first in (0, 1))
    values: dict[str, Any] = {"base": "toy", "tuning": "head", "report": False}
    run = train("classifier", data="-", dataset=own, out=tmp_path / "run", **values)
    with pytest.raises(OptionError, match="without validation pictures"):
        export_int8(run, tmp_path / "int8", data=own)
    whole = Dataset.from_examples([*own, *others])
    export_int8(run, tmp_path / "int8", data=whole, tolerance=10.0)
    assert read_lineage(tmp_path / "int8").chosen >= set(others.contents())
    assert not read_lineage(run).chosen & set(others.contents())


def test_options_of_int8_are_its_own(kenpin: Run, run: Path) -> None:
    status, _, err = kenpin("export", str(run), "out", "--to", "openvino", "--tolerance", "0.2")
    assert status == 2
    assert "`--tolerance` is of packages in INT8" in " ".join(err.split())
    status, _, err = kenpin("export", str(run), "out", "--to", "onnx", "--precision", "int8")
    assert status == 2
    assert "take --to openvino" in " ".join(err.split())


def test_figures_in_words() -> None:
    found = Quantised(
        calibrated_on=300, controlled=False, parts=650, changed=2, cost_before=0.125, cost_now=0.125,
        auroc_before=0.91, auroc_now=0.9085, low=-0.003, high=0.0001,
    )  # fmt: skip
    assert told(found) == (
        "2 of 650 verdicts changed, and the cost per part goes from 0.125 to 0.125; AUROC from 0.9100 to 0.9085 "
        "(change -0.0030 to +0.0001)"
    )
