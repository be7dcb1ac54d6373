"""`kenpin inspect`: a line a part, a record that lasts, a status that tells the worst, and nothing overwritten."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from PIL import Image

from kenpin.files import sole_writer
from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.inspection.record import PartRecord
from kenpin.predictor import Predictor, load_predictor
from kenpin.records import Verdict
from kenpin.run.record import read_record, record_hash
from tests.commands import Run
from tests.toy_runs import ToyRun

PASSES, FAILS, DOUBTS = "fail_from: 2", "fail_from: 0", "fail_from: 2, review_from: 0"


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="session")
def toys(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A folder with tiny runs `head` and `space` on one base, and `vectors`, that learned its own."""
    folder = tmp_path_factory.mktemp("toys")
    toy_run("classifier", folder / "head")
    toy_run("mahalanobis", folder / "space")
    toy_run("embedder", folder / "vectors", epochs=1)
    return folder


@pytest.fixture
def policy(toys: Path, tmp_path: Path) -> Path:
    """A policy that passes everything."""
    return _write(tmp_path, toys, PASSES)


def _write(folder: Path, toys: Path, cuts: str, more: str = "") -> Path:
    path = folder / "policy.yaml"
    path.write_text(f"runs:\n  classifier: {{run: {toys / 'head'}, {cuts}}}\naside_after_s: 0.3\n{more}\n")
    return path


def _records(out: Path) -> list[PartRecord]:
    return list(read_records(out / JOURNAL))


@pytest.mark.parametrize(
    ("cuts", "status", "verdict"), [(PASSES, 0, "PASS"), (FAILS, 3, "FAIL"), (DOUBTS, 4, "REVIEW")]
)
def test_the_exit_status_is_that_of_the_worst_part(
    kenpin: Run, toys: Path, parts: Path, tmp_path: Path, cuts: str, status: int, verdict: str
) -> None:
    ended, out, err = kenpin("inspect", _write(tmp_path, toys, cuts), parts / "ok", "--out", "records")
    assert ended == status
    lines = [line.split("\t") for line in out.splitlines()]
    assert [line[:2] for line in lines] == [[str(parts / "ok" / f"{number:03}.png"), verdict] for number in range(24)]
    assert all(len(line) == 3 and line[2].startswith("classifier: The score") for line in lines)
    assert f"24 {verdict}" in err
    assert "p50" in err


def test_a_record_tells_everything_and_by_which_versions(kenpin: Run, toys: Path, parts: Path, tmp_path: Path) -> None:
    policy = _write(tmp_path, toys, FAILS, f"  \nlot: L-1\nmaps: {{of: classifier}}\n")  # noqa: F541
    policy.write_text(policy.read_text().replace("aside", f"  space: {toys / 'space'}\naside", 1))
    picture = parts / "scratch" / "000.png"
    assert kenpin("inspect", policy, picture, "--out", "records", "--lot", "L-2")[0] == 3
    (record,) = _records(Path("records"))
    assert (record.id, record.picture, record.lot, record.size_wh) == (str(picture), str(picture), "L-2", (64, 64))
    classifier, space = record.answers
    assert (classifier.run, classifier.version) == ("classifier", record_hash(read_record(toys / "head")))
    assert classifier.data_set == read_record(toys / "head").dataset["fingerprint"]
    assert (classifier.fail_from, classifier.verdict) == (0, Verdict.FAIL)
    assert classifier.probabilities is not None
    assert sum(classifier.probabilities.values()) == pytest.approx(1)
    assert record.label == classifier.label == max(classifier.probabilities, key=classifier.probabilities.__getitem__)
    assert record.distance == space.distance == space.score
    assert space.contributions
    assert classifier.map is not None
    assert Image.open(Path("records") / classifier.map).width > 64
    assert space.map is None


def test_named_again_a_part_gets_its_line_from_the_record(kenpin: Run, toys: Path, parts: Path, tmp_path: Path) -> None:
    words = ("inspect", _write(tmp_path, toys, FAILS), parts / "ok" / "000.png", "--out", "records")
    first, again = kenpin(*words), kenpin(*words)
    assert first[:2] == again[:2]
    assert len(_records(Path("records"))) == 1
    more = kenpin(*words[:3], parts / "ok" / "001.png", parts / "ok" / "001.png", *words[3:])
    assert more[1].startswith(first[1])
    assert len(_records(Path("records"))) == 2


