"""Kill -9 at any moment: no half-written run ever loads, and resuming ends with the uninterrupted run's weights."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from kenpin.data.loading import load_dataset, write_dataset
from kenpin.errors import MissingExtraError, OptionError, OutputExistsError, RunError
from kenpin.files import partial_folder
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.run.seal import check_seal
from kenpin.training import Listener, train
from tests.data.shards import write_parquets
from tests.models.chat.shapes import joined as shapes_and
from tests.models.chat.shapes import shapes
from tests.objects import joined, made_objects
from tests.pictures import write_parts

# in the order of a run: each death is followed by a resumption that reaches the next
POINTS = [
    "kenpin.training.learning:train_by_gradients:1:before",
    "kenpin.training.step:GradientStep.learn:2:before",  # before any checkpoint
    "kenpin.training.state:save_optimiser:1:before",  # weights of the first checkpoint alone
    "kenpin.training.state:save_random:1:before",  # all but its random numbers and its state
    "kenpin.training.state:write_state:1:after",  # all of it, and not under its name
    "kenpin.training.engine:save_training:1:after",
    "kenpin.training.step:GradientStep.learn:2:after",  # between checkpoints: learned from, and nothing changed
    "kenpin.training.step:GradientStep.change:2:after",
    "kenpin.training.engine:rotate:2:before",  # before the older one is removed
    "kenpin.training.state:shutil.rmtree:2:before",  # in the middle of that: not under its name any more
    "kenpin.training.engine:load_learned:1:before",  # trained, and the best weights not taken yet
    "kenpin.models.classifier.inspector:NetworkClassifier.save:1:after",  # trained and saved, and not noted
    "kenpin.training.learning:write_json:1:before",
    "kenpin.training.learning:write_json:1:after",  # learned and noted
    "kenpin.training.job:write_json:1:before",
    "kenpin.training.job:write_record:1:after",  # run.json stands in the partial folder
    "kenpin.training.job:finish:1:before",
]
POINTS_OF_VECTORS = [
    "kenpin.models.embedder.inspector:mixed_order:1:before",
    "kenpin.training.engine:save_training:1:after",
    "kenpin.training.step:GradientStep.change:2:after",  # between checkpoints, within an epoch
    "kenpin.training.state:save_random:1:before",
    "kenpin.training.step:GradientStep.learn:5:before",
    "kenpin.models.embedder.inspector:EmbeddingInspector.take_references:1:before",
    "kenpin.models.embedder.inspector:EmbeddingInspector.take_references:1:after",
    "kenpin.models.embedder.inspector:EmbeddingInspector.save_references:1:after",
    "kenpin.training.learning:write_json:1:after",
    "kenpin.training.job:finish:1:before",
]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small data set of its own."""
    return write_parts(tmp_path_factory.mktemp("kill") / "parts", count=20)


def _drive(family: str, data: Path | str, undisturbed: Path, *killed: Path | str) -> list[dict[str, Any]]:
    """Train undisturbed, unless that is there, and a run that dies again and again; gives what was seen after each
    death. killed: its folder and the points where it dies."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a forked child cannot use its parent's threads
    words = [family, *map(str, (data, undisturbed, *killed))]
    command = [sys.executable, "-W", "ignore", "-m", "tests.training.kill_driver", *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert not any(result["finals"]), done.stderr
    seen: list[dict[str, Any]] = result["seen"]
    return seen


def _check_deaths(deaths: list[dict[str, Any]]) -> None:
    assert deaths
    for seen in deaths:
        assert seen["killed_by"] == signal.SIGKILL, f"{seen['point']} was not reached"
        assert not seen["loads"], f"a run killed at {seen['point']} loads"
        assert not seen["exists"], f"a run killed at {seen['point']} has its final name"


def _files(run: Path) -> dict[Path, bytes]:
    """What was learned and drawn."""
    # peft lists the adapted layers in another order in each process
    paths = [*(run / "model").rglob("*.safetensors"), *(run / "evolution").rglob("*.*")]
    return {path.relative_to(run): path.read_bytes() for path in paths}


def _weights(run: Path) -> bytes:
    return (run / "model" / "weights" / "model.safetensors").read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nobody kills: trained by the first that drives to it."""
    return tmp_path_factory.mktemp("undisturbed") / "run"


@pytest.mark.slow
def test_killed_and_resumed_again_and_again_it_ends_bit_identical(
    data: Path, undisturbed: Path, tmp_path: Path
) -> None:
    _check_deaths(_drive("classifier", data, undisturbed, tmp_path / "run", *POINTS))
    assert _weights(tmp_path / "run") == _weights(undisturbed)
    assert _losses(tmp_path / "run") == _losses(undisturbed)


