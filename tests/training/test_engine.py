"""What each setting of gradient training does, by its effect on the run folder."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from kenpin.data.dataset import Dataset
from kenpin.data.folds import random_folds
from kenpin.data.loading import load_dataset
from kenpin.decision_options import DecisionOptions
from kenpin.errors import DatasetError, LabelError, MissingExtraError, OptionError
from kenpin.records import Detections, Prediction
from kenpin.targets import Target
from kenpin.training import train
from kenpin.training.decision import decide
from kenpin.training.parts import divide, hold_out_validation
from kenpin.training.precision import choose_precision


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def _train(parts: Path, out: Path, **values: Any) -> Path:
    settings = {"base": "toy", "tuning": "full", "epochs": 2, "batch_size": 8, "report": False, **values}
    return train("classifier", data=str(parts), out=out, **settings)


def _curve(run: Path, name: str) -> dict[int, float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row[name] for row in rows if name in row}


def test_the_shipped_weights_are_those_of_the_least_validation_loss(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # which step has the least loss hangs on the last digit of its arithmetic: here the fourth has
    told = iter([0.9, 0.5, 0.7, 0.2, 0.4])
    monkeypatch.setattr("kenpin.training.engine._Loop._validation_loss", lambda _: next(told))
    settings = {"epochs": 5, "batch_size": 16, "learning_rate": 0.05, "warmup_share": 0.0, "patience": None}
    run = _train(parts, tmp_path / "run", **settings)
    losses = _curve(run, "eval_loss")
    best = sorted(losses)[3]
    assert losses[best] == 0.2
    assert f"at step {best}" in " ".join(json.loads((run / "run.json").read_text())["notes"])
    assert _ships(run, best)


def test_half_precision_is_for_learning_alone(parts: Path, tmp_path: Path) -> None:
    """Threshold and figures come from the arithmetic that the run is loaded with, on the same device."""
    run = train(
        "classifier", data=str(parts), out=tmp_path / "run", base="toy", tuning="full", epochs=1, precision="bf16"
    )
    judged = run.evaluation.judged
    pictures = load_dataset(parts)
    at = {id: row for row, id in enumerate(pictures.column("id"))}
    again = run.predictor().predict(pictures.select(at[part.id] for part in judged))
    # bf16 would move scores in their third digit; where numbers lie in memory may move the last one of fp32
    assert [one.defect_score for one in again] == pytest.approx(
        [part.prediction.defect_score for part in judged], rel=1e-5
    )


def _ships(run: Path, step: int) -> bool:
    from safetensors.torch import load_file

    learned = load_file(run / "checkpoints" / f"checkpoint-{step}" / "learned.safetensors")
    shipped = load_file(run / "model" / "weights" / "model.safetensors")
    # published names differ from the network's own, the tensors do not
    sums = [sorted(float(v.double().sum()) for v in tensors.values()) for tensors in (learned, shipped)]
    return sums[0] == sums[1]


def test_as_many_checkpoints_as_allowed_are_kept_the_best_among_them(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", epochs=5, save_total_limit=2, learning_rate=0.02, warmup_share=0.0)
    losses = _curve(run, "eval_loss")
    kept = {int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*")}
    assert len(kept) == 2
    assert min(losses, key=lambda step: losses[step]) in kept


def test_patience_ends_a_training_that_brings_nothing(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", epochs=30, learning_rate=1e-12, patience=2)
    assert len(_curve(run, "eval_loss")) <= 4
    assert "stopped early" in " ".join(json.loads((run / "run.json").read_text())["notes"])


def test_evaluations_come_as_often_as_asked(parts: Path, tmp_path: Path) -> None:
    settings = {"evaluate_every": 3, "save_every": 6, "save_total_limit": 9, "batch_size": 7, "learning_rate": 1e-12}
    run = _train(parts, tmp_path / "run", **settings)  # 12 steps
    losses = _curve(run, "eval_loss")
    assert list(losses)[:3] == [3, 6, 9]
    better = [step for step in losses if losses[step] < min([losses[s] for s in losses if s < step], default=9)]
    kept = {int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*")}
    assert kept == set(better) | {step for step in losses if step % 6 == 0}


def test_the_best_is_kept_where_no_checkpoint_was_due(parts: Path, tmp_path: Path) -> None:
    settings = {"epochs": 5, "batch_size": 16, "learning_rate": 0.05, "warmup_share": 0.0, "patience": None}
    run = _train(parts, tmp_path / "run", evaluate_every=1, save_every=30, **settings)
    losses = _curve(run, "eval_loss")
    best = min(losses, key=lambda step: losses[step])
    assert best % 30, "a checkpoint was due at the best step: the test says nothing"
    assert _ships(run, best)


@pytest.mark.parametrize("values", [{"save_every": 5}, {"save_every": 5, "evaluate_every": 3}])
def test_checkpoints_that_were_not_evaluated_are_refused(parts: Path, tmp_path: Path, values: dict[str, int]) -> None:
    with pytest.raises(OptionError, match="must have been evaluated"):
        _train(parts, tmp_path / "run", **values)


def test_the_seed_decides(parts: Path, tmp_path: Path) -> None:
    losses = [
        _curve(_train(parts, tmp_path / f"{i}", seed=seed, epochs=1), "eval_loss") for i, seed in enumerate((1, 1, 2))
    ]
    assert losses[0] == losses[1]
    assert losses[0] != losses[2]


def test_workers_change_nothing(parts: Path, tmp_path: Path) -> None:
    runs = [_train(parts, tmp_path / str(n), workers=n, rotate_degrees=5, epochs=1) for n in (0, 2)]
    assert _curve(runs[0], "eval_loss") == _curve(runs[1], "eval_loss")


def test_tensorboard_gets_the_curves(parts: Path, tmp_path: Path) -> None:
    run = _train(parts, tmp_path / "run", tracker="tensorboard", epochs=1)
    assert list(run.rglob("events.out.tfevents.*"))


def test_a_tracker_that_is_not_installed_names_its_extra(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingExtraError, match=r'pip install "kenpin\[mlflow\]"'):
        _train(parts, tmp_path / "run", tracker="mlflow")


def test_precision_is_what_the_device_computes_and_is_said() -> None:
    cpu = torch.device("cpu")
    best, why = choose_precision("auto", cpu)
    assert best in ("bf16", "fp32")
    assert best in why
    assert choose_precision("fp32", cpu)[0] == "fp32"
    with pytest.raises(OptionError, match="fp16 is not for training on a CPU"):
        choose_precision("fp16", cpu)


def test_a_class_of_the_test_split_alone_is_refused_before_training(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    labels = dataset.column("label")
    labels[-1] = "dent"
    splits = ["train"] * (len(labels) - 1) + ["test"]
    strange = dataset.with_labels(labels, ("ok", "scratch", "dent")).with_splits(splits)
    with pytest.raises(LabelError, match="split test holds 1 picture of class dent"):
        train("classifier", dataset=strange, data="-", out=tmp_path / "run", base="toy")


def test_nothing_labelled_is_one_sentence(parts: Path, tmp_path: Path) -> None:
    dataset = load_dataset(parts)
    with pytest.raises(DatasetError, match="none of its 48 pictures has a label, and classifier learns from labels"):
        train(
            "classifier",
            dataset=dataset.with_labels([None] * len(dataset), ()),
            data="-",
            out=tmp_path / "r",
            base="toy",
        )


def test_without_a_validation_split_a_fit_uses_all_pictures_and_decides_on_unseen_ones(
    parts: Path, tmp_path: Path
) -> None:
    run = train("classifier", data=str(parts), out=tmp_path / "run", base="toy")
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["split"] == "cross-validation"
    assert len(evaluation["judged"]) == 48
    record = json.loads((run / "run.json").read_text())
    assert record["dataset"]["counts"] == {"train": {"ok": 24, "scratch": 24}}
    assert "10 folds" in record["threshold"]["basis"]


def test_groups_stay_together_when_validation_pictures_are_held_out(parts: Path, tmp_path: Path) -> None:
    lots = Dataset.from_examples(replace(e, group=f"lot {i % 12}") for i, e in enumerate(load_dataset(parts)))
    halves = hold_out_validation(divide(lots, Target.LABEL), 0.25, seed=0)
    assert halves.validation is not None
    assert not set(halves.training.column("group")) & set(halves.validation.column("group"))
    folds = random_folds(lots, 4, seed=0)
    of_group: dict[str, set[int]] = {}
    for fold, group in zip(folds, lots.column("group"), strict=True):
        of_group.setdefault(group, set()).add(fold)
    assert all(len(seen) == 1 for seen in of_group.values())
    assert set(folds) == {0, 1, 2, 3}


def test_pictures_of_splits_that_are_not_used_are_counted(parts: Path) -> None:
    dataset = load_dataset(parts)
    splits = ["train", "holdout", None, "test"] * (len(dataset) // 4)
    notes = " ".join(divide(dataset.with_splits(splits), Target.LABEL).notes)
    assert "12 pictures of split 'holdout' were left out" in notes
    assert "12 pictures without a split were left out" in notes
    assert divide(dataset, Target.LABEL).notes == ()


def test_annotations_of_the_other_kind_name_the_families_for_them(parts: Path) -> None:
    labelled = load_dataset(parts).select(range(3))
    boxed = Dataset.from_examples(replace(example, label=None, boxes=Detections()) for example in labelled)
    with pytest.raises(DatasetError, match="boxes and no labels of whole pictures; train a family for boxes"):
        divide(boxed, Target.LABEL)
    with pytest.raises(DatasetError, match="labels of whole pictures and no boxes; train a family for whole pictures"):
        divide(labelled, Target.BOXES)


def test_as_many_folds_as_groups_where_these_are_fewer(parts: Path, tmp_path: Path) -> None:
    lots = Dataset.from_examples(replace(e, group=f"lot {i % 3}") for i, e in enumerate(load_dataset(parts)))
    run = train("classifier", dataset=lots, data="-", out=tmp_path / "run", base="toy")
    assert "(3 folds)" in json.loads((run / "run.json").read_text())["threshold"]["basis"]


def test_scores_that_do_not_separate_fail_everything_and_say_so() -> None:
    predictions = [Prediction(str(n), defect_score=0.5) for n in range(20)]
    options = DecisionOptions()
    threshold, why = decide(predictions, [True, False] * 10, options, "validation pictures")
    assert threshold is not None
    assert threshold.fail_from == -math.inf
    assert why.startswith("Every part fails, for the scores do not separate")
    assert threshold.basis == why
    assert "inf" not in why