def test_another_policy_or_run_needs_another_folder(
    kenpin: Run, toys: Path, parts: Path, tmp_path: Path, policy: Path
) -> None:
    words = ("inspect", policy, parts / "ok" / "000.png", "--out", "records")
    assert kenpin(*words)[0] == 0
    kept = (Path("records") / JOURNAL).read_bytes()
    _write(tmp_path, toys, FAILS)
    status, _, err = kenpin(*words)
    assert (status, "was started with another policy (different: runs)" in err) == (2, True)
    _write(tmp_path, toys, PASSES, "rules: PASS if classifier FAIL")
    assert "(different: policy)" in kenpin(*words)[2]
    _write(tmp_path, toys, PASSES, "settle_s: 3")  # decides nothing
    assert kenpin(*words)[0] == 0
    assert (Path("records") / JOURNAL).read_bytes() == kept


def test_a_second_inspection_of_the_same_folder_is_refused(
    kenpin: Run, policy: Path, parts: Path, tmp_path: Path
) -> None:
    with sole_writer(tmp_path / "records"):
        status, _, err = kenpin("inspect", policy, parts / "ok" / "000.png", "--out", "records")
    assert (status, "another process is inspecting into it" in err) == (2, True)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("inspect", "policy.yaml", "--out", "records"), "give pictures, or a folder with `--watch`"),
        (("inspect", "policy.yaml", "a.png", "--watch", ".", "--out", "records"), "only one of these"),
        (("inspect", "policy.yaml", "a.png", "--until-idle", "1", "--out", "records"), "goes with --watch"),
        (("inspect", "policy.yaml", "--watch", ".", "--until-idle", "nan", "--out", "/tmp/r"), "0 or more"),
        (("inspect", "policy.yaml", "--watch", ".", "--out", "records"), "lies in the watched folder"),
        (("inspect", "policy.yaml", "--watch", "nowhere", "--out", "records"), "no such folder to watch"),
        (("inspect", "policy.yaml", "a.png", "--out", "full"), "holds files that are not"),
        (("inspect", "policy.yaml", "a.png", "--out", "full/a.txt"), "is a file; name a folder"),
        (("inspect", "policy.yaml", "a.png", "--out", "records", "--parquet", "full/a.txt"), "already exists"),
        (("inspect", "none.yaml", "a.png", "--out", "records"), "no such file"),
    ],
)
def test_misuse_ends_with_status_2_and_a_sentence(
    kenpin: Run, policy: Path, words: tuple[str, ...], sentence: str
) -> None:
    Path("full").mkdir()
    Path("full/a.txt").write_text("kept")
    status, out, err = kenpin(*words)
    assert (status, out) == (2, "")
    assert sentence in err
    assert Path("full/a.txt").read_text() == "kept"


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ("maps: {of: vectors}", "run vectors has no map"),
        ("cases: {library: none, run: vectors}", "there is no library of cases"),
    ],
)
def test_what_the_runs_cannot_do_is_refused_before_the_first_part(
    kenpin: Run, toys: Path, parts: Path, tmp_path: Path, more: str, sentence: str
) -> None:
    policy = _write(tmp_path, toys, PASSES, more)
    policy.write_text(policy.read_text().replace("aside", f"  vectors: {toys / 'vectors'}\naside", 1))
    status, out, err = kenpin("inspect", policy, parts / "ok" / "000.png", "--out", "records")
    assert (status, out) == (2, "")
    assert sentence in err


