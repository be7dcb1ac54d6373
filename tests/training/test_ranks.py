"""Several processes learn what one learns, whole or in shards, whichever of them dies and however many go on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.loading import load_dataset, write_dataset
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from tests.models.chat.shapes import joined as chats_of
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.pictures import write_parts

WHOLE: dict[str, dict[str, Any]] = {
    # weights, running statistics of a batch, an own loss over pairs; the last batch is one picture, for two processes
    "embedder": {"tuning": "full", "epochs": 2, "batch_size": 25, "pictures_per_class": 5, "brightness": 0.2},
    "classifier": {"tuning": "full", "epochs": 3, "batch_size": 8, "learning_rate": 2e-3, "evaluate_every": 3},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "florence2": {"tuning": "lora", "lora_dropout": 0.3},
    "paligemma": {"tuning": "attention", "loss": "example"},
    "vlm": {"tuning": "lora", "lora_dropout": 0.3},
}


def _scenario(out: Path, family: str, ranks: int, data: Path, **values: Any) -> dict[str, Any]:
    own = WHOLE.get(family) or ANSWERS[family] | {"epochs": 2, "batch_size": 4, "max_new_tokens": 8}
    common = {"data": str(data), "out": str(out), "base": "toy", "precision": "fp32", "report": False, "device": "cpu"}
    apart = {name: values.pop(name) for name in ("dies", "machines") if name in values}
    return {"family": family, "ranks": ranks, "values": common | own | values} | apart


def _drive(folder: Path, *scenarios: dict[str, Any]) -> list[list[Any]]:
    """How each process of each ended."""
    told = folder / "scenarios.json"
    told.write_text(json.dumps(scenarios), "utf-8")
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.ranks_driver", str(told)]
    # a forked child cannot use its parent's threads
    environment = os.environ | {"OMP_NUM_THREADS": "1", "TORCH_CPP_LOG_LEVEL": "ERROR", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=560, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


def _curve(run: Path) -> dict[str, Any]:
    """Losses and norms, step after step."""
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text("utf-8").splitlines()]
    return {name: [row[name] for row in rows if name in row] for name in ("step", "loss", "eval_loss", "grad_norm")}


def _check_alike(run: Path, other: Path) -> None:
    """Promised: losses within 1e-4. Norms are of the whole gradient, or they would differ by much more."""
    one, two = _curve(run), _curve(other)
    assert one["step"] == two["step"] != []
    for name in ("loss", "eval_loss", "grad_norm"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-3 if name == "grad_norm" else 1e-4, atol=1e-4)


def _learned(run: Path) -> dict[str, bytes]:
    return {str(path.relative_to(run)): path.read_bytes() for path in sorted((run / "model").rglob("*.safetensors"))}


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """34 parts, of which 26 are learned from."""
    return write_parts(tmp_path_factory.mktemp("ranks") / "parts", count=17)


@pytest.fixture(scope="module")
def runs(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A folder of runs, and how the processes of each ended."""
    folder = tmp_path_factory.mktemp("runs")
    # after the second of three checkpoints, and of steps behind it
    killed = {"shard": True, "dies": [0, "kenpin.training.step:GradientStep.change:8:after"]}
    lost = {"shard": True, "dies": [1, "kenpin.training.step:GradientStep.learn:8:before"]}
    of = {
        "embedder": _scenario(folder / "embedder", "embedder", 1, parts),
        "embedder-2": _scenario(folder / "embedder-2", "embedder", 2, parts),
        "alone": _scenario(folder / "alone", "classifier", 1, parts),
        "shards": _scenario(folder / "shards", "classifier", 2, parts, shard=True),
        "killed": _scenario(folder / "killed", "classifier", 2, parts, **killed),
        "resumed": _scenario(folder / "killed", "classifier", 2, parts, shard=True, resume=True),
        "lost": _scenario(folder / "lost", "classifier", 2, parts, **lost),
        "fewer": _scenario(folder / "lost", "classifier", 1, parts, resume=True),
    }
    return {"folder": folder} | dict(zip(of, _drive(folder, *of.values()), strict=True))


def test_batches_that_are_compared_and_normalised_are_whole_ones(runs: dict[str, Any]) -> None:
    assert runs["embedder"] == [0]
    assert runs["embedder-2"] == [0, 0]
    _check_alike(runs["folder"] / "embedder", runs["folder"] / "embedder-2")


