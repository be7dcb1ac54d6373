"""The whole way on real pictures with real boxes: read, doctor, train, evaluate in a new process, predict and draw."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.data.loading import write_dataset
from tests.trees import trees


def _kenpin(*words: str) -> str:
    done = subprocess.run([sys.executable, "-m", "kenpin", *words], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("family", ["florence2", "paligemma"])
def test_tree_crowns_from_export_to_boxes(family: str, tmp_path: Path) -> None:
    tiles = trees(tmp_path / "source")
    data, run = tmp_path / "data", tmp_path / "run"
    write_dataset(tiles, data, "voc")
    assert "0 errors" in _kenpin("doctor", str(data))
    _kenpin("train", family, "--base", "toy", "--epochs", "2", "--data", str(data), "--out", str(run))
    evaluation = json.loads((run / "evaluation.json").read_text())
    printed = _kenpin("evaluate", str(run), "--data", str(data), "--split", "validation")
    for name in ("map", "map_50"):
        words = name.replace("_", " ")
        (line,) = (line for line in printed.splitlines() if re.match(rf"{words} +[0-9]\.", line))
        assert float(line.removeprefix(words).split()[0]) == pytest.approx(
            evaluation["measures"][name]["value"], abs=5e-4
        )
    pictures = sorted((data / "JPEGImages").iterdir())[:3]
    lines = _kenpin("predict", str(run), *map(str, pictures), "--draw", str(tmp_path / "drawn")).splitlines()
    assert len(lines) == 3
    assert len(list((tmp_path / "drawn").iterdir())) == 3
