"""`kenpin cases` as a user meets it."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kenpin.cases.case import EVERY_CASE
from kenpin.cases.library import CaseLibrary
from kenpin.cli import main
from tests.toy_runs import ToyRun

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A run whose model makes vectors. Read only."""
    return toy_run("mahalanobis", tmp_path_factory.mktemp("runs") / "space")


@pytest.fixture
def kenpin(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in an empty folder; returns its exit status, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def run(*words: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(word) for word in words])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return int(ended.value.code or 0), out, err

    return run


@pytest.fixture
def library(kenpin: Run, run: Path, parts: Path) -> str:
    """A library of all parts: the good ones wanted, the scratched ones not."""
    assert kenpin("cases", "add", "cases", run, parts / "ok", "--verdict", "positive", "--lot", "7")[0] == 0
    assert kenpin("cases", "add", "cases", run, parts / "scratch", "--verdict", "NEGATIVE", "--label", "傷 a")[0] == 0
    return "cases"


def test_adding_tells_each_case_and_adds_it_once(kenpin: Run, library: str, run: Path, parts: Path) -> None:
    status, out, err = kenpin("cases", "add", library, run, parts / "ok" / "000.png", parts / "ok" / "001.png")
    assert (status, err) == (0, "cases: 2 known.\n")
    assert out.splitlines()[0] == f"known\tPOSITIVE\t-\t7\t{parts / 'ok' / '000.png'}\t-"
    changed = kenpin("cases", "add", library, run, parts / "ok" / "000.png", "--note", "bad\nlight", "--update")[1]
    assert changed == f"changed\tPOSITIVE\t-\t7\t{parts / 'ok' / '000.png'}\tbad light\n"
    assert len(CaseLibrary.open(library)) == 48


def test_search_finds_wanted_cases(kenpin: Run, library: str, run: Path, parts: Path) -> None:
    picture = parts / "scratch" / "000.png"
    status, out, _ = kenpin("cases", "search", library, run, picture, "-k", 3, "--json", "found.json")
    lines = [line.split("\t") for line in out.splitlines()]
    assert status == 0
    assert [(line[0], line[1], line[3]) for line in lines] == [(str(picture), f"{n}", "POSITIVE") for n in (1, 2, 3)]
    found = json.loads(Path("found.json").read_text())
    assert [case["verdict"] for case in found["searches"][0]["found"]] == ["POSITIVE"] * 3
    assert (found["metric"], found["not_opened"]) == ("cosine", [])
    _, out, _ = kenpin("cases", "search", library, run, picture, "-k", 1, "--verdict", "negative", "--label", "傷 a")
    assert out.split("\t")[1:6] == ["1", "0.0000", "NEGATIVE", "傷 a", "-"]
    assert kenpin("cases", "search", library, run, picture, "--label", "' OR '1'='1")[1] == ""


def test_another_run_is_refused_with_both_names(
    kenpin: Run, library: str, run: Path, parts: Path, tmp_path: Path, toy_run: ToyRun
) -> None:
    other = toy_run("mahalanobis", tmp_path / "other", seed=1)
    for command in ("search", "add"):
        status, out, err = kenpin("cases", command, library, other, parts / "ok" / "000.png")
        assert (status, out) == (2, "")
        assert err.count("\n") == 1
        assert "run space (" in err
        assert "run other (" in err
    moved = run.rename(run.with_name("moved"))  # the same run under another name is the same run
    try:
        assert kenpin("cases", "search", library, moved, parts / "ok" / "000.png")[0] == 0
    finally:
        moved.rename(run)


def test_removing_says_how_many_first(kenpin: Run, library: str) -> None:
    status, out, _ = kenpin("cases", "remove", library, "--verdict", "negative")
    assert (status, out) == (0, "cases: 24 of 48 cases would be removed; add --yes to do it.\n")
    assert len(CaseLibrary.open(library)) == 48
    for words in ([], ["--yes"], ["--all", "--label", "傷 a", "--yes"]):
        status, out, err = kenpin("cases", "remove", library, *words)
        assert (status, out) == (2, "")
        assert "say which cases" in err
    assert kenpin("cases", "remove", library, "--verdict", "negative", "--label", "x", "--yes")[1].startswith(
        "cases: 0"
    )
    assert kenpin("cases", "remove", library, "--label", "傷 a", "--yes")[1] == "cases: 24 cases removed, 24 left.\n"
    first = CaseLibrary.open(library).cases()[0].id
    assert kenpin("cases", "remove", library, "--id", first, "--yes")[1] == "cases: 1 case removed, 23 left.\n"
    assert kenpin("cases", "remove", library, "--all", "--yes")[1] == "cases: 23 cases removed, 0 left.\n"


