"""The worked examples run from top to bottom, as their authors' notebooks do, and show what they are there to show."""

from __future__ import annotations

import json
import math
import re
import runpy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import kenpin
from kenpin.codecs import florence2
from kenpin.records import Verdict
from kenpin.training.schedules import cosine_with_warmup
from tests.tree import ROOT

Cells = dict[str, Any]
"""The names that a script leaves behind, as a notebook does."""
SCRIPTS = ROOT / "tests" / "worked_examples"


@pytest.fixture
def run_script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, float], Cells]:
    """Runs a script by its name and with so many epochs, into `tmp_path`."""

    def run(name: str, epochs: float) -> Cells:
        monkeypatch.setattr(sys, "argv", [name, str(tmp_path), str(epochs)])
        monkeypatch.setattr(sys, "path", [*sys.path])
        return runpy.run_path(str(SCRIPTS / f"{name}.py"), run_name="__main__")

    return run


def is_drawn(file: Path) -> bool:
    """Whether the picture is there and is not all of one colour."""
    with Image.open(file) as picture:
        return len(set(picture.convert("RGB").resize((64, 64)).get_flattened_data())) > 8


def page_of(file: Path) -> str:
    """A page that loads nothing from elsewhere."""
    page = file.read_text("utf-8")
    assert set(re.findall(r'(?:src|href)="([a-z]+:)', page)) <= {"data:"}
    return page


def all_boxes(file: Path) -> list[tuple[list[float], str, float]]:
    """Boxes, labels and scores of the predictions in a JSON file."""
    found = [row["detections"] for row in json.loads(file.read_text("utf-8"))["predictions"]]
    rows = [zip(one["boxes_xyxy_px"], one["labels"], one["scores"], strict=True) for one in found if one["labels"]]
    return [row for of_picture in rows for row in of_picture]


def check_terminals(cells: Cells, out: Path, pictures: int) -> None:
    """What the example on terminals shows, however little it was trained."""
    classes = {"passed", "Xplus", "Xminus", "Yplus", "Yminus"}
    assert set(cells["data"].classes) == classes
    assert f"{pictures} pictures, 5 classes, 3 splits." in page_of(out / "look.html")
    assert {file.stem for file in (out / "classes").iterdir() if is_drawn(file)} == classes
    assert set(cells["before"].probabilities) == {"ok", "scratch"}, "the base has classes of its own"
    assert "a flip can turn one class into another" in cells["trap"]

    run: kenpin.Run = cells["run"]
    assert run.record.options["flip_horizontal"]["Xplus"] == "Xminus"
    assert [kept.name for kept in (run / "checkpoints").glob("checkpoint-*")] != []
    assert len([*(run / "checkpoints").glob("checkpoint-*")]) <= 2
    assert [epoch for epoch, *_ in cells["losses"]] == sorted({epoch for epoch, *_ in cells["losses"]})
    assert "Confusion" in page_of(run / "report.html")
    assert json.loads((out / "evaluation.json").read_text("utf-8"))["split"] == "test"

    for way in ("rollout", "relevance"):
        (looked,) = cells["maps"][way]
        assert looked.values.shape == (64, 64)
        assert np.nanmax(looked.values) > np.nanmin(looked.values)
        assert is_drawn(out / f"{way}.png")
    assert is_drawn(out / "explained.png")
    assert cells["judgement"].verdict in Verdict
    assert is_drawn(out / "drawn" / "0001-photograph.png")
    assert cells["further"].record.base_id == str(out / "own-checkpoint")


def test_terminals_in_a_few_steps(run_script: Callable[[str, float], Cells], tmp_path: Path) -> None:
    check_terminals(run_script("vit_terminals", 1), tmp_path, 60)


@pytest.mark.slow
def test_terminals_are_learned(run_script: Callable[[str, float], Cells], tmp_path: Path) -> None:
    cells = run_script("vit_terminals", 12)
    check_terminals(cells, tmp_path, 240)
    run: kenpin.Run = cells["run"]
    assert (run.evaluation.measures["accuracy"].value or 0) >= 0.8
    assert cells["predictor"](cells["photograph"]).label == "Yminus"
    assert cells["judgement"].verdict is Verdict.FAIL
    assert run.record.options["evaluate_every"] == 20