def test_a_run_without_a_threshold_tells_and_decides_nothing(
    kenpin: Run, toys: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def without(run: Path, **settings: Any) -> Predictor:
        found = load_predictor(run, **settings)
        return Predictor(found.inspector, None, found.record)

    monkeypatch.setattr("kenpin.inspection.runs.load_predictor", without)
    words = ("inspect", tmp_path / "policy.yaml", parts / "ok" / "000.png", "--out", "records")
    (tmp_path / "policy.yaml").write_text(f"runs: {{space: {toys / 'space'}}}")
    assert "so nothing decides; give one of them a `fail_from`" in kenpin(*words)[2]
    both = f"runs:\n  space: {toys / 'space'}\n  head: {{run: {toys / 'head'}, fail_from: 2}}\n"
    (tmp_path / "policy.yaml").write_text(f"{both}rules: FAIL if head FAIL and space FAIL")
    assert "run space has no threshold" in kenpin(*words)[2]
    (tmp_path / "policy.yaml").write_text(both)
    assert kenpin(*words)[0] == 0
    (record,) = _records(Path("records"))
    assert [answer.verdict for answer in record.answers] == [None, "PASS"]
    assert record.answers[0].score is not None


def test_a_bad_named_picture_is_recorded_and_stays_where_it_is(kenpin: Run, policy: Path, parts: Path) -> None:
    Path("bad.png").write_bytes((parts / "ok" / "000.png").read_bytes()[:-100])
    status, out, _ = kenpin("inspect", policy, "bad.png", "missing.png", parts / "ok" / "000.png", "--out", "records")
    assert status == 4
    assert [line.split("\t")[:2] for line in out.splitlines()] == [
        ["bad.png", "REVIEW"], ["missing.png", "REVIEW"], [str(parts / "ok" / "000.png"), "PASS"],
    ]  # fmt: skip
    assert Path("bad.png").exists()
    assert [record.aside for record in _records(Path("records"))] == [None] * 3


def test_what_a_line_drops_is_judged_and_what_is_no_picture_set_aside(kenpin: Run, policy: Path, parts: Path) -> None:
    line = Path("line")
    shutil.copytree(parts / "ok", line / "left")
    (line / "left" / "bad.png").write_bytes(b"bad")
    words = ("inspect", policy, "--watch", "line", "--out", "records", "--until-idle", "0")
    status, out, err = kenpin(*words)
    assert status == 4
    assert len(out.splitlines()) == 25
    assert "1 set aside" in err
    (aside,) = Path("records/aside").iterdir()
    assert aside.read_bytes() == b"bad"
    assert aside.name.endswith("-bad.png")
    # again, the same and another bad one under the same name; a good one twice, and another under its name
    (line / "left" / "bad.png").write_bytes(b"bad")
    assert kenpin(*words)[1] == "", "the same content under the same name is the same part"
    (line / "left" / "bad.png").write_bytes(b"still bad")
    shutil.copy(line / "left" / "000.png", line / "left" / "copy.png")
    shutil.copy(parts / "scratch" / "000.png", line / "left" / "001.png")
    (line / "left" / "002.png").touch()
    status, out, _ = kenpin(*words)
    assert sorted(row.split("\t")[0] for row in out.splitlines()) == ["left/001.png", "left/bad.png", "left/copy.png"]
    assert aside.read_bytes() == b"bad"
    assert sorted(path.read_bytes() for path in Path("records/aside").iterdir()) == [b"bad", b"still bad"]
    assert len(_records(Path("records"))) == 28


def test_odd_names_reach_record_and_line(kenpin: Run, policy: Path, parts: Path) -> None:
    Path("line").mkdir()
    data = (parts / "ok" / "000.png").read_bytes()
    for name in (b"caf\xe9.png", b"tab\there.png", "良品 1.png".encode()):
        Path("line", os.fsdecode(name)).write_bytes(data)
    status, out, _ = kenpin("inspect", policy, "--watch", "line", "--out", "records", "--until-idle", "0")
    assert status == 0
    assert sorted(line.split("\t")[0] for line in out.splitlines()) == ["caf\\xe9.png", "tab\\there.png", "良品 1.png"]
    assert kenpin("inspect", policy, "--watch", "line", "--out", "records", "--until-idle", "0")[1] == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_and_it_goes_on_from_there(
    kenpin: Run, policy: Path, parts: Path, number: signal.Signals
) -> None:
    Path("line").mkdir()
    shutil.copy(parts / "ok" / "000.png", "line")

    def stop_when_judged() -> None:
        while not Path("records", JOURNAL).exists() or not _records(Path("records")):
            threading.Event().wait(0.05)
        os.kill(os.getpid(), number)

    stopper = threading.Thread(target=stop_when_judged)
    stopper.start()
    status, out, err = kenpin("inspect", policy, "--watch", "line", "--out", "records")
    stopper.join()
    assert (status, len(out.splitlines())) == (0, 1)
    assert "stopped; the same command continues from here" in err
    assert not Path("records.lock").exists()
    shutil.copy(parts / "ok" / "001.png", "line")
    assert kenpin("inspect", policy, "--watch", "line", "--out", "records", "--until-idle", "0")[1].count("\n") == 1


def test_parquet_at_the_end_and_on_demand(kenpin: Run, policy: Path, parts: Path) -> None:
    words = ("inspect", policy, parts / "ok", "--out", "records", "--parquet", "now.parquet")
    assert kenpin(*words)[0] == 0
    assert kenpin(*words)[0] == 2, "it is not overwritten"
    assert kenpin("inspect", policy, "--out", "records", "--parquet", "later.parquet")[0] == 0
    tables = [pq.read_table(name) for name in ("now.parquet", "later.parquet")]
    assert tables[0].equals(tables[1])
    assert tables[0]["id"].to_pylist() == [record.id for record in _records(Path("records"))]


def test_closed_standard_output_is_an_error_for_0_would_say_that_all_pass(
    kenpin: Run, policy: Path, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as closed, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", closed)
        status, _, err = kenpin("inspect", policy, *sorted((parts / "ok").iterdir())[:2], "--out", "records")
        closed.flush()  # as Python does when it ends: what was not written goes nowhere, and is no second error
    assert status == 2
    assert err == "kenpin: standard output was closed before the last part; read it to its end.\n"
