"""The command line as a newcomer meets it: one sentence for what is wrong, the right status, nothing overwritten."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from shutil import copytree

import pytest

from kenpin.cli import main
from kenpin.training import train
from tests.builders import write_picture
from tests.commands import Run
from tests.tables import write_table


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def trained_run(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained run. Read only."""
    return train("classifier", data=str(parts), out=tmp_path_factory.mktemp("trained") / "run", base="toy")


@pytest.fixture
def run(kenpin: Run, trained_run: Path) -> Path:
    """A copy of it in the folder of the commands."""
    return copytree(trained_run, Path("run"))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["dctor", "x"], "unknown command `dctor`; did you mean `doctor`?"),
        (["doctor", "nowhere"], "nowhere: there is no such file or folder"),
        (["doctor", "{parts}", "--format", "cco"], "format 'cco' is not known; did you mean `coco`?"),
        (["train", "clasifier", "--data", "x"], "unknown command `clasifier`; did you mean `classifier`?"),
        (["train", "classifier", "--data", "{parts}"], "option `--out` is missing"),
        (["train", "classifier", "--dta", "{parts}"], "unknown option --dta; did you mean --data?"),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--seed", "two"],
            "`--seed` is 'two'; give a whole",
        ),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--tuning", "hed"],
            "option `--tuning` is 'hed'; did you mean 'head'?",
        ),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--ok-labels", "nope"], "there are ok, scratch."),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--config", "none.yaml"],
            "none.yaml: no such file",
        ),
        (["predict", "nowhere", "a.png"], "nowhere: no such run"),
        (["report", "nowhere"], "nowhere: no such run"),
        (["convert", "{parts}", "out", "--to", "voc"], "carries none of its annotations (labels of whole pictures)"),
        (["split", "{parts}", "out", "--by", "lot"], "'lot'"),
        (["split", "{parts}", "out", "--train", "-1"], "at least two must be above 0"),
        (["split", "{parts}", "out", "--train", "nan"], "shares nan, 0.15, 0.15: at least two"),
        (["split", "{parts}", "out", "--seed", "-1"], "`--seed` is -1; give a number from 0"),
        (["split", "{parts}", "out", "--to", "coco"], "carries none of its annotations"),
        (["train", "mahalanobis", "--epochs", "3"], "unknown option --epochs; "),
        (
            ["export", "run", "--out", "x"],
            "unknown option --out; OUT is given without an option's name: see `kenpin exp",
        ),
        (["split", "d", "--dta", "d"], "unknown option --dta; DATA is given without an option's name"),
        (["train", "classifier", "--data", "d", "more"], "unexpected argument `more`; leave it out"),
        (["train", "classifier", "more"], "given by name: `kenpin train classifier --data more --out RUN`"),
        (["train", "parts"], "`parts` is no family; name one, as in `kenpin train FAMILY --data parts --out RUN`"),
        (["train", "--data", "parts"], "the family is missing before --data; name one"),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--epochs", "inf"], "give a finite number"),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--ok-labels"], "names no class"),
        (
            ["train", "classifier", "--data", "{parts}", "--out", "r", "--base", "toy", "--ok-labels", "ok", "scratch"],
            "`ok_labels` names every class",
        ),
        (["train", "classifier", "--data", "{parts}", "--out", "r", "--base", "/no/such"], "there is no such folder"),
        (
            ["train", "mahalanobis", "--data", "{parts}", "--out", "r", "--base", "toy", "--layers", "3"],
            "2 layers; give numbers from 1 to 2",
        ),
        (["train", "mahalanobis", "--data", "{parts}", "--out", "r", "--layers", "9"], "lite0 has stages 0 to 6"),
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


def test_a_table_of_numbers_goes_the_whole_way(kenpin: Run) -> None:
    write_table(Path("parts.csv"))
    train = ("train", "mahalanobis", "--data", "parts.csv", "--out", "run", "--ridge", "0", "--limit", "f")
    status, _, err = kenpin(*train, "--select-items")
    assert status == 0
    assert "Item selection by 35 defective parts" in err
    assert "Hotelling's F" in err
    status, out, _ = kenpin("predict", "run", "parts.csv", "--json", "said.json")
    assert (status, len(out.splitlines())) == (0, 200)
    assert {"length", "width"} <= set(json.loads(Path("said.json").read_text())["predictions"][0]["contributions"])
    status, _, err = kenpin("evaluate", "run", "--data", "parts.csv")
    assert status == 2
    assert "has learned from all of these 200 pictures" in err
    status, out, _ = kenpin("evaluate", "run", "--data", "parts.csv", "--with-seen")
    assert status == 0
    assert "auroc" in out.lower()
    assert "Not held out" in out
    assert kenpin("report", "run")[0] == 0
    page = Path("run/report.html").read_text("utf-8")
    assert "200 parts, evaluation" in page
    assert "no picture kept" not in page
    assert re.search(r"<span>length [\d.]+, width [\d.]+", page), "what made the distance of a mistake large"
    status, _, err = kenpin("predict", "run", "parts.csv", "--draw", "drawn")
    assert status == 2
    assert "have no picture" in err
    status, out, _ = kenpin(*train[:5], "again", "--dry-run")
    assert status == 0
    assert "there is no network to train" in out
    assert "Time" not in out
    assert not Path("again").exists()


