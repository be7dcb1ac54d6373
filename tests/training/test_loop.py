"""The parts of the training loop: its plan, the rows it reads, a step, and what a checkpoint holds."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from kenpin.errors import OptionError, OutputError, RunError
from kenpin.files import partial_folder
from kenpin.forecast import forecast_run
from kenpin.models.checkpoints import STATE, latest_checkpoint
from kenpin.training import state as training_state
from kenpin.training import train
from kenpin.training.batches import shares_of
from kenpin.training.plan import StepPlan
from kenpin.training.state import TrainingState, load_random, read_state, rotate, save_random, write_state
from kenpin.training.step import make_optimiser
from kenpin.training.watch import Watch
from tests.objects import joined, made_objects

CPU = torch.device("cpu")


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


def _plan(**values: Any) -> StepPlan:
    plan = {"batches": 7, "accumulate": 3, "epochs": 2.5, "evaluate_every": None, "save_every": None, "logged": 1000}
    return StepPlan(**plan | values)


def test_an_epoch_ends_with_its_last_batches_however_few_they_are() -> None:
    plan = _plan()
    assert (plan.epoch_steps, plan.steps) == (3, 8)
    assert [round(plan.epoch_after(step), 3) for step in range(9)] == [
        0,
        0.429,
        0.857,
        1,
        1.429,
        1.857,
        2,
        2.429,
        2.857,
    ]
    assert [step for step in range(1, 9) if plan.evaluates(step)] == [3, 6, 8]
    assert [step for step in range(1, 9) if plan.ends_epoch(step)] == [3, 6, 8]


def test_everything_is_due_after_the_last_step_and_an_evaluation_comes_with_its_loss() -> None:
    plan = _plan(evaluate_every=3, save_every=6, epochs=3.4, logged=2)
    assert plan.steps == 11
    assert [step for step in range(1, 12) if plan.evaluates(step)] == [3, 6, 9, 11]
    assert [step for step in range(1, 12) if plan.saves(step)] == [6, 11]
    assert [step for step in range(1, 12) if plan.logs(step)] == [3, 6, 9, 11]


@given(count=st.integers(1, 100), batch_size=st.integers(1, 20), ranks=st.integers(1, 30))
def test_processes_share_each_batch_and_every_picture_is_seen_once(count: int, batch_size: int, ranks: int) -> None:
    order = np.random.default_rng(0).permutation(count).tolist()
    batches = [order[start : start + batch_size] for start in range(0, count, batch_size)]
    shares = [shares_of(count, batch_size, rank, ranks) for rank in range(ranks)]
    for number, batch in enumerate(batches):
        own = [of_rank[number] for of_rank in shares]
        assert [row for share in own if not share.is_empty for row in share.of_rows(batch)] == batch
        assert all(len(share.of_rows(batch)) == share.computed for share in own)
        sizes = [share.end - share.begin for share in own]
        assert max(sizes) - min(sizes) <= 1
    assert {len(of_rank) for of_rank in shares} == {len(batches)}


def test_offsets_and_norms_are_not_drawn_to_zero() -> None:
    network = nn.Sequential()
    network.add_module("first", nn.Linear(3, 4))
    network.add_module("second", nn.LayerNorm(4))
    network.add_module("input_norm", nn.BatchNorm1d(4))
    network.add_module("frozen", nn.Linear(4, 2).requires_grad_(False))
    decayed, others = make_optimiser(network, "adamw", 0.5).param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    assert ({names[id(p)] for p in decayed["params"]}, decayed["weight_decay"]) == ({"first.weight"}, 0.5)
    assert {names[id(p)] for p in others["params"]} == {
        *("first.bias", "second.weight", "second.bias", "input_norm.weight", "input_norm.bias")
    }
    assert others["weight_decay"] == 0.0


def test_random_numbers_go_on_where_they_were(tmp_path: Path) -> None:
    def draw() -> tuple[float, ...]:
        return random.gauss(), random.random(), np.random.standard_normal(), np.random.rand(), float(torch.rand(()))

    draw()
    save_random(tmp_path, 0, CPU)
    drawn = draw()
    assert draw() != drawn
    load_random(tmp_path, 0, CPU)
    assert draw() == drawn
    draw()
    load_random(tmp_path, 1, CPU)  # of one more process than before
    assert draw() == drawn
    (tmp_path / "random-0.pt").unlink()
    with pytest.raises(RunError, match=r"random-0\.pt: is missing; start the run again"):
        load_random(tmp_path, 0, CPU)


def test_the_state_comes_back_as_it_was_written(tmp_path: Path) -> None:
    state = TrainingState(global_step=3, changes=2, epoch=0.75)
    state.log(loss=0.1, learning_rate=1e-4)
    assert [state.compare(loss) for loss in (0.5, float("nan"), 0.5, 0.25, 0.3)] == [True, False, False, True, False]
    assert (state.best_metric, state.best_global_step, state.evaluations_since_best) == (0.25, 3, 1)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def _checkpoints(folder: Path, *steps: int) -> None:
    for step in steps:
        (folder / f"checkpoint-{step}").mkdir(parents=True)
        (folder / f"checkpoint-{step}" / "learned.safetensors").touch()
        write_state(folder / f"checkpoint-{step}", TrainingState(global_step=step))


@pytest.mark.parametrize(
    ("limit", "best", "left"),
    [(None, 2, [2, 4, 6, 10]), (3, None, [4, 6, 10]), (2, 2, [2, 10]), (1, 2, [2, 10]), (1, 10, [10]), (1, None, [10])],
)
def test_the_newest_and_the_best_checkpoint_are_never_removed(
    limit: int | None, best: int | None, left: list[int], tmp_path: Path
) -> None:
    _checkpoints(tmp_path, 2, 4, 6, 10)
    rotate(tmp_path, limit, best)
    assert sorted(int(path.name.split("-")[1]) for path in tmp_path.iterdir()) == left


def test_what_was_written_or_removed_by_half_is_no_checkpoint(tmp_path: Path) -> None:
    _checkpoints(tmp_path, 2, 4, 6)
    (tmp_path / "checkpoint-6").rename(tmp_path / "checkpoint-6.partial")
    (tmp_path / "checkpoint-4" / STATE).write_text("{", "utf-8")
    assert latest_checkpoint(tmp_path) == tmp_path / "checkpoint-2"
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-2"]


@pytest.fixture
def interrupted(parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, dict[str, Any]]:
    """A run that was stopped in its second epoch, and how it was started."""
    score = Watch.__call__

    def stops(self: Watch, step: int, epoch: float, loss: float | None) -> Any:
        if epoch > 1.5:
            raise KeyboardInterrupt
        return score(self, step, epoch, loss)

    how: dict[str, Any] = {"data": str(parts), "base": "toy", "tuning": "full", "epochs": 2, "report": False}
    with monkeypatch.context() as patch:
        patch.setattr(Watch, "__call__", stops)
        with pytest.raises(KeyboardInterrupt):
            train("classifier", out=tmp_path / "run", **how)
    return tmp_path / "run", how


def test_a_checkpoint_of_the_first_engine_is_refused_and_left_alone(interrupted: tuple[Path, dict[str, Any]]) -> None:
    out, how = interrupted
    (checkpoint,) = (partial_folder(out) / "checkpoints").iterdir()
    file = checkpoint / STATE
    told = json.loads(file.read_text("utf-8"))
    del told["schema_version"]
    file.write_text(json.dumps(told | {"stateful_callbacks": {}}), "utf-8")
    with pytest.raises(
        RunError, match=r"checkpoint-\d+: is of another version of kenpin, which this one cannot continu"
    ):
        train("classifier", out=out, resume=True, **how)
    assert file.is_file()
    train("classifier", out=out, overwrite=True, **how)


def test_a_full_disk_leaves_earlier_checkpoints_and_no_half_one_and_resumed_it_ends_bit_identical(
    interrupted: tuple[Path, dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    out, how = interrupted
    (checkpoint,) = (partial_folder(out) / "checkpoints").iterdir()
    before = {path.name: path.read_bytes() for path in checkpoint.iterdir()}

    def is_full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(training_state, "save_random", is_full)
        with pytest.raises(OutputError, match=f"{out}: there is no room left"):
            train("classifier", out=out, resume=True, **how)
    assert list(checkpoint.parent.iterdir()) == [checkpoint]
    assert {path.name: path.read_bytes() for path in checkpoint.iterdir()} == before
    train("classifier", out=out, resume=True, **how)
    undisturbed = train("classifier", out=out.with_name("undisturbed"), **how)
    weights = [(run / "model" / "weights" / "model.safetensors").read_bytes() for run in (out, undisturbed)]
    assert weights[0] == weights[1], "a training that went on ends elsewhere than one that was never stopped"


def test_what_is_computed_again_is_the_same_and_less_is_kept(tmp_path: Path) -> None:
    """With dropout, which must drop the same twice."""
    data = joined(made_objects(9), made_objects(3, first=80, split="validation"))
    how: dict[str, Any] = {"data": "-", "base": "toy", "tuning": "lora", "lora_dropout": 0.3, "batch_size": 4}
    how |= {"precision": "fp32", "device": "cpu", "max_new_tokens": 8, "epochs": 1, "report": False}
    kept, again = (
        train("florence2", dataset=data, out=tmp_path / str(flag), recompute=flag, **how) for flag in (False, True)
    )
    files = [(run / "model" / "adapter" / "adapter_model.safetensors").read_bytes() for run in (kept, again)]
    assert files[0] == files[1]
    held = [
        forecast_run("florence2", dataset=data, out=tmp_path / "no", recompute=flag, **how).memory.activations
        for flag in (False, True)
    ]
    assert held[1] < held[0]  # of two layers, that is; most is the vocabulary's


def test_a_base_without_layers_that_could_be_computed_again_is_refused(parts: Path, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="`recompute`: this base has none of transformers' layers"):
        train("embedder", data=str(parts), out=tmp_path / "run", base="mlp", tuning="full", recompute=True)
