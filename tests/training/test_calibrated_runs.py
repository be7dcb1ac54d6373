"""A calibrated run says probabilities, ranks and decides as before, as the threshold's pictures taught it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset
from kenpin.data.splitting import split_by_ratio
from kenpin.errors import OptionError, RunError
from kenpin.files import read_json
from kenpin.models.calibrated import read_calibration
from kenpin.predictor import Predictor, load_predictor
from kenpin.prototypes import add_prototypes
from kenpin.quality.calibration import Calibration, Method, fit_calibration, inside_unit, unit_of_distance
from kenpin.quality.threshold import judge
from kenpin.records import Detections, Example, ImageSource, Prediction
from kenpin.records_json import evaluation_from_json
from kenpin.run.record import space_of
from kenpin.targets import Target
from kenpin.training import train
from kenpin.training.calibrating import calibrate
from tests.builders import write_picture
from tests.pictures import write_parts

WAYS: list[tuple[str, Method, dict[str, Any]]] = [
    ("classifier", "isotonic", {}),
    ("classifier", "platt", {"tuning": "full", "epochs": 1}),
    ("mahalanobis", "isotonic", {}),
    ("mahalanobis", "platt", {}),
    ("mahalanobis", "platt", {"where": "pooled"}),
    ("embedder", "isotonic", {"tuning": "head", "epochs": 1}),
]


@pytest.fixture(scope="module")
def split(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Parts of which a third each trains, is decided on and is tested on."""
    dataset = load_dataset(write_parts(tmp_path_factory.mktemp("more") / "parts", count=120))
    return split_by_ratio(dataset, {"train": 0.34, "validation": 0.33, "test": 0.33}, seed=0)


def _said(run: Path, pictures: Dataset) -> tuple[Predictor, list[Prediction]]:
    predictor = load_predictor(run)
    return predictor, list(predictor.predict(pictures))


@pytest.mark.parametrize(("family", "method", "values"), WAYS)
def test_scores_become_probabilities_and_decisions_stay(
    family: str, method: Method, values: dict[str, Any], split: Dataset, tmp_path: Path
) -> None:
    common: dict[str, Any] = {"data": "-", "dataset": split, "base": "toy", "report": False, **values}
    plain, before = _said(train(family, out=tmp_path / "plain", **common), split.of_split("test"))
    run = train(family, out=tmp_path / "calibrated", calibrate=method, **common)
    calibrated, now = _said(run, split.of_split("test"))
    assert "model/calibration.json" in read_json(run / "run.json")["files"]
    assert plain.record is not None
    assert calibrated.record is not None
    assert space_of(plain.record) == space_of(calibrated.record)
    assert plain.threshold is not None
    assert calibrated.threshold is not None
    assert all(one.uncalibrated_score is None for one in before)
    for one, other in zip(before, now, strict=True):
        assert other.uncalibrated_score == pytest.approx(one.defect_score, rel=1e-5)
        assert other.distance == (other.uncalibrated_score if family == "mahalanobis" else None)
        assert other.defect_score is not None
        assert 0 < other.defect_score < 1
        assert judge(one, plain.threshold).verdict is judge(other, calibrated.threshold).verdict
        if other.probabilities is not None:
            assert sum(other.probabilities.values()) == pytest.approx(1)
            assert other.probabilities["scratch"] == pytest.approx(other.defect_score)
            assert other.label == max(other.probabilities, key=lambda label: (other.probabilities or {})[label])
    order = np.argsort([one.uncalibrated_score or 0.0 for one in now])
    assert (np.diff([now[place].defect_score or 0.0 for place in order]) >= 0).all()
    # the curve is that of the validation pictures, and of no others
    validation = split.of_split("validation")
    raw = [one.defect_score or 0.0 for one in plain.predict(validation)]
    units = [inside_unit(unit_of_distance(score) if family == "mahalanobis" else score) for score in raw]
    expected, _ = fit_calibration(units, [label == "scratch" for label in validation.column("label")], method)
    found = read_calibration(run / "model")
    assert expected is not None
    assert found is not None
    asked = np.linspace(0.05, 0.95, 19)
    assert found.apply(asked) == pytest.approx(expected.apply(asked), abs=1e-3)
    measures = evaluation_from_json(read_json(run / "evaluation.json")).measures
    assert measures["calibration_error"].value is not None
    assert ("calibration_error_before" in measures) is (family != "mahalanobis")