def test_stats_count_and_name_the_run(kenpin: Run, library: str, run: Path) -> None:
    _, out, _ = kenpin("cases", "stats", library, "--recall", "--json", "stats.json")
    rows = dict(line.split("\t") for line in out.splitlines()[1:])
    assert out.splitlines()[0] == "48 cases"
    assert rows["embeddings"] == "64 numbers each, compared by cosine"
    assert rows["run"].endswith(f"in {run}")
    assert rows["recall"].startswith("1.000")
    assert rows["label"] == "-: 24, 傷 a: 24"
    told = json.loads(Path("stats.json").read_text())
    assert (told["cases"], told["by_verdict"], told["run"]["path"]) == (48, {"POSITIVE": 24, "NEGATIVE": 24}, str(run))


def test_a_data_set_brings_what_it_says(kenpin: Run, run: Path, parts: Path) -> None:
    rows = ["path,label,lot,verdict,note", f"{parts}/ok/000.png,good,7,positive,", f"{parts}/ok/001.png,,8,,dark"]
    Path("table.csv").write_text("\n".join(rows), "utf-8")
    status, out, _ = kenpin("cases", "add", "cases", run, "--data", "table.csv", "--verdict", "negative")
    assert status == 0
    assert [line.split("\t")[1:4] for line in out.splitlines()] == [["POSITIVE", "good", "7"], ["NEGATIVE", "-", "8"]]
    assert out.splitlines()[1].endswith("\tdark")
    assert kenpin("cases", "add", "copy", run, "--cases", "cases")[2] == "copy: 2 added.\n"


def test_a_picture_that_cannot_be_opened_is_a_finding(kenpin: Run, run: Path, parts: Path) -> None:
    Path("broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"x" * 40)
    status, out, err = kenpin("cases", "add", "cases", run, "broken.png", "none.png", parts / "ok" / "000.png")
    assert (status, len(out.splitlines())) == (1, 1)
    assert "broken.png: " in err
    assert "none.png: " in err
    status, out, err = kenpin("cases", "search", "cases", run, "broken.png", parts / "ok" / "000.png")
    assert (status, len(out.splitlines())) == (1, 1)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["add", "cases", "{run}"], "give pictures, a data set with --data, or a library with --cases"),
        (["add", "cases", "{run}", "{part}", "--data", "{parts}"], "only one of these"),
        (["add", "cases", "nowhere", "{part}"], "nowhere: no such run"),
        (["add", "cases", "{run}", "{part}", "--format", "csv"], "are for --data"),
        (["add", "cases", "{run}", "{part}", "--verdict", "good"], "verdict"),
        (["add", "cases", "{run}", "{part}", "--metric", "dot"], "metric"),
        (["add", "{parts}", "{run}", "{part}"], "is not a library of cases"),
        (["add", "cases", "{run}", "--cases", "nowhere"], "nowhere: there is no library"),
        (["search", "nowhere", "{run}", "{part}"], "nowhere: there is no library"),
        (["search", "nowhere", "{run}", "{part}", "-k", "0"], "give 1 or more"),
        (["remove", "nowhere", "--all"], "nowhere: there is no library"),
        (["stats", "nowhere"], "nowhere: there is no library"),
    ],
)
def test_misuse_is_one_sentence(kenpin: Run, run: Path, parts: Path, words: list[str], sentence: str) -> None:
    names = {"run": run, "parts": parts, "part": parts / "ok" / "000.png"}
    status, out, err = kenpin("cases", *(word.format(**names) for word in words))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert sentence in err
    assert list(Path().iterdir()) == []


@pytest.mark.slow
def test_a_killed_command_keeps_what_it_told(kenpin: Run, run: Path, parts: Path) -> None:
    command = [sys.executable, "-m", "kenpin", "cases", "add", "cases", str(run), str(parts)]
    for seed in range(5):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(seed % 2)]
        time.sleep(random.Random(seed).uniform(0, 0.02) if told else 2.5 + 0.5 * seed)
        process.kill()
        lines = [*told, *process.communicate()[0].splitlines(keepends=True)]
        found = CaseLibrary.find("cases")
        held = set() if found is None else {case.picture for case in found.cases()}
        assert {line.split("\t")[4] for line in lines if line.endswith("\n")} <= held
        if found is not None:
            assert len(found) == len(held)
            found.remove(EVERY_CASE)
    assert kenpin("cases", "add", "cases", run, parts)[0] == 0
    assert len(CaseLibrary.open("cases")) == 48