def test_debug_shows_the_traceback(kenpin: Run) -> None:
    with pytest.raises(ValueError, match="no such file or folder"):
        main(["doctor", "nowhere", "--debug"])


def test_a_damaged_picture_is_a_finding_not_an_end(kenpin: Run, run: Path, parts: Path) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    status, out, err = kenpin("predict", run, parts / "ok" / "000.png", "broken.png", parts / "scratch")
    assert status == 1
    assert len(out.splitlines()) == 25
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


def test_a_run_replaces_nothing_but_a_run(kenpin: Run, parts: Path) -> None:
    copytree(parts, "mine")
    Path("link").symlink_to("nowhere")
    for place in ("mine", ".", "link"):
        status, _, err = kenpin("train", "classifier", "--data", "mine", "--out", place, "--overwrite")
        assert status == 2
        assert "is not a run, and --overwrite replaces nothing else" in err
    assert kenpin("train", "classifier", "--data", "mine", "--out", "link")[0] == 2
    assert len(list(Path("mine").rglob("*.png"))) == 48
    assert sorted(path.name for path in Path().iterdir()) == ["link", "mine"]


def test_a_run_that_holds_its_data_is_not_replaced(kenpin: Run, run: Path, parts: Path) -> None:
    copytree(parts, run / "mine")
    status, _, err = kenpin("train", "classifier", "--data", run / "mine", "--out", run, "--overwrite")
    assert status == 2
    assert "the data come from this folder" in err
    assert (run / "mine" / "ok").is_dir()


def test_places_that_cannot_be_written_are_refused_before_the_work(
    kenpin: Run, run: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object, **__: object) -> None:
        pytest.fail("the work began")

    monkeypatch.setattr("kenpin.predictor.load_predictor", never)
    Path("file").write_text("mine")
    Path("folder").mkdir()
    picture = parts / "ok" / "000.png"
    for words, sentence in (
        (("predict", run, picture, "--json", "file/p.json"), "file/p.json: "),
        (("predict", run, picture, "--json", "folder", "--overwrite"), "folder: is a folder; name a file in it."),
        (("predict", run, picture, "--draw", "file", "--overwrite"), "file: is a file; name a folder."),
        (("evaluate", run, "--data", parts, "--name", "a/b"), "'a/b' must be usable as part of a file name"),
        (("evaluate", run, "--data", parts, "--name", ""), "'' must be usable as part of a file name"),
        (("report", run, "--out", "folder", "--overwrite"), "folder: is a folder; name a file in it."),
    ):
        status, out, err = kenpin(*words)
        assert (status, out) == (2, "")
        assert sentence in err


def test_files_are_written_into_folders_that_are_not_there_yet(kenpin: Run, run: Path, parts: Path) -> None:
    assert kenpin("predict", run, parts / "ok" / "000.png", "--json", "new/deep/p.json")[0] == 0
    assert [path.name for path in Path("new/deep").iterdir()] == ["p.json"]


def test_a_refused_training_leaves_nothing_behind(kenpin: Run) -> None:
    for number in range(2):
        write_picture(Path("data/ok") / f"{number}.png", number)
    status, _, err = kenpin("train", "mahalanobis", "--data", "data", "--out", "run", "--base", "toy")
    assert status == 2
    assert "data/ok: 2 good parts; 12 are needed to learn from: add 10, or take --where pooled or neighbours, " in err
    assert [path.name for path in Path().iterdir()] == ["data"]
    assert "give the folder of a finished run" in kenpin("predict", "run", "a.png")[2]


def test_a_report_stands_on_what_the_training_wrote(kenpin: Run, run: Path, parts: Path) -> None:
    assert kenpin("evaluate", run, "--data", parts, "--name", "again", "--with-seen")[0] == 0
    assert kenpin("report", run)[0] == 0
    (run / "evaluation.json").unlink()
    status, _, err = kenpin("report", run)
    assert status == 2
    assert "evaluation.json: is missing; restore it from a copy or train again." in err
    assert kenpin("predict", run, parts / "ok" / "000.png")[0] == 0, "an inspector needs no report"


def test_a_device_that_computes_nothing_is_refused(kenpin: Run, run: Path, parts: Path) -> None:
    status, _, err = kenpin("predict", run, parts / "ok" / "000.png", "--device", "meta")
    assert status == 2
    assert "device 'meta' cannot be used (tensors without values compute nothing)" in err


