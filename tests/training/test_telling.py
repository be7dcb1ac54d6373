"""What a training tells a person: a line an epoch, one line of progress, and what was found and comes next."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kenpin.cli import _show
from kenpin.cli._telling import Telling, epoch_line
from kenpin.files import partial_folder
from kenpin.report.evolution import read_evolution
from kenpin.training import Epoch, Listener, Step, train
from kenpin.training.telling import mean_loss
from tests.objects import joined, made_objects
from tests.training.told import CASES, GOLDEN, masked, screen, standard_error, told, write_data, written

SLOW = {"florence2", "paligemma", "vlm"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data sets of the golden texts."""
    folder = tmp_path_factory.mktemp("told")
    write_data(folder)
    return folder


@pytest.fixture
def here(data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to work in, with these data sets in it."""
    for folder in data.iterdir():
        (tmp_path / folder.name).symlink_to(folder)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES]
)
def test_a_training_tells_what_its_golden_text_says_on_a_terminal_and_off_it(
    name: str, here: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    golden = (GOLDEN / f"train-{name}.txt").read_text("utf-8")
    on_terminal, off_it = told(name, terminal=True), told(name, terminal=False)
    assert masked(screen(on_terminal)) == golden
    assert masked(off_it) == golden, "nothing is written over, and no bar is drawn"
    frames = [frame for line in on_terminal.split("\n") for frame in line.split("\r") if "█" in frame or "░" in frame]
    assert all(re.fullmatch(r"[\w -]+ █*░* \d+/\d+( +.* left)? *", frame) for frame in frames), "no bar of a library"
    assert {frame.split()[0] for frame in frames} & {"training", "cross-validating"}
    assert "\x1b" not in on_terminal
    assert capfd.readouterr().out == "run\nrun\n"


def test_a_stopped_training_leaves_a_tidy_line_and_a_resumed_one_says_where_it_goes_on(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("train", *CASES["classifier-full"], "--base", "toy", "--out", "run")
    with monkeypatch.context() as patch:
        epoch = Telling.epoch

        def stop(self: Telling, found: Epoch) -> None:
            if found.epoch == 2:
                raise KeyboardInterrupt
            epoch(self, found)

        patch.setattr(Telling, "epoch", stop)
        status, raw = written(*command, terminal=True)
    assert status == 130
    assert masked(screen(raw)).splitlines()[-3:] == [
        "before training   AUROC #   accuracy #\N{NO-BREAK SPACE}%",
        "epoch 1 of 3   training loss #   validation loss #   AUROC #   accuracy #\N{NO-BREAK SPACE}%   TIME left",
        "kenpin: stopped; nothing half-done is left under the name you gave, and a training that had a checkpoint goes "
        "on with --resume.",
    ]
    status, raw = written(*command, "--resume", terminal=False)
    assert status == 0
    lines = raw.splitlines()
    place = lines.index("Training goes on from step 2 of 6, epoch 1 of 3.")
    assert [line[:12] for line in lines[place + 1 : place + 4]] == ["epoch 2 of 3", "epoch 3 of 3", "6 of 6 steps"]
    assert "before training" not in raw


def test_a_run_stopped_after_its_training_says_so_when_resumed(few_parts: Path, tmp_path: Path) -> None:
    def stop(sentence: str) -> None:
        if sentence.startswith("Threshold"):
            raise KeyboardInterrupt

    settings: dict[str, Any] = {"data": str(few_parts), "out": tmp_path / "run", "base": "toy", "report": False}
    with pytest.raises(KeyboardInterrupt):
        train("classifier", listener=Listener(say=stop), **settings)
    said: list[str] = []
    train("classifier", listener=Listener(say=said.append), resume=True, **settings)
    assert "The training itself was done before the interruption; the steps after it are done now." in said


def test_an_early_stop_names_the_epoch_since_when_nothing_was_better(few_parts: Path, tmp_path: Path) -> None:
    said: list[str] = []
    found: list[Epoch] = []
    settings: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 30, "learning_rate": 0.05, "patience": 1}
    listener = Listener(say=said.append, epoch=found.append)
    run = train("classifier", data=str(few_parts), out=tmp_path / "run", report=False, listener=listener, **settings)
    (ended,) = [sentence for sentence in said if "stopped early" in sentence]
    best = max(epoch.epoch for epoch in found if epoch.is_best)
    assert found[-1].epoch == best + 1 < 30
    assert ended.endswith(f"Training stopped early: no better since epoch {best:.4g}.")
    assert ended in json.loads((run / "run.json").read_text())["notes"]


def test_each_epoch_is_told_with_the_mean_of_its_losses_and_the_scores_that_are_kept(
    few_parts: Path, tmp_path: Path
) -> None:
    found: list[Epoch] = []
    steps: list[Step] = []
    settings: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 3, "batch_size": 4, "evaluate_every": 20}
    run = train(
        "classifier",
        data=str(few_parts),
        out=tmp_path / "run",
        report=False,
        listener=Listener(epoch=found.append, step=steps.append),
        **settings,
    )
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [epoch.epoch for epoch in found] == [0, 1, 2, 3]
    assert [epoch.validation_loss is None for epoch in found] == [True, True, False, False]
    losses = {row["step"]: row["loss"] for row in rows if "loss" in row}
    assert list(losses) == list(range(1, 31))
    assert [(step.step, step.steps, step.loss) for step in steps] == [(at, 30, loss) for at, loss in losses.items()]
    assert [step.learning_rate for step in steps] == [row["learning_rate"] for row in rows if "loss" in row]
    assert steps[2].learning_rate == max(step.learning_rate for step in steps), "a tenth of 30 steps warms up"
    for epoch, first in zip(found[1:], (1, 11, 21), strict=True):
        assert epoch.training_loss == pytest.approx(sum(losses[first + place] for place in range(10)) / 10)
    evaluated = {row["epoch"]: row for row in rows if "eval_loss" in row}
    assert found[2].validation_loss == evaluated[2.0]["eval_loss"]
    assert found[2].scores["auroc"] is not None
    left = [epoch.seconds_left for epoch in found]
    assert left[0] is None
    assert left[1] is not None
    assert left[1] > 0
    assert left[3] == 0


def test_of_a_long_training_no_more_losses_are_kept_than_a_page_needs(
    few_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kenpin.training.engine.LOGGED", 4)
    steps: list[Step] = []
    settings: dict[str, Any] = {"base": "toy", "tuning": "full", "epochs": 1, "batch_size": 3, "report": False}
    train("classifier", data=str(few_parts), out=tmp_path / "run", listener=Listener(step=steps.append), **settings)
    assert [step.step for step in steps] == [4, 8, 12, 13]


def test_python_is_told_nothing_unasked(few_parts: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    train("classifier", data=str(few_parts), out=tmp_path / "run", base="toy", tuning="full", epochs=1)
    assert capfd.readouterr() == ("", "")


def test_the_page_of_the_evolution_is_there_at_the_first_evaluation_and_grows(tmp_path: Path) -> None:
    out = tmp_path / "run"
    page = partial_folder(out) / "evolution.html"
    seen: list[tuple[int, int]] = []
    said: list[str] = []

    def look(_: Epoch) -> None:
        seen.append((page.read_text("utf-8").count("<img"), len(read_evolution(page.parent).snapshots)))

    train(
        "florence2",
        dataset=joined(made_objects(4), made_objects(2, first=50, split="validation")),
        data="-",
        out=out,
        base="toy",
        epochs=2,
        batch_size=4,
        evaluate_every=1,
        max_new_tokens=8,
        listener=Listener(epoch=look, say=said.append),
    )
    assert seen == [(2 * (1 + columns), columns) for columns in (1, 2, 3)]
    assert sum(str(page) in sentence for sentence in said) == 1
    assert (out / "evolution.html").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


EPOCH = Epoch(
    epoch=3.0,
    epochs=10.0,
    training_loss=0.25,
    validation_loss=0.5,
    scores={"accuracy": 0.9, "auroc": 0.875, "balanced_accuracy": 0.9},
    is_best=True,
    seconds_left=200.4,
)


def test_a_line_on_an_epoch_holds_its_losses_its_scores_and_the_time_left() -> None:
    nbsp = "\N{NO-BREAK SPACE}"
    assert epoch_line(EPOCH) == (
        "epoch  3 of 10   training loss 0.2500   validation loss 0.5000 (best)   AUROC 0.875   "
        f"accuracy  90.0{nbsp}%   3 min 20 s left"
    )
    worse = replace(EPOCH, epoch=10.0, is_best=False, scores={"auroc": None, "map_50": 0.5}, seconds_left=0.0)
    assert epoch_line(worse) == "epoch 10 of 10   training loss 0.2500   validation loss 0.5000          mAP 50 0.500"
    unscored = replace(EPOCH, epoch=0.5, validation_loss=None, scores={}, is_best=False)
    assert epoch_line(unscored) == "epoch 0.5 of 10   training loss 0.2500   3 min 20 s left"


def test_a_mean_loss_weighs_each_row_by_its_steps() -> None:
    history = [
        {"step": 4, "loss": 9.0},
        {"step": 4, "eval_loss": 0.0},
        {"step": 10, "loss": 1.0},
        {"step": 12, "loss": 4.0},
    ]
    assert mean_loss(history, 4) == pytest.approx((6 * 1.0 + 2 * 4.0) / 8)
    assert mean_loss(history, 12) is None


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_off_a_terminal_long_work_is_told_once_a_minute_with_the_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    telling = Telling(clock)
    telling.progress("training", 5, 5)  # comes again and again: its end is no news
    for done in range(10, 1001, 10):
        clock.now_s += 2.5
        telling.progress("computing features", done, 1000)
    assert capsys.readouterr().err.splitlines() == [
        "computing features: 250 of 1,000, 3 min 08 s left",
        "computing features: 490 of 1,000, 2 min 08 s left",
        "computing features: 730 of 1,000, 1 min 08 s left",
        "computing features: 970 of 1,000, 8 s left",
        "computing features: 1,000 of 1,000",
    ]


def test_a_line_of_progress_fits_the_terminal_and_is_not_drawn_faster_than_an_eye_sees() -> None:
    clock = Clock()
    with standard_error(terminal=True, columns=40) as pieces:
        line = _show.ProgressLine(clock)
        for done in range(1, 100):
            clock.now_s += 0.01
            line("predicting", done, 1_000_000)
    frames = b"".join(pieces).decode().split("\r")[1:]
    assert 9 <= len(frames) <= 11
    assert all(len(frame) == 39 for frame in frames)


def test_a_line_of_progress_tells_the_time_left_of_long_work_alone() -> None:
    clock = Clock()
    with standard_error(terminal=True) as pieces:
        line = _show.ProgressLine(clock)
        for done in (10, 20, 30, 40):
            line("predicting", done, 100)
            clock.now_s += 1.0
        line("predicting", 100, 100)
    *frames, rest = b"".join(pieces).decode().split("\r")[1:]
    assert rest == "\n", "a finished line stays"
    assert ["left" in frame for frame in frames] == [False, False, True, True, False]
    assert frames[3].rstrip().endswith("40/100  6 s left")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.2, "under 1 s"), (1, "1 s"), (59.4, "59 s"), (59.6, "1 min 00 s"), (3599, "59 min 59 s"), (3725, "1 h 02 min")],
)
def test_durations_are_in_words(seconds: float, words: str) -> None:
    assert _show.duration(seconds) == words
