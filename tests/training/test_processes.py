"""Two processes learn what one learns from batches twice as large."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kenpin.data.loading import write_dataset
from kenpin.predictor import load_predictor
from tests.objects import joined, made_objects


def _train(launcher: list[str], data: Path, out: Path, *options: str) -> list[dict[str, float]]:
    command = [
        *[sys.executable, "-m", *launcher, "kenpin", "train", *options, "--data", str(data), "--out", str(out)],
        *["--base", "toy", "--epochs", "4", "--evaluate-every", "8", "--precision", "fp32", "--max-new-tokens", "16"],
        "--no-report",
    ]
    one_thread = {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=os.environ | one_thread, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(out)]  # one of them speaks
    assert done.stderr.count("before training") == done.stderr.count("epoch 4 of 4") == 1
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [row for row in rows if "loss" in row]


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        ("florence2", "--tuning", "full"),
        ("paligemma", "--tuning", "attention", "--loss", "example"),
        ("paligemma", "--tuning", "lora", "--lora-dropout", "0"),
    ],
    ids=" ".join,
)
def test_two_processes_have_the_loss_curve_of_one(options: tuple[str, ...], tmp_path: Path) -> None:
    data = tmp_path / "data"
    write_dataset(joined(made_objects(32), made_objects(4, first=80, split="validation")), data, "coco")
    two = ["torch.distributed.run", "--nproc-per-node", "2", "-m"]
    together = _train(two, data, tmp_path / "two", *options, "--batch-size", "4")
    alone = _train([], data, tmp_path / "one", *options, "--batch-size", "8")
    assert [row["step"] for row in together] == [row["step"] for row in alone] != []
    for one, other in zip(together, alone, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
    said = [list(load_predictor(tmp_path / run).predict(made_objects(3, first=200))) for run in ("one", "two")]
    assert [p.text for p in said[0]] == [p.text for p in said[1]]


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Answers differ in length, so that a mean of means would be another number."""
    from kenpin.training import train

    data = joined(made_objects(16), made_objects(2, first=80, split="validation"))
    losses = []
    for batch_size, accumulate in ((8, 1), (2, 4)):
        run = train(
            "paligemma",
            data="-",
            dataset=data,
            out=tmp_path / f"{accumulate}",
            base="toy",
            epochs=5,
            batch_size=batch_size,
            accumulate=accumulate,
            evaluate_every=100,
            precision="fp32",
            max_new_tokens=8,
            report=False,
        )
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses.append([row["loss"] for row in rows if "loss" in row])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
