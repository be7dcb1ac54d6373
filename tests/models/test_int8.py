"""Packages in INT8: calibrated on learned pictures, judged by validation pictures, refused where they cost more."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.errors import OptionError
from kenpin.export import export_package, quantised
from kenpin.export.correction import fit_correction
from kenpin.export.quantised import export_int8, told
from kenpin.export.quantiser import Quantiser, Way, is_attention
from kenpin.models import get_family
from kenpin.models.package.record import Quantised, read_package_record
from kenpin.predictor import load_predictor
from kenpin.records import Prediction, Threshold
from kenpin.run.lineage import read_lineage
from kenpin.runtime import load_network
from kenpin.runtime.openvino import imported
from kenpin.targets import Target
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


@pytest.fixture(scope="module")
def head(few_parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that decides by features. Read only."""
    out = tmp_path_factory.mktemp("int8-head") / "run"
    return train("classifier", data=str(few_parts), out=out, base="toy", tuning="head", report=False)


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
    assert sizes[0] < 0.6 * sizes[1]


def test_what_costs_more_is_refused_with_its_figures_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[Way] = []
    write = Quantiser.write

    def wrote(self: Quantiser, folder: Path, way: Way, *rest: Any) -> bool:
        tried.append(way)
        return write(self, folder, replace(way, controlled=False), *rest)

    def costs(_: object, predictions: Sequence[object]) -> float:
        return 0.1 * (1 + len(tried))

    monkeypatch.setattr(Quantiser, "write", wrote)
    monkeypatch.setattr(quantised._Costs, "of", costs)
    with pytest.raises(OptionError, match=r"verdicts? changed, and the cost per part goes from 0\.1 to 0\.[345]"):
        export_int8(run, tmp_path / "int8", tolerance=0.5)
    assert [way.controlled for way in tried] == [False] * (len(tried) - 1) + [True]
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
        calibrated_on=300, exact_layers=1, controlled=False, corrected=True, parts=650, changed=2,
        cost_before=0.125, cost_now=0.125, auroc_before=0.91, auroc_now=0.9085, low=-0.003, high=0.0001,
    )  # fmt: skip
    assert told(found) == (
        "2 of 650 verdicts changed, and the cost per part goes from 0.125 to 0.125; AUROC from 0.9100 to 0.9085 "
        "(change -0.0030 to +0.0001)"
    )


def test_features_are_corrected_in_the_graph(head: Path, few_parts: Path, tmp_path: Path) -> None:
    exact = export_package(head, tmp_path / "exact", to="openvino")
    pictures = load_dataset(few_parts)
    quantiser = Quantiser(exact, read_package_record(exact), load_predictor(exact).model, pictures, pictures)
    plain, corrected = (shutil.copytree(exact, tmp_path / name) for name in ("plain", "corrected"))
    assert quantiser.write(corrected, Way(1), 0.0, lambda _: 0.0)
    wanted, quantiser._outputs = quantiser._outputs, None
    assert wanted is not None
    assert not quantiser.write(plain, Way(1), 0.0, lambda _: 0.0)
    rows, now = (
        load_network("openvino", folder / "network" / "model.xml")(quantiser.calibrating)["features"]
        for folder in (plain, corrected)
    )
    correction = fit_correction(rows, wanted)
    assert correction is not None
    np.testing.assert_allclose(now, correction(rows), rtol=1e-4, atol=1e-5)
    assert np.abs(now - wanted).mean() < 0.7 * np.abs(rows - wanted).mean()


def test_accuracy_control_asks_for_the_cost_of_each_state(head: Path, few_parts: Path, tmp_path: Path) -> None:
    exact = export_package(head, tmp_path / "exact", to="openvino")
    pictures = load_dataset(few_parts)
    quantiser = Quantiser(exact, read_package_record(exact), load_predictor(exact).model, pictures, pictures)
    asked: list[int] = []

    def cost_of(batches: Sequence[tuple[int, NDArray[Any]]]) -> float:
        asked.append(sum(len(rows) for _, rows in batches))
        return float(len(asked) > 2)  # the network in 32 bits costs nothing, the quantised one 1, whatever stays exact

    quantiser.write(shutil.copytree(exact, tmp_path / "int8"), quantiser.ways()[-1], 0.05, cost_of)
    assert len(asked) > 3
    assert set(asked[1:]) == {len(pictures)}


def test_a_cost_is_of_verdicts_and_else_of_labels(head: Path, few_parts: Path, tmp_path: Path) -> None:
    predictor, pictures = load_predictor(head), load_dataset(few_parts)
    before = quantised._evaluation(predictor, pictures, lambda *_: None)
    parts = [part for part in before.judged if part.defective is not None]
    right = [replace(part.prediction, label=part.label, defect_score=float(part.defective or 0)) for part in parts]
    wrong = [replace(one, label="other", defect_score=1 - (one.defect_score or 0)) for one in right]

    def cost(predictions: Sequence[Prediction], **prices: Any) -> float:
        threshold = Threshold(0.5, None, "here", **prices) if prices else None
        judging = quantised._Costs(predictor.model, "features", pictures, replace(before, threshold=threshold))
        return judging.of(predictions)

    assert (cost(right), cost(wrong)) == (0.0, 1.0)
    assert cost([*right[:-1], wrong[-1]]) == pytest.approx(1 / len(parts))
    prices = {"cost_escape": 10.0, "cost_overkill": 1.0}
    assert cost(right, **prices) == 0.0
    assert cost(wrong, **prices, defect_rate=0.1) == pytest.approx(0.1 * 10 + 0.9 * 1)
    good = [one for one, part in zip(wrong, parts, strict=True) if not part.defective]
    assert cost(good, **prices) == pytest.approx(1.0)


@pytest.mark.parametrize("items", [3, 40])
def test_a_correction_brings_new_rows_nearer(items: int) -> None:
    draw = np.random.default_rng(items)
    exact = draw.normal(5, 1, (400, 4)) @ draw.normal(size=(4, items))
    rows = exact @ (np.eye(items) + draw.normal(0, 0.1, (items, items))) + 0.3 + draw.normal(0, 0.02, exact.shape)
    wanted, given = (np.asarray(one, np.float32) for one in (exact, rows))
    correction = fit_correction(given[:300], wanted[:300])
    assert correction is not None
    before, now = (np.abs(said - wanted[300:]).mean() for said in (given[300:], correction(given[300:])))
    assert now < 0.2 * before


def test_noise_is_not_corrected() -> None:
    draw = np.random.default_rng(1)
    exact = draw.normal(size=(60, 50)).astype(np.float32)
    assert fit_correction(exact, exact) is None


def test_answers_that_are_no_labels_are_refused(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_family("classifier"), "target", Target.BOXES, raising=True)
    with pytest.raises(OptionError, match="judged by verdicts and labels"):
        export_int8(run, tmp_path / "int8")


def test_attention_is_told_from_an_answer_s_softmax() -> None:
    """Transformers are quantised in another way, which is not meant for a classifier of convolutions."""
    openvino = imported()
    ops = openvino.opset13
    rows = ops.parameter([1, 4, 4], np.float32)
    answer = ops.softmax(rows, -1)
    assert not any(map(is_attention, openvino.Model([answer], [rows]).get_ordered_ops()))
    for attended in (ops.matmul(answer, rows, False, False), ops.scaled_dot_product_attention(rows, rows, rows)):
        assert any(map(is_attention, openvino.Model([attended], [rows]).get_ordered_ops()))
