"""Earlier states of a run: predicted with and exported, of finished and interrupted runs, sealed and unjudged."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from kenpin.data.loading import load_dataset
from kenpin.errors import RunError
from kenpin.export import export_merged
from kenpin.files import partial_folder
from kenpin.predictor import load_predictor
from kenpin.run.record import read_record
from kenpin.run.seal import check_seal
from kenpin.training import train
from kenpin.training.watch import Watch
from tests.commands import Run
from tests.toy_runs import answers, equal, of_base, pictures_for, trained

Made = Callable[..., Path]
WAYS = [
    ("classifier", "lora"),
    ("classifier", "full"),
    ("florence2", "lora"),
    pytest.param("embedder", "lora", marks=pytest.mark.slow),
    pytest.param("paligemma", "attention", marks=pytest.mark.slow),
]
STEPS: dict[str, dict[str, Any]] = {"florence2": {"learning_rate": 3e-2}, "paligemma": {"learning_rate": 3e-3}}


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, parts: Path) -> Made:
    """A run that kept each of its two epochs. Read only."""

    @cache
    def made(family: str, tuning: str) -> Path:
        how: dict[str, Any] = {"epochs": 2, "save_total_limit": None, "patience": None, "keep": "last"}
        if family in ("florence2", "paligemma"):
            how["evaluate_every"] = None
        pictures = None if family in ("florence2", "paligemma") else parts
        out = tmp_path_factory.mktemp("run") / f"{family}-{tuning}"
        return trained(family, out, pictures, tuning=tuning, **how | STEPS.get(family, {}))

    return made


def _steps(run: Path) -> list[int]:
    return sorted(int(path.name.split("-")[1]) for path in (run / "checkpoints").glob("checkpoint-*"))


def _said(predictor: Any, family: str, parts: Path) -> list[Any]:
    return answers(predictor, pictures_for(family, parts))


@pytest.mark.parametrize(("family", "tuning"), WAYS)
def test_the_last_checkpoint_of_a_run_that_ships_it_says_the_same(
    family: str, tuning: str, run: Made, parts: Path
) -> None:
    folder = run(family, tuning)
    assert len(_steps(folder)) == 2
    ships, last = load_predictor(folder), load_predictor(folder, checkpoint="last")
    for name, weight in ships.inspector.module.state_dict().items():
        assert torch.equal(weight, last.inspector.module.state_dict()[name]), name
    assert last.threshold is None
    assert getattr(last.inspector, "calibration", None) is None
    assert last.undecided is not None
    assert "no picture passes or fails" in last.undecided


@pytest.mark.parametrize(("family", "tuning"), WAYS)
def test_an_earlier_checkpoint_says_what_was_known_then(family: str, tuning: str, run: Made, parts: Path) -> None:
    folder = run(family, tuning)
    first, *_, last = _steps(folder)
    early, late = (load_predictor(folder, checkpoint=step).inspector.module for step in (first, last))
    kept = load_file(folder / "checkpoints" / f"checkpoint-{first}" / "learned.safetensors")
    assert kept
    own = dict(early.named_parameters()) | dict(early.named_buffers())
    assert all(torch.equal(own[name].cpu(), value) for name, value in kept.items())
    changed = [name for name, value in late.state_dict().items() if not torch.equal(value, early.state_dict()[name])]
    assert changed
    assert set(changed) <= set(kept) | {name for name in changed if name not in dict(late.named_parameters())}


def test_checkpoints_are_named_in_several_ways(run: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = run("classifier", "full")
    losses = {
        row["step"]: row["eval_loss"]
        for row in map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        if "eval_loss" in row
    }
    step = min(losses, key=lambda step: losses[step])
    path = folder / "checkpoints" / f"checkpoint-{step}"
    monkeypatch.chdir(folder.parent)
    relative = path.relative_to(folder.parent)
    for wanted in ("best", step, str(step), f"checkpoint-{step}", path, str(relative)):
        undecided = load_predictor(folder, checkpoint=wanted).undecided
        assert undecided is not None
        assert undecided.startswith(str(path)), wanted


def test_a_checkpoint_that_is_not_there_names_those_that_are(run: Made, parts: Path, tmp_path: Path) -> None:
    folder = run("classifier", "full")
    kept = ", ".join(map(str, _steps(folder)))
    with pytest.raises(RunError, match=f"keeps no checkpoint 999; there are those of steps {kept}, last and best"):
        load_predictor(folder, checkpoint=999)
    elsewhere = shutil.copytree(folder / "checkpoints" / f"checkpoint-{_steps(folder)[0]}", tmp_path / "copy")
    with pytest.raises(RunError, match="keeps no checkpoint"):
        load_predictor(folder, checkpoint=elsewhere)
    head = trained("classifier", tmp_path / "head", parts)
    with pytest.raises(RunError, match="keeps no checkpoint; a training by gradients leaves some"):
        load_predictor(head, checkpoint="last")
    with pytest.raises(RunError, match="no such run, finished or interrupted"):
        load_predictor(tmp_path / "nowhere", checkpoint="last")


def test_checkpoints_are_under_the_seal_and_may_be_removed(run: Made, tmp_path: Path) -> None:
    folder = shutil.copytree(run("classifier", "lora"), tmp_path / "run")
    first, last = _steps(folder)
    changed = folder / "checkpoints" / f"checkpoint-{first}" / "learned.safetensors"
    save_file({name: value + 1e-3 for name, value in load_file(changed).items()}, changed)
    state = folder / "checkpoints" / f"checkpoint-{last}" / "trainer_state.json"
    state.write_text(state.read_text("utf-8").replace(f'"best_global_step": {last}', '"best_global_step": 1') + " ")
    for step in (first, last):
        load_predictor(run("classifier", "lora"), checkpoint=step)
        with pytest.raises(RunError, match="is not the file that was trained"):
            load_predictor(folder, checkpoint=step)
    shutil.rmtree(folder / "checkpoints")
    check_seal(folder, read_record(folder).files)
    load_predictor(folder)


def test_a_run_of_an_earlier_kenpin_has_no_sealed_checkpoints(run: Made, tmp_path: Path) -> None:
    from kenpin.run.record import write_record

    folder = shutil.copytree(run("classifier", "lora"), tmp_path / "run")
    record = read_record(folder)
    files = {name: digest for name, digest in record.files.items() if not name.startswith("checkpoints/")}
    write_record(folder, record.model_copy(update={"files": files}))
    with pytest.raises(RunError, match="is not covered by the run's seal"):
        load_predictor(folder, checkpoint="last")


@pytest.mark.parametrize(("family", "tuning"), [WAYS[0], WAYS[1], WAYS[2], WAYS[4]])
def test_an_exported_checkpoint_says_what_the_checkpoint_does(
    family: str, tuning: str, run: Made, parts: Path, tmp_path: Path
) -> None:
    folder = run(family, tuning)
    step = _steps(folder)[0]
    out = export_merged(folder, tmp_path / "out", checkpoint=step)
    told = json.loads((out / "kenpin.json").read_text("utf-8"))
    assert (told["checkpoint"], told["threshold"], told["calibration"]) == (f"checkpoint-{step}", None, None)
    expected = _said(load_predictor(folder, checkpoint=step), family, parts)
    assert equal(_said(of_base(family, out), family, parts), expected)


# ---- interrupted runs ----


@pytest.fixture(
    params=[
        ("classifier", "lora"),
        pytest.param(("florence2", "full"), marks=pytest.mark.slow),
        pytest.param(("vlm", "full"), marks=pytest.mark.slow),
    ]
)
def interrupted(
    request: pytest.FixtureRequest, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, Path]:
    """The family of a run that died in its second epoch, and the folder it would have had."""
    family, tuning = request.param
    score = Watch.__call__

    def dies(self: Watch, step: int, epoch: float, loss: float | None) -> Any:
        if epoch > 1.5:
            raise KeyboardInterrupt
        return score(self, step, epoch, loss)

    monkeypatch.setattr(Watch, "__call__", dies)
    how: dict[str, Any] = {"tuning": tuning, "epochs": 3, "evaluate_every": None}
    if family == "vlm":
        how |= {"data": "-", "dataset": _asked(parts)}
    with pytest.raises(KeyboardInterrupt):
        trained(family, tmp_path / "run", parts if family == "classifier" else None, **how)
    return family, tmp_path / "run"


def _asked(parts: Path) -> Any:
    from tests.models.chat.shapes import joined, shapes

    return joined(shapes(8, split="train"), shapes(2, first=50, split="validation"))


def test_an_interrupted_run_is_predicted_with_and_exported(
    interrupted: tuple[str, Path], kenpin: Run, parts: Path, tmp_path: Path
) -> None:
    family, out = interrupted
    partial = partial_folder(out)
    (step,) = _steps(partial)
    kept = load_file(partial / "checkpoints" / f"checkpoint-{step}" / "learned.safetensors")
    for name in (out, partial):
        predictor = load_predictor(name, checkpoint="last")
        own = dict(predictor.inspector.module.named_parameters()) | dict(predictor.inspector.module.named_buffers())
        assert all(torch.equal(own[key].cpu(), value) for key, value in kept.items())
    status, told, err = kenpin("predict", out, parts / "ok" / "000.png", "--checkpoint", step)
    assert (status, told.split("\t")[1]) == (0, "-")
    assert f"checkpoint-{step}: threshold and calibration of a run belong to its final weights" in err
    status, told, err = kenpin("export", out, tmp_path / "base", "--to", "merged", "--checkpoint", "last")
    assert status == 0, err
    told = json.loads((tmp_path / "base" / "kenpin.json").read_text("utf-8"))
    assert (told["family"], told["checkpoint"], told["trained"]) == (family, f"checkpoint-{step}", None)
    if family == "classifier":
        of_state = _said(load_predictor(out, checkpoint="last"), family, parts)
        assert equal(_said(of_base(family, tmp_path / "base"), family, parts), of_state)


def test_the_command_tells_that_a_checkpoint_does_not_decide(kenpin: Run, run: Made, parts: Path) -> None:
    folder = run("classifier", "full")
    picture = parts / "scratch" / "000.png"
    status, ships, err = kenpin("predict", folder, picture)
    assert (status, err) == (0, "")
    assert ships.split("\t")[1] in ("PASS", "FAIL")
    status, out, err = kenpin("predict", folder, picture, "--checkpoint", "last")
    assert (status, out.split("\t")[1]) == (0, "-")
    assert out.split("\t")[2:] == ships.split("\t")[2:]
    assert "no picture passes or fails by a checkpoint" in err


def test_all_checkpoints_are_kept_where_no_limit_is_set(parts: Path, tmp_path: Path) -> None:
    few = load_dataset(parts).select(range(0, 48, 3))
    how: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 4, "report": False, "patience": None}
    folder = train("classifier", data="-", dataset=few, out=tmp_path / "run", save_total_limit=None, **how)
    assert len(_steps(folder)) == 4