def test_shards_have_the_losses_of_one_process_and_end_as_the_same_run(runs: dict[str, Any], parts: Path) -> None:
    alone, shards = (runs["folder"] / name for name in ("alone", "shards"))
    assert (runs["alone"], runs["shards"]) == ([0], [0, 0])
    _check_alike(alone, shards)
    assert {file for file in read_record(alone).files if "checkpoints" not in file} == {
        file for file in read_record(shards).files if "checkpoints" not in file
    }
    scores: Any = [
        [one.defect_score for one in load_predictor(run).predict(load_dataset(parts))] for run in (alone, shards)
    ]
    np.testing.assert_allclose(scores[1], scores[0], atol=1e-4)


def test_killed_shards_go_on_bit_by_bit(runs: dict[str, Any]) -> None:
    main, other = runs["killed"]
    assert main == signal.SIGKILL
    assert "RunError: another of the 2 processes ended; the training is where its last checkpoint was" in other
    assert runs["resumed"] == [0, 0]
    killed, shards = (runs["folder"] / name for name in ("killed", "shards"))
    assert _learned(killed) == _learned(shards) != {}
    assert _curve(killed) == _curve(shards)


def test_one_process_goes_on_where_two_in_shards_lost_one(runs: dict[str, Any]) -> None:
    main, other = runs["lost"]
    assert other == signal.SIGKILL
    assert "RunError: another of the 2 processes ended" in main
    assert runs["fewer"] == [0]
    _check_alike(runs["folder"] / "alone", runs["folder"] / "lost")


@pytest.mark.slow
@pytest.mark.parametrize("family", ANSWERS)
def test_answers_are_learned_alike_whatever_is_dropped_and_whoever_is_idle(family: str, tmp_path: Path) -> None:
    """Answers differ in length and the last batch is one picture; three processes leave two of them idle."""
    data = tmp_path / "data"
    if family == "vlm":
        write_dataset(chats_of(shapes(9, split="train"), shapes(3, first=50, split="validation")), data, "chat_jsonl")
    else:
        write_dataset(joined(made_objects(9), made_objects(3, first=80, split="validation", empty=1)), data, "coco")
    ways: dict[str, tuple[int, dict[str, Any]]] = {
        "two": (2, {}),
        "three": (3, {}),
        "shards": (2, {"shard": True}),
        "twice": (2, {"accumulate": 2}),
        "again": (2, {"shard": True, "recompute": True}),
    }
    scenarios = [
        _scenario(tmp_path / "one", family, 1, data),
        _scenario(tmp_path / "sum", family, 1, data, accumulate=2),
    ]
    scenarios += [_scenario(tmp_path / name, family, ranks, data, **how) for name, (ranks, how) in ways.items()]
    assert all(set(ended) == {0} for ended in _drive(tmp_path, *scenarios))
    for name in ways:
        _check_alike(tmp_path / ("sum" if name == "twice" else "one"), tmp_path / name)
    texts = [
        [one.text for one in load_predictor(tmp_path / run).predict(load_dataset(data))] for run in ("one", "shards")
    ]
    assert texts[0] == texts[1]


@pytest.mark.slow
def test_shards_of_a_machine_are_those_of_every_other(parts: Path, tmp_path: Path) -> None:
    alone = _scenario(tmp_path / "alone", "classifier", 1, parts)
    machines = _scenario(tmp_path / "two", "classifier", 4, parts, shard=True, machines=2)
    assert _drive(tmp_path, alone, machines) == [[0], [0] * 4]
    _check_alike(tmp_path / "alone", tmp_path / "two")


@pytest.mark.slow
def test_more_processes_go_on_where_shards_were_killed(parts: Path, tmp_path: Path) -> None:
    """Four times: what one process, two, two in shards and three left is taken up by others, in shards and not."""
    alone = _scenario(tmp_path / "alone", "classifier", 1, parts)
    assert _drive(tmp_path, alone) == [[0]]
    dies = {"dies": [0, "kenpin.training.step:GradientStep.change:8:after"]}
    for name, before, after in (
        ("a", (1, {}), (2, {"shard": True})),
        ("b", (2, {}), (3, {})),
        ("c", (2, {"shard": True}), (3, {"shard": True})),
        ("d", (3, {"shard": True}), (2, {})),
    ):
        out = tmp_path / name
        first = _scenario(out, "classifier", before[0], parts, **before[1], **dies)
        then = _scenario(out, "classifier", after[0], parts, **after[1], resume=True)
        killed, resumed = _drive(tmp_path, first, then)
        assert killed[0] == signal.SIGKILL
        assert set(resumed) == {0}
        _check_alike(tmp_path / "alone", out)