def _losses(run: Path) -> list[float]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    return [row["eval_loss"] for row in rows if "eval_loss" in row]


@pytest.mark.slow
def test_vectors_and_what_their_loss_learned_resume_bit_identical(data: Path, tmp_path: Path) -> None:
    runs = tmp_path / "undisturbed", tmp_path / "killed"
    _check_deaths(_drive("embedder", data, *runs, *POINTS_OF_VECTORS))
    models = [{path.relative_to(run): path.read_bytes() for path in (run / "model").rglob("*.*")} for run in runs]
    assert {path.name for path in models[0]} >= {"embedder.safetensors", "model.safetensors", "references.npz"}
    assert models[0] == models[1]
    assert _losses(runs[0]) == _losses(runs[1])


@pytest.mark.slow
def test_a_chat_model_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    data = tmp_path / "chats"
    write_dataset(shapes_and(shapes(12, split="train"), shapes(4, first=50, split="validation")), data, "chat_jsonl")
    points = [
        "kenpin.training.engine:save_training:1:after",
        "kenpin.training.step:GradientStep.change:5:after",  # between checkpoints
        "kenpin.models.vlm.inspector:ChatInspector.save:1:after",  # trained and saved, and not noted
        "kenpin.training.job:finish:1:before",
    ]
    _check_deaths(_drive("vlm", data, tmp_path / "undisturbed", tmp_path / "killed", *points))
    undisturbed, killed = (_files(tmp_path / name) for name in ("undisturbed", "killed"))
    assert any(path.name == "adapter_model.safetensors" for path in undisturbed)
    assert undisturbed == killed
    assert _losses(tmp_path / "undisturbed") == _losses(tmp_path / "killed")


@pytest.mark.slow
def test_a_detector_goes_on_where_it_was_killed_and_so_do_its_pictures(tmp_path: Path) -> None:
    objects = joined(made_objects(6), made_objects(3, first=50, split="validation", empty=1))
    data = tmp_path / "objects"
    write_dataset(objects, data, format="yolo")
    points = [
        "kenpin.training.step:GradientStep.change:5:after",  # between checkpoints
        "kenpin.training.watch:record_snapshot:1:before",  # of an evaluation: scored, and not drawn
        "kenpin.training.watch:record_snapshot:1:after",  # drawn, and no checkpoint yet
    ]
    _check_deaths(_drive("florence2", data, tmp_path / "undisturbed", tmp_path / "killed", *points))
    undisturbed, killed = (_files(tmp_path / name) for name in ("undisturbed", "killed"))
    assert any(path.name == "adapter_model.safetensors" for path in undisturbed)
    assert any(path.suffix == ".jpg" for path in undisturbed)
    assert undisturbed == killed


