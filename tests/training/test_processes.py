"""Processes that a launcher or the training itself starts: they learn what one learns, and end together."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.dataset import Dataset
from kenpin.data.loading import load_dataset, write_dataset
from kenpin.errors import OptionError, RunError
from kenpin.files import partial_folder
from kenpin.models.checkpoints import latest_checkpoint
from kenpin.predictor import load_predictor
from kenpin.run.layout import CHECKPOINTS
from kenpin.training import Listener, train
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
    together = _train(two, data, tmp_path / "two", *options, "--batch-size", "8")
    alone = _train([], data, tmp_path / "one", *options, "--batch-size", "8")
    assert [row["step"] for row in together] == [row["step"] for row in alone] != []
    for one, other in zip(together, alone, strict=True):
        assert one["loss"] == pytest.approx(other["loss"], rel=1e-4)
        assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-3)
    said = [list(load_predictor(tmp_path / run).predict(made_objects(3, first=200))) for run in ("one", "two")]
    assert [p.text for p in said[0]] == [p.text for p in said[1]]


def test_accumulated_batches_are_one_large_batch(tmp_path: Path) -> None:
    """Answers differ in length, so that a mean of means would be another number."""
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


TOGETHER: dict[str, Any] = {"base": "toy", "tuning": "full", "device": "cpu", "precision": "fp32", "report": False}


@pytest.mark.parametrize(
    ("values", "launched", "sentence"),
    [
        ({"shard": True}, 1, r"option `shard` divides a network among processes; say how many with --processes"),
        ({"processes": 2}, 3, r"option `processes`: a launcher has started 3 processes already .*; leave it out"),
        ({"processes": 5, "batch_size": 4}, 1, r"`batch_size`: 4 is divided among 5 processes.* take at least 5"),
        ({"processes": 2, "tuning": "head", "precision": None}, 1, r"`processes` does nothing with tuning head"),
        (
            {"tuning": "head", "precision": None},
            2,
            r"one pass by one process, and a launcher has started 2; start it alone",
        ),
    ],
)
def test_processes_that_would_do_nothing_are_refused(
    few_parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    launched: int,
    sentence: str,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", str(launched))
    how = {name: value for name, value in (TOGETHER | values).items() if value is not None}
    with pytest.raises(OptionError, match=sentence):
        train("classifier", data=str(few_parts), out=tmp_path / "run", **how)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_training_starts_its_own_processes_on_data_in_memory(few_parts: Path, tmp_path: Path) -> None:
    data = load_dataset(few_parts)
    said: list[str] = []
    losses = []
    for processes in (1, 2):
        how: dict[str, Any] = TOGETHER | {"processes": processes, "shard": processes > 1, "epochs": 2, "batch_size": 8}
        run = train(
            "classifier", dataset=data, out=tmp_path / f"{processes}", listener=Listener(say=said.append), **how
        )
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        losses.append([row["loss"] for row in rows if "loss" in row])
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert any(sentence.startswith("2 processes train the network, its weights,") for sentence in said)


@pytest.mark.slow
def test_what_ends_a_process_that_was_started_is_told(
    few_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main process holds the pictures in memory, the other one is handed files that are gone meanwhile."""

    class Gone(Dataset):
        def __reduce__(self) -> tuple[Any, ...]:
            return load_dataset, (str(tmp_path / "gone"),)

    data = load_dataset(few_parts)
    monkeypatch.setattr(type(data), "__reduce__", Gone.__reduce__, raising=False)
    with pytest.raises(RunError, match=r"process 1 of 2 ended \(.*gone.*\); there was no checkpoint yet"):
        train("classifier", dataset=data, out=tmp_path / "run", processes=2, **TOGETHER)
    assert list(tmp_path.iterdir()) == []


def _started(out: Path, data: Path, *options: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "kenpin", "train", "classifier", "--data", str(data), "--out", str(out)]
    command += ["--base", "toy", "--tuning", "full", "--device", "cpu", "--no-report", "--patience", "none"]
    command += ["--epochs", "100000", "--processes", "2", *options]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command,
        env=environment,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        # a shell's background job ignores Ctrl-C, and so would what the tests start there
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def _followers(main: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{main.pid}/task/{main.pid}/children").read_text().split()
    return [int(child) for child in children]


def _newest(out: Path) -> int:
    found = [path for path in (partial_folder(out) / CHECKPOINTS).glob("checkpoint-*") if path.suffix == ""]
    return max((int(path.name.removeprefix("checkpoint-")) for path in found), default=0)


def _await_further_checkpoint(main: subprocess.Popen[str], out: Path) -> None:
    before = _newest(out)
    while _newest(out) <= before:
        if main.poll() is not None:
            raise AssertionError(main.communicate()[1])
        time.sleep(0.05)


@pytest.mark.slow
def test_a_process_that_is_killed_ends_the_training_with_a_sentence_and_ctrl_c_leaves_none(
    few_parts: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with _started(out, few_parts, "--shard") as main:
        _await_further_checkpoint(main, out)
        (follower,) = _followers(main)
        os.kill(follower, signal.SIGKILL)
        _, told = main.communicate(timeout=120)
    assert main.returncode == 2
    assert told.splitlines()[-1] == (
        "kenpin: process 1 of 2 ended (killed by SIGKILL); the training is where its last checkpoint was: continue it "
        "with --resume."
    )
    with _started(out, few_parts, "--resume") as main:
        _await_further_checkpoint(main, out)
        (follower,) = _followers(main)
        main.send_signal(signal.SIGINT)
        _, told = main.communicate(timeout=120)
    assert main.returncode == 130
    assert "goes on with --resume" in told.splitlines()[-1]
    assert "Traceback" not in told
    assert not Path(f"/proc/{follower}").exists()
    assert latest_checkpoint(partial_folder(out) / CHECKPOINTS) is not None
    with _started(out, few_parts, "--resume") as main:
        _await_further_checkpoint(main, out)
        (follower,) = _followers(main)
        main.kill()
        main.wait()
    until = time.monotonic() + 60
    while Path(f"/proc/{follower}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{follower}").exists(), "a process outlives the one that started it"