@pytest.mark.slow
def test_plates_are_detected_in_the_plants_own_words(run_script: Callable[[str, float], Cells], tmp_path: Path) -> None:
    cells = run_script("florence2_detection", 10)
    labels = set(cells["LABELS"])
    assert set(cells["data"].classes) == labels
    for row, example in zip(cells["hub"]["test"], cells["test"], strict=True):
        assert florence2.encode(example.boxes, cells["SIZE_WH"]) == row["suffix"]
    assert cells["data"].column("split").count("validation") == 12, "a fifth of 60"
    assert "72 pictures, 3 classes, 3 splits." in page_of(tmp_path / "look.html")
    assert all(map(is_drawn, (tmp_path / "truth").iterdir()))
    assert len([*(tmp_path / "truth").iterdir()]) == 4

    known = labels | {"apple", "ball", "cup"}
    assert any(len(one.detections) for one in cells["zero_shot"]), "the stand-in finds something"
    assert {label for one in cells["zero_shot"] for label in one.detections.labels} <= known
    assert len([*(tmp_path / "zero-shot").iterdir()]) == 12

    run: kenpin.Run = cells["run"]
    assert [epoch for epoch, *_ in cells["losses"]] == list(range(11))
    assert cells["losses"][-1][2] < cells["losses"][1][2], "the validation loss falls"
    assert len(cells["steps"]) == 10, "a checkpoint of every epoch"
    page = page_of(run / "evolution.html")
    assert [f"Epoch {epoch}" in page for epoch in (1, 5, 10)] == [True] * 3
    assert page.count("<b>Before training</b>") == 1
    assert labels <= set(run.evaluation.labels)
    assert sum(map(sum, run.evaluation.confusion)) >= 12
    page_of(run / "report.html")

    assert (tmp_path / "attention.png").is_file() == bool(cells["looked"].maps)
    boxes = all_boxes(tmp_path / "photograph.json")
    assert {label for _, label, _ in boxes} <= labels
    assert all(0 <= x1 <= x2 <= 1280 and 0 <= y1 <= y2 <= 960 for (x1, y1, x2, y2), *_ in boxes)
    assert all(0 <= score <= 1 for *_, score in boxes)
    assert is_drawn(tmp_path / "drawn" / "0001-photograph.png")
    assert type(cells["network"]).__name__ == "Florence2ForConditionalGeneration"
    assert len(cells["again"]) == 12


@pytest.mark.slow
def test_vectors_become_items_and_negative_cases_are_kept_out(
    run_script: Callable[[str, float], Cells], tmp_path: Path
) -> None:
    cells = run_script("siamese_mt", 10)
    measures = {name: run.evaluation.measures for name, run in cells["planes"].items()}
    silhouettes = {name: of["silhouette"].value for name, of in measures.items()}
    assert silhouettes["siamese"] > silhouettes["softmax"], "the classes of the Siamese network overlap less"
    assert all(of["knn_accuracy"].value > 0.3 for of in measures.values())
    assert page_of(tmp_path / "planes.html").count("<figure") >= 3

    assert cells["medians"]["ok"] < 3
    assert cells["medians"]["scratch"] > 10 * cells["medians"]["ok"]
    assert "0 are left to decide by" in cells["refused"]
    mt: kenpin.Run = cells["mt"]
    assert (mt.evaluation.measures["auroc"].value or 0) >= 0.9
    assert 0 < sum(gain["kept"] for gain in cells["selection"]["gains"]) < 32
    assert cells["judgement"].verdict is Verdict.FAIL
    assert all(map(is_drawn, (tmp_path / "alike").iterdir()))

    assert {one.case.verdict.value for one in cells["wanted"]} == {"POSITIVE"}
    assert cells["nearest"][0].case.verdict.value == "NEGATIVE"
    assert cells["nearest"][0].distance == pytest.approx(0, abs=1e-5)
    assert "CUDA" in cells["four_bit"]
    assert "".join(cells["streamed"]), "what the toy babbles has no spaces, and comes in one piece"
    (described,) = json.loads((tmp_path / "described.json").read_text("utf-8"))["descriptions"]
    assert described


@pytest.mark.slow
def test_fractures_are_learned_by_attention_alone(run_script: Callable[[str, float], Cells], tmp_path: Path) -> None:
    cells = run_script("paligemma_fractures", 6)
    labels = set(cells["LABELS"])
    assert set(cells["data"].classes) == labels
    assert "64 pictures, 2 classes, 1 split" in page_of(tmp_path / "examples.html")
    assert len(cells["answers"]) == 3
    assert all(answer.text for answer in cells["answers"].values())
    assert [len([*(tmp_path / name).iterdir()]) for name in ("zero-shot", "after")] == [12, 12]

    steps = cells["steps"]
    assert [step.step for step in steps] == list(range(1, 49))
    rates = [cosine_with_warmup(step, 49, 0.03, 0.10) for step in range(1, 49)]
    assert [step.learning_rate for step in steps] == pytest.approx(rates)
    assert steps[-1].loss < steps[0].loss
    run: kenpin.Run = cells["run"]
    assert page_of(run / "evolution.html").count("<b>Before training</b>") == 1
    page_of(run / "report.html")

    before = dict(_weights(tmp_path / "paligemma-base"))
    changed = {name for name, weight in cells["network"].named_parameters() if not weight.equal(before[name])}
    assert changed
    assert all("language_model" in name and "self_attn" in name for name in changed)

    boxes = all_boxes(tmp_path / "photograph.json")
    assert {label for _, label, _ in boxes} <= labels
    assert all(0 <= side <= 1024 and math.isfinite(score) for box, _, score in boxes for side in box)
    assert is_drawn(tmp_path / "drawn" / "0001-photograph.png")
    assert (tmp_path / "attention-0.png").is_file() == bool(cells["looked"][0].maps)


def _weights(folder: Path) -> Any:
    from transformers import PaliGemmaForConditionalGeneration

    return PaliGemmaForConditionalGeneration.from_pretrained(folder).named_parameters()
