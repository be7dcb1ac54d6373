"""`kenpin inspect` as a process: what is no picture in the worst ways ends neither it nor its next start."""

from __future__ import annotations

import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kenpin.inspection.journal import JOURNAL, Journal, read_records
from tests.commands import Run
from tests.inspection.faults import SPARSE_BYTES
from tests.toy_runs import ToyRun

Inspect = Callable[..., tuple[int, list[bytes], str]]
NO_UTF8 = b"caf\xe9.png"


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A policy that passes everything that is a picture."""
    folder = tmp_path_factory.mktemp("policy")
    toy_run("classifier", folder / "head")
    (folder / "policy.yaml").write_text("runs: {head: {run: head, fail_from: 2}}\naside_after_s: 0.5")
    return folder / "policy.yaml"


def _process(folder: Path, *words: object, **environment: str) -> tuple[int, list[bytes], str]:
    """Exit status, lines and complaints of a process; names go through its arguments and output as bytes."""
    command: list[str | bytes] = [sys.executable, "-m", "kenpin", *(os.fsencode(f"{word}") for word in words)]
    ended = subprocess.run(
        command, cwd=folder, env=os.environ | environment, capture_output=True, timeout=300, check=False
    )
    return ended.returncode, ended.stdout.splitlines(), ended.stderr.decode()


@pytest.fixture
def inspect(kenpin: Run, monkeypatch: pytest.MonkeyPatch) -> Inspect:
    """The same in this process."""

    def run(*words: object, encoding: str = "utf-8") -> tuple[int, list[bytes], str]:
        written = io.BytesIO()
        stdout = io.TextIOWrapper(written, encoding)
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            status, _, err = kenpin(*words)
        stdout.flush()
        return status, written.getvalue().splitlines(), err

    return run


def _plant(folder: Path, parts: Path) -> list[Path]:
    """Bad parts, and a good one among them."""
    folder.mkdir()
    shutil.copy(parts / "ok" / "000.png", folder / "good.png")
    no_utf8, sparse, itself = folder / os.fsdecode(NO_UTF8), folder / "sparse.png", folder / "itself.png"
    no_utf8.write_bytes(b"bad")
    with sparse.open("wb") as file:
        file.truncate(SPARSE_BYTES)
    itself.symlink_to(itself.name)
    return [no_utf8, sparse, itself]


def test_a_watched_line_goes_on(policy: Path, parts: Path, tmp_path: Path, inspect: Inspect) -> None:
    bad = _plant(tmp_path / "line", parts)
    words = ("inspect", policy, "--watch", "line", "--out", "records", "--until-idle", "0")
    status, lines, err = inspect(*words)
    assert status == 4, err
    verdicts = dict(line.split(b"\t")[:2] for line in lines)
    assert verdicts == {b"good.png": b"PASS"} | dict.fromkeys(
        (b"caf\\xe9.png", b"sparse.png", b"itself.png"), b"REVIEW"
    )
    assert "3 set aside" in err
    assert not any(map(os.path.lexists, bad))
    assert sorted(name.rpartition("-")[2] for name in map(str, (tmp_path / "records" / "aside").iterdir())) == [
        "caf\\xe9.png", "itself.png", "sparse.png",
    ]  # fmt: skip
    shutil.copy(parts / "ok" / "001.png", tmp_path / "line" / "next.png")
    status, lines, err = inspect(*words)
    assert (status, [line.split(b"\t")[0] for line in lines]) == (0, [b"next.png"]), err
    shutil.rmtree(tmp_path / "records" / "aside")  # whoever copies the folder of the tests would fill a disk


@pytest.mark.parametrize("alone", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["here", "process"])
def test_named_pictures_go_on_and_so_does_a_standard_output_that_lacks_their_letters(
    alone: bool, policy: Path, parts: Path, tmp_path: Path, inspect: Inspect
) -> None:
    bad = _plant(tmp_path / "line", parts)
    shutil.copy(parts / "ok" / "001.png", tmp_path / "line" / "良品.png")
    words = ("inspect", policy, *bad, "line", "--out", "records", "--parquet", "records.parquet")
    if alone:
        status, lines, err = _process(tmp_path, *words, PYTHONIOENCODING="ascii")
    else:
        status, lines, err = inspect(*words, encoding="ascii")
    assert status == 4, err
    assert len(lines) == 8
    assert any(line.startswith(b"line/\\u826f\\u54c1.png\tPASS") for line in lines)
    assert [line for line in lines if b"PASS" in line] == [
        line for line in lines if line.startswith((b"line/good.png", b"line/\\u826f"))
    ]
    again = inspect(*words[:-2], encoding="ascii")
    assert again[:2] == (status, lines), "the same lines, from the records"
    for path in bad:
        assert os.path.lexists(path)
    bad[1].unlink()
    records = list(read_records(tmp_path / "records" / JOURNAL))
    assert len(records) == 8
    json.dumps([record.reasons for record in records]).encode()


def test_the_journals_own_disk_stops_it_with_its_name(
    policy: Path, parts: Path, tmp_path: Path, kenpin: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_by_one = policy.with_name("one-by-one.yaml")
    one_by_one.write_text(f"{policy.read_text()}\nbatch_size: 1")
    words = ("inspect", one_by_one, parts / "ok" / "000.png", parts / "ok" / "001.png", "--out", "records")
    append, (usual, hard) = Journal.append, resource.getrlimit(resource.RLIMIT_FSIZE)

    def append_once(self: Journal, records: Any) -> None:
        append(self, records)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # no file may grow any more, as on a full disk

    monkeypatch.setattr(Journal, "append", append_once)
    signals = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        status, out, err = kenpin(*words)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (usual, hard))
        signal.signal(signal.SIGXFSZ, signals)
    assert (status, out.count("\n")) == (2, 1)
    journal = tmp_path / "records" / JOURNAL
    complaint = f"kenpin: {journal}: File too large; check the path, its rights and the disk."
    assert err.splitlines()[-1] == complaint
    assert len(list(read_records(journal))) == 1
