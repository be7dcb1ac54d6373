"""Toy detectors learn made pictures by heart with their default settings, and say the same in a new process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.data.loading import load_dataset, write_dataset
from kenpin.evaluation import evaluate
from kenpin.predictor import load_predictor
from kenpin.training import train
from tests.objects import LABELS, joined, made_objects


@pytest.mark.slow
@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_a_toy_learns_32_pictures_by_heart(family: str, tmp_path: Path) -> None:
    write_dataset(
        joined(made_objects(32), made_objects(4, first=80, split="validation", empty=2)), tmp_path / "data", "coco"
    )
    run = train(family, data=str(tmp_path / "data"), out=tmp_path / "run", base="toy")
    dataset = load_dataset(tmp_path / "data")
    here = evaluate(load_predictor(run), dataset, ok_labels=(), threshold=None, split="train")
    assert here.labels[: len(LABELS)] == LABELS
    assert (here.measures["map_50"].value or 0.0) >= 0.9
    command = [
        "evaluate",
        str(run),
        "--data",
        str(tmp_path / "data"),
        "--split",
        "train",
        "--json",
        str(tmp_path / "e.json"),
    ]
    subprocess.run([sys.executable, "-m", "kenpin", *command], check=True, capture_output=True)
    there = json.loads((tmp_path / "e.json").read_text())
    for name in ("map", "map_50", "map_75", "box_precision", "box_recall"):
        assert there["measures"][name]["value"] == pytest.approx(here.measures[name].value, abs=1e-9)