def test_ctrl_c_says_what_is_left(kenpin: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kenpin.cli.train.family_names", stopped)
    status, _, err = kenpin("families")
    assert status == 130
    assert "stopped; nothing half-done is left" in err
    assert "--resume" in err


def test_help_that_nobody_reads_to_the_end_is_no_error() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", "from kenpin.cli import main; main(['--help'])"], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(60) == 0


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


def test_the_word_default_takes_the_option_s_own_over_the_file_s(kenpin: Run, parts: Path) -> None:
    Path("recipe.yaml").write_text(f"data: {parts}\nbase: toy\ncost_escape: 3\nok-labels: [scratch]\nhead_c: 7\n")
    words = ("--out", "run", "--no-report", "--cost-escape", "default", "--ok-labels", "default")
    status, _, err = kenpin("train", "classifier", "--config", "recipe.yaml", *words)
    assert status == 0, err
    options = json.loads(Path("run/run.json").read_text())["options"]
    assert (options["cost_escape"], options["ok_labels"], options["head_c"]) == (10.0, None, 7.0)
    status, _, err = kenpin("train", "classifier", "--config", "recipe.yaml", "--out", "r", "--data", "default")
    assert status == 2, "data has no default"
    assert "`data` is missing" in err


def test_an_error_names_the_line_of_the_file_or_the_command_line(kenpin: Run, parts: Path) -> None:
    Path("recipe.yaml").write_text(f"data: {parts}\n# a comment\ncost-escape: much\n")
    words = ("train", "classifier", "--config", "recipe.yaml", "--out", "run")
    assert "recipe.yaml line 3: option `cost_escape` is 'much'; give a number." in kenpin(*words)[2]
    _, _, err = kenpin(*words, "--cost-escape", "1", "--seed", "two")
    assert "command line: option `--seed` is 'two'; give a whole number." in err
    assert "command line: option `--cost-escape` is 'less'" in kenpin(*words, "--cost-escape", "less")[2]
    Path("recipe.yaml").write_text(f"data: {parts}\n\nbse: toy\n")
    assert "recipe.yaml line 3: unknown option `bse`; did you mean `base`?" in kenpin(*words)[2]


def test_several_values_follow_one_option(kenpin: Run, parts: Path) -> None:
    status, _, err = kenpin(
        "train", "mahalanobis", "--data", parts, "--out", "run", "--base", "toy", "--ok-labels", "ok", "scratch"
    )
    assert status == 0, err
    assert json.loads(Path("run/run.json").read_text())["options"]["ok_labels"] == ["ok", "scratch"]


def test_figures_on_trained_pictures_are_refused_unless_asked_for(kenpin: Run, run: Path, parts: Path) -> None:
    status, _, err = kenpin("evaluate", run, "--data", parts, "--name", "again")
    assert status == 2
    assert "give some that it has not seen, or measure what it remembers with --with-seen" in err
    assert not (run / "evaluation-again.json").exists()
    status, out, _ = kenpin("evaluate", run, "--data", parts, "--name", "again", "--with-seen")
    assert status == 0
    assert "Not held out: the inspector, or a run below it, has learned from 48 of these 48" in out
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
    assert "24 pictures, split test" in out
    assert "trained on" not in out


def test_a_split_may_lose_what_its_format_does_not_carry_where_that_is_allowed(kenpin: Run, parts: Path) -> None:
    rows = [f"{path},{path.parent.name},{path.stem}" for path in sorted(parts.rglob("*.png"))]
    Path("list.csv").write_text("\n".join(["path,label,lot", *rows]))
    status, _, err = kenpin("split", "list.csv", "divided", "--to", "folders")
    assert status == 2
    assert "does not carry groups. Choose another format (" in err
    assert "), or allow the loss with --allow-loss." in err
    assert kenpin("split", "list.csv", "divided", "--to", "folders", "--allow-loss")[0] == 0


def test_what_is_divided_already_is_not_divided_anew_unasked(kenpin: Run, parts: Path) -> None:
    assert kenpin("split", parts, "divided")[0] == 0
    status, _, err = kenpin("split", "divided", "again")
    assert status == 2
    assert "is already divided (test, train, validation)" in err
    assert not Path("again").exists()
    assert kenpin("split", "divided", "again", "--resplit")[0] == 0


def test_report_against_another_run(kenpin: Run, run: Path, parts: Path) -> None:
    assert kenpin("train", "mahalanobis", "--data", parts, "--out", "other", "--base", "toy")[0] == 0
    status, out, _ = kenpin("report", run, "--against", "other", "--out", "compared.html")
    assert (status, out) == (0, "compared.html\n")
    assert "other" in Path("compared.html").read_text(encoding="utf-8")


def test_families_are_listed(kenpin: Run) -> None:
    assert kenpin("families")[1].split("\n")[0].startswith("classifier")