def test_where_a_fit_is_cheap_the_curve_is_that_of_the_folds(few_parts: Path, tmp_path: Path) -> None:
    run = train("mahalanobis", data=str(few_parts), out=tmp_path / "run", base="toy", calibrate="platt", report=False)
    notes = " ".join(read_json(run / "run.json")["notes"])
    assert "Scores are calibrated (platt) on 48 parts, 24 of them defective." in notes
    assert "each scored by a fit without it" in notes


class _Detector:
    """As much of a detector as is calibrated."""

    calibration: Calibration | None = None

    def calibrated(self, prediction: Prediction) -> Prediction:
        """What was found, with other scores."""
        found = prediction.detections or Detections()
        assert self.calibration is not None
        scores = tuple(self.calibration.apply(found.scores or ()).tolist())
        return replace(prediction, detections=replace(found, scores=scores))


def test_boxes_are_calibrated_by_whether_they_match(tmp_path: Path) -> None:
    chance = np.random.default_rng(0)
    examples, said, scores, right = [], [], [], []
    for number in range(40):
        hit, miss = chance.uniform(0.3, 1, 2)
        path = str(write_picture(tmp_path / f"{number}.png", number))
        true = Detections(((2.0, 2.0, 12.0, 12.0),), ("dent",))
        examples.append(Example(str(number), ImageSource(path), boxes=true))
        boxes = ((2.0, 2.0, 12.0, 12.0), (20.0, 2.0, 30.0, 12.0))
        said.append(Prediction(str(number), detections=Detections(boxes, ("dent", "dent"), (hit, miss**2))))
        scores += [hit, miss**2]
        right += [True, False]
    detector: Any = _Detector()
    pictures = Dataset.from_examples(examples)
    moved, sentence = calibrate(detector, "platt", pictures, said, [True] * 40, Target.BOXES)
    expected, _ = fit_calibration(scores, right, "platt")
    assert detector.calibration == expected
    assert sentence == "Scores are calibrated (platt) on 80 detections, 40 of them right."
    after = moved[0].detections
    assert after is not None
    assert after.scores == pytest.approx(detector.calibration.apply(scores[:2]).tolist())


def test_a_changed_curve_is_refused(split: Dataset, tmp_path: Path) -> None:
    run = train(
        "classifier", data="-", dataset=split, out=tmp_path / "run", base="toy", calibrate="platt", report=False
    )
    curve = run / "model" / "calibration.json"
    curve.write_text(json.dumps({"slope": 9.0, "offset": 0.0}))
    with pytest.raises(RunError, match=r"calibration\.json: is not the file that was trained"):
        load_predictor(run)


def test_classes_added_later_are_judged_on_the_same_scale(split: Dataset, tmp_path: Path) -> None:
    run = train(
        "embedder", data="-", dataset=split, out=tmp_path / "run", base="toy", tuning="head", epochs=1,
        calibrate="platt", report=False,
    )  # fmt: skip
    test = split.of_split("test")
    labels = ["dent" if label == "scratch" else label for label in test.column("label")]
    more = add_prototypes(run, test.with_labels(labels, ("ok", "dent")), tmp_path / "more")
    _, said = _said(more, test)
    assert all(one.uncalibrated_score is not None for one in said)
    judged = evaluation_from_json(read_json(more / "evaluation.json")).judged
    assert all(part.prediction.uncalibrated_score is not None for part in judged)
    curve = read_calibration(more / "model")
    assert curve is not None
    assert said[0].defect_score == pytest.approx(float(curve.apply([said[0].uncalibrated_score or 0.0])[0]))


def test_a_family_without_scores_is_refused_before_it_learns(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kenpin.training.start.Calibrated", type("Nobody", (), {}))
    with pytest.raises(OptionError, match="family classifier gives no scores to calibrate; leave it out"):
        train("classifier", data=str(parts), out=tmp_path / "run", base="toy", calibrate="platt")
    assert not (tmp_path / "run").exists()


def test_what_cannot_be_calibrated_is_refused_or_told(parts: Path, tmp_path: Path) -> None:
    common: dict[str, Any] = {"data": str(parts), "base": "toy", "report": False}
    with pytest.raises(OptionError, match="`limit` chi-square holds for the distance itself"):
        train("mahalanobis", out=tmp_path / "run", calibrate="platt", limit="chi-square", **common)
    few = load_dataset(parts).select([*range(20), *range(60, 64)])
    run = train("classifier", out=tmp_path / "run", calibrate="isotonic", dataset=few, **common)
    assert any(
        note.startswith("Scores are not calibrated: 24 parts, 4") for note in read_json(run / "run.json")["notes"]
    )
    assert read_calibration(run / "model") is None
