"""The command line as a newcomer meets it: one sentence for what is wrong, the right status, nothing overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.cli import main

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kenpin(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert isinstance(ended.value.code, int)
        return ended.value.code, out, err

    return run


@pytest.fixture
def run(kenpin: Run, parts: Path) -> Path:
    """A trained run."""
    status, out, _ = kenpin("train", "classifier", "--data", parts, "--out", "run", "--base", "toy")
    assert (status, out) == (0, "run\n")
    return Path("run")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dctor", "x"], "Unknown command"),
        (["doctor", "nowhere"], "nowhere: there is no such file or folder"),
        (["doctor", "{parts}", "--format", "cco"], "'cco' is not known"),
        (["train", "clasifier", "--data", "x"], "Unknown command"),
        (["train", "classifier", "--data", "{parts}"], "option `out` is missing"),
        (["train", "classifier", "--dta", "{parts}"], "Did you mean --data"),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--seed", "two"], "option `seed`: input should be"),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--tuning", "hed"],
            "option `tuning`: input should",
        ),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--ok-labels", "nope"], "none of ok, scratch"),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--config", "none.yaml"],
            "none.yaml: no such file",
        ),
        (["predict", "nowhere", "a.png"], "nowhere: no such run"),
        (["report", "nowhere"], "nowhere: no such run"),
        (["convert", "{parts}", "out", "--to", "coco"], "--allow-loss"),
        (["split", "{parts}", "out", "--by", "lot"], "'lot'"),
        (["split", "{parts}", "out", "--train", "-1"], "at least two must be above 0"),
    ],
)
def test_misuse_is_one_sentence_and_status_2(kenpin: Run, parts: Path, words: list[str], sentence: str) -> None:
    status, out, err = kenpin(*(word.format(parts=parts) for word in words))
    assert status == 2
    assert out == ""
    assert err.startswith("kenpin: ")
    assert err.count("\n") == 1
    assert sentence in err
    assert list(Path().iterdir()) == []


def test_debug_shows_the_traceback(kenpin: Run) -> None:
    with pytest.raises(ValueError, match="no such file or folder"):
        main(["doctor", "nowhere", "--debug"])


def test_a_damaged_picture_is_a_finding_not_an_end(kenpin: Run, run: Path, parts: Path) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    status, out, err = kenpin("predict", run, parts / "ok" / "000.png", "broken.png", parts / "scratch")
    assert status == 1
    assert len(out.splitlines()) == 61
    assert "broken.png" in err


def test_predictions_as_json_and_drawn(kenpin: Run, run: Path, parts: Path) -> None:
    status, out, _ = kenpin("predict", run, parts / "ok" / "000.png", "--json", "p.json", "--draw", "drawn")
    assert status == 0
    (row,) = json.loads(Path("p.json").read_text())["predictions"]
    assert out.split("\t")[1] == row["verdict"]
    assert row["reasons"]
    assert sum(row["probabilities"].values()) == pytest.approx(1)
    assert [path.name for path in Path("drawn").iterdir()] == ["0001-000.png"]


def test_nothing_is_overwritten_unasked(kenpin: Run, run: Path, parts: Path) -> None:
    before = (run / "run.json").read_bytes()
    picture = parts / "ok" / "000.png"
    Path("p.json").write_text("mine")
    for words in (
        ("train", "classifier", "--data", parts, "--out", run, "--base", "toy"),
        ("predict", run, picture, "--json", "p.json"),
        ("doctor", parts, "--json", "p.json"),
        ("report", run, "--out", "p.json"),
        ("evaluate", run, "--data", parts, "--json", "p.json"),
        ("convert", parts, run, "--to", "csv"),
    ):
        status, _, err = kenpin(*words)
        assert status == 2, words
        assert "--overwrite" in err
    assert (run / "run.json").read_bytes() == before
    assert Path("p.json").read_text() == "mine"
    assert kenpin("predict", run, picture, "--json", "p.json", "--overwrite")[0] == 0
    assert kenpin("train", "mahalanobis", "--data", parts, "--out", run, "--base", "toy", "--overwrite")[0] == 0
    assert json.loads((run / "run.json").read_text())["family"] == "mahalanobis"


def test_the_line_wins_over_the_file_and_both_are_checked(kenpin: Run, parts: Path) -> None:
    Path("recipe.yaml").write_text(f"data: {parts}\nbase: toy\ntuning: full\nepochs: 1\npatience: 3\nseed: 5\n")
    status, _, err = kenpin(
        "train", "classifier", "--config", "recipe.yaml", "--out", "run", "--seed", 7, "--patience", "none",
        "--ok-labels", "ok", "--batch-size", 30, "--no-report",
    )  # fmt: skip
    assert status == 0, err
    options = json.loads(Path("run/run.json").read_text())["options"]
    assert (options["seed"], options["epochs"], options["patience"], options["batch_size"]) == (7, 1, None, 30)
    assert options["ok_labels"] == ["ok"]
    assert not Path("run/report.html").exists()
    Path("recipe.yaml").write_text("bse: toy\n")
    assert "did you mean `base`" in kenpin("train", "classifier", "--config", "recipe.yaml")[2]


def test_several_values_follow_one_option(kenpin: Run, parts: Path) -> None:
    status, _, err = kenpin("train", "mahalanobis", "--data", parts, "--out", "run", "--stages", 5, 6)
    assert status == 0, err
    assert json.loads(Path("run/run.json").read_text())["options"]["stages"] == [5, 6]


def test_figures_on_trained_pictures_are_called_flattering(kenpin: Run, run: Path, parts: Path) -> None:
    status, out, _ = kenpin("evaluate", run, "--data", parts, "--name", "again")
    assert status == 0
    assert "120 pictures of these were trained on: the figures flatter" in out
    assert (run / "evaluation-again.json").is_file()


def test_doctor_ends_with_1_where_an_error_stands(kenpin: Run, parts: Path) -> None:
    assert kenpin("doctor", parts)[0] == 0
    folder = Path("data") / "ok"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"")
    status, out, _ = kenpin("doctor", "data", "--json", "found.json")
    assert status == 1
    assert "a.png" in out
    assert json.loads(Path("found.json").read_text())


def test_split_then_train_tests_on_the_test_split(kenpin: Run, parts: Path) -> None:
    assert kenpin("split", parts, "divided", "--train", 0.5, "--validation", 0, "--test", 0.5)[0] == 0
    assert kenpin("train", "classifier", "--data", "divided", "--out", "run", "--base", "toy")[0] == 0
    assert json.loads(Path("run/evaluation.json").read_text())["split"] == "test"
    _, out, _ = kenpin("evaluate", "run", "--data", "divided")
    assert "60 pictures, split test" in out
    assert "trained on" not in out


def test_report_against_another_run(kenpin: Run, run: Path, parts: Path) -> None:
    assert kenpin("train", "mahalanobis", "--data", parts, "--out", "other", "--base", "toy")[0] == 0
    status, out, _ = kenpin("report", run, "--against", "other", "--out", "compared.html")
    assert (status, out) == (0, "compared.html\n")
    assert "other" in Path("compared.html").read_text(encoding="utf-8")


def test_families_are_listed(kenpin: Run) -> None:
    assert kenpin("families")[1].split("\n")[0].startswith("classifier")
