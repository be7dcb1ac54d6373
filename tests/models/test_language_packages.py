"""Florence-2 without torch: an engine writes the same answers with the same scores, in a run and in a package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.dataset import Dataset
from kenpin.errors import MissingExtraError, RunError
from kenpin.export import export_package
from kenpin.models.package.record import hashes_below, read_package_record, write_package_record
from kenpin.predictor import load_predictor
from kenpin.records import Prediction
from kenpin.runtime import version_of
from kenpin.targets import Target
from tests.objects import made_objects
from tests.toy_runs import trained

if version_of("openvino") is None:
    pytest.skip("the extra openvino is not installed", allow_module_level=True)
CLOSE = 1e-4
LEARNS = {"epochs": 2, "learning_rate": 3e-3}


@pytest.fixture(scope="module")
def pictures() -> Dataset:
    return made_objects(5, first=80)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    return trained("florence2", tmp_path_factory.mktemp("florence2") / "run", None, beams=3, **LEARNS)


@pytest.fixture(scope="module")
def expected(run: Path, pictures: Dataset) -> list[Prediction]:
    """What torch answers."""
    answers = list(load_predictor(run, engine="torch").predict(pictures))
    longest = max((one.text or "").count("<loc_") for one in answers)
    assert longest > 16, "more tokens than OpenVINO's own attention of one query gets right"
    return answers


@pytest.fixture(scope="module")
def package(run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Read only."""
    return export_package(run, tmp_path_factory.mktemp("package") / "package", to="openvino")


def _check(found: Sequence[Prediction], expected: Sequence[Prediction]) -> None:
    for one, wanted in zip(found, expected, strict=True):
        assert (one.id, one.text, one.rejected) == (wanted.id, wanted.text, wanted.rejected)
        assert one.detections is not None
        assert wanted.detections is not None
        assert one.detections.boxes_xyxy_px == wanted.detections.boxes_xyxy_px
        assert one.detections.scores == pytest.approx(wanted.detections.scores, rel=CLOSE)
        assert one.defect_score == pytest.approx(wanted.defect_score, rel=CLOSE)


def test_a_run_writes_the_same_answers_on_an_engine(run: Path, pictures: Dataset, expected: list[Prediction]) -> None:
    predictor = load_predictor(run, engine="openvino")
    assert predictor.engine.startswith("openvino")
    _check(list(predictor.predict(pictures)), expected)
    (asked,) = predictor.prompted("<CAPTION>").predict([pictures[0]])
    (by_torch,) = load_predictor(run, engine="torch").prompted("<CAPTION>").predict([pictures[0]])
    assert asked.text == by_torch.text


def test_a_package_writes_the_same_answers(
    run: Path, package: Path, pictures: Dataset, expected: list[Prediction]
) -> None:
    predictor, before = load_predictor(package), load_predictor(run, engine="torch")
    assert (predictor.target, predictor.labels) == (Target.BOXES, before.labels)
    assert predictor.threshold == before.threshold
    found = list(predictor.predict(pictures))
    _check(found, expected)
    _check([predictor.predict(pictures[3])], expected[3:4])
    if before.threshold is not None:
        assert [predictor.judge(one).verdict for one in found] == [before.judge(one).verdict for one in expected]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("to", "options"),
    [
        ("onnx", {"beams": 3}),
        ("openvino", {"tuning": "lora"}),
        ("openvino", {"constrained": False, "max_new_tokens": 20}),
    ],
    ids=str,
)
def test_packages_of_other_runs_write_the_same_answers(
    to: Any, options: dict[str, Any], tmp_path: Path, pictures: Dataset
) -> None:
    run = trained("florence2", tmp_path / "run", None, **LEARNS, **options)
    package = export_package(run, tmp_path / "package", to="openvino")
    _check(list(load_predictor(package).predict(pictures)), list(load_predictor(run, engine="torch").predict(pictures)))


def test_a_package_needs_neither_torch_nor_transformers(package: Path) -> None:
    code = (
        "import sys; from kenpin.predictor import load_predictor; import numpy as np; "
        f"said = load_predictor({str(package)!r}).predict(np.zeros((64, 64, 3), np.uint8)); "
        "print(said.text is not None, {'torch', 'transformers'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=os.environ, check=False)
    assert done.stdout.split() == ["True", "set()"], done.stderr


def test_without_tokenizers_it_says_what_is_missing(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    with pytest.raises(MissingExtraError, match=r"kenpin\[words\]"):
        load_predictor(package)


@pytest.mark.parametrize("file", ["words.json", "tokenizer.json", "step/model.xml"])
def test_a_decision_that_is_none_is_named(file: str, package: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(package, tmp_path / "package")
    (copy / "decision" / file).write_text("{}")
    record = read_package_record(package)
    write_package_record(copy, record.model_copy(update={"files": hashes_below(copy)}))
    with pytest.raises(RunError, match=file.rsplit("/", 1)[-1]):
        load_predictor(copy)