@pytest.mark.slow
def test_killed_at_random_times_it_ends_bit_identical(data: Path, undisturbed: Path, tmp_path: Path) -> None:
    _drive("classifier", data, undisturbed)
    rng = random.Random(0)
    out, deaths = tmp_path / "run", 0
    for _ in range(60):
        resume = ["--resume"] if (partial_folder(out) / "options.json").exists() else []
        code = (
            "from tests.training.kill_driver import SETTINGS; from kenpin.training import train; "
            f"settings = SETTINGS['classifier'] | {{'resume': {bool(resume)}}}; "
            f"train('classifier', data={str(data)!r}, out={str(out)!r}, **settings)"
        )
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        process = subprocess.Popen([sys.executable, "-W", "ignore", "-c", code], env=environment)
        while process.poll() is None and not partial_folder(out).exists():
            time.sleep(0.01)
        try:
            process.wait(timeout=rng.uniform(0.0, 1.5) if deaths < 12 else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            deaths += 1
        if out.exists():
            break
        with pytest.raises(RunError):
            load_predictor(out)
    assert deaths
    assert _weights(out) == _weights(undisturbed)


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was trained to its end. Read only."""
    return train("classifier", data=str(data), out=tmp_path_factory.mktemp("finished") / "run", base="toy")


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, to be damaged."""
    return shutil.copytree(finished, tmp_path / "run")


def test_resuming_nothing_is_refused(data: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no interrupted run to resume"):
        train("mahalanobis", data=str(data), out=tmp_path / "run", base="toy", resume=True)


@pytest.fixture
def interrupted(data: Path, tmp_path: Path) -> Path:
    """The name of a run that was stopped when it had learned."""

    def stop(sentence: str) -> None:
        if sentence.startswith("Threshold"):
            raise KeyboardInterrupt

    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        train("classifier", data=str(data), out=out, base="toy", listener=Listener(say=stop))
    return out


def test_resuming_with_other_options_or_data_is_refused_by_name(data: Path, interrupted: Path) -> None:
    with pytest.raises(OptionError, match="head_c differ"):
        train("classifier", data=str(data), out=interrupted, base="toy", resume=True, head_c=0.5)
    fewer = load_dataset(data).select(range(5, 35))
    with pytest.raises(OptionError, match="fingerprint differ"):
        train("classifier", dataset=fewer, data=str(data), out=interrupted, base="toy", resume=True)
    train("classifier", data=str(data), out=interrupted, base="toy", resume=True)


def test_what_was_learned_is_lost_only_where_that_is_allowed(data: Path, interrupted: Path) -> None:
    with pytest.raises(OutputExistsError, match="continue it with --resume, or start again with --overwrite"):
        train("classifier", data=str(data), out=interrupted, base="toy")
    assert (partial_folder(interrupted) / "learned.json").is_file()
    with pytest.raises(MissingExtraError, match="mlflow is not installed"):
        train(
            "classifier", data=str(data), out=interrupted, base="toy", tuning="full", tracker="mlflow", overwrite=True
        )
    assert (partial_folder(interrupted) / "learned.json").is_file(), "options come before what they would cost"
    train("classifier", data=str(data), out=interrupted, base="toy", overwrite=True)
    assert [path.name for path in interrupted.parent.iterdir()] == ["run"]


@pytest.mark.parametrize("file", ["lineage.npz", "thumbnails.parquet", "evaluation.json"])
def test_files_beside_the_model_are_sealed_too(run: Path, file: str) -> None:
    files = read_record(run).files
    check_seal(run, files)
    whole = bytearray((run / file).read_bytes())
    whole[-2] ^= 1
    (run / file).write_bytes(whole)
    with pytest.raises(RunError, match=f"{file}: is not the file that was trained"):
        check_seal(run, files)
    if file == "lineage.npz":
        with pytest.raises(RunError, match="is not the file that was trained"):
            load_predictor(run)
    else:
        load_predictor(run)


def test_a_record_that_was_edited_is_refused(run: Path) -> None:
    text = (run / "run.json").read_text()
    (run / "run.json").write_text(json.dumps(json.loads(text)))  # how it is laid out says nothing
    load_predictor(run)
    record = json.loads(text)
    for change in (
        {"threshold": record["threshold"] | {"fail_from": 0.9999999}},
        {"labels": record["labels"][::-1]},
        {"seal": None},
    ):
        (run / "run.json").write_text(json.dumps(record | change))
        with pytest.raises(RunError, match=r"run\.json: is not what the training wrote"):
            load_predictor(run)


def test_a_damaged_or_foreign_run_is_refused(run: Path) -> None:
    load_predictor(run)
    added = run / "model" / "calibration.json"
    added.write_text("{}")
    with pytest.raises(RunError, match=r"calibration\.json: was not written by the training; remove it"):
        load_predictor(run)
    added.unlink()
    head = run / "model" / "head.npz"
    whole = head.read_bytes()
    head.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(RunError, match=r"head\.npz: is not the file that was trained"):
        load_predictor(run)
    head.unlink()
    with pytest.raises(RunError, match=r"head\.npz: is missing"):
        load_predictor(run)
    head.write_bytes(whole)
    record = (run / "run.json").read_text()
    (run / "run.json").write_text(record.replace('"schema_version": 2', '"schema_version": 99'))
    with pytest.raises(RunError, match="schema version 99"):
        load_predictor(run)
    (run / "run.json").write_text(record[: len(record) // 2])
    with pytest.raises(RunError, match="cannot be read as JSON"):
        load_predictor(run)
    (run / "run.json").unlink()
    with pytest.raises(RunError, match="not a finished run"):
        load_predictor(run)


@pytest.mark.slow
def test_a_training_on_shards_goes_on_where_it_was_killed(data: Path, tmp_path: Path) -> None:
    """In the order of shards, which is another than that of files."""
    write_parquets(load_dataset(data), tmp_path / "shards", 16, rows=6)
    points = ["kenpin.training.step:GradientStep.change:2:after", "kenpin.training.engine:save_training:1:after"]
    runs = tmp_path / "undisturbed", tmp_path / "killed"
    _check_deaths(_drive("classifier", f"file://{tmp_path}/shards", *runs, *points))
    assert _weights(runs[0]) == _weights(runs[1])
    assert _losses(runs[0]) == _losses(runs[1])
