"""`Line.judge` is the way for any program to judge a picture: by name and bytes, one record each, on disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kenpin.errors import RunError
from kenpin.inspection import Line, read_policy, read_records
from kenpin.inspection.journal import JOURNAL
from kenpin.predictor import load_predictor
from kenpin.records import Verdict
from tests.commands import Run
from tests.toy_runs import ToyRun

ODD_NAMES = ["", "a\nb", "a\0b", "half a pair \ud83d", "byte \udce9", "../../up.png", "不良", "x" * 5_000]


@pytest.fixture(scope="session")
def parts(few_parts: Path) -> Path:
    """Few parts: nothing here hangs on how many."""
    return few_parts


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A policy with one run."""
    folder = tmp_path_factory.mktemp("policy")
    toy_run("classifier", folder / "head")
    (folder / "policy.yaml").write_text("{batch_size: 16, runs: {head: {run: head, fail_from: 0.5}}}")
    return folder / "policy.yaml"


@pytest.fixture
def line(policy: Path, tmp_path: Path) -> Iterator[Line]:
    """A line without a record."""
    with Line(policy, tmp_path / "records") as opened:
        yield opened


def _some(parts: Path, count: int) -> list[tuple[str, bytes]]:
    files = [*sorted((parts / "ok").iterdir())[: count // 2], *sorted((parts / "scratch").iterdir())[: count // 2]]
    return [(path.name, path.read_bytes()) for path in files]


def test_a_part_has_the_score_that_its_run_gives_and_its_record_is_on_disk(
    line: Line, policy: Path, parts: Path
) -> None:
    path = parts / "scratch" / "000.png"
    record = line.judge("a.png", path.read_bytes())
    (alone,) = load_predictor(policy.parent / "head").predict_files([path])
    assert (record.id, record.picture, record.aside) == ("a.png", "a.png", None)
    assert record.answers[0].score == pytest.approx(alone.defect_score, abs=1e-6)
    assert list(read_records(line.out / JOURNAL)) == [record]


def test_many_are_as_each_alone_and_in_their_order(line: Line, policy: Path, parts: Path, tmp_path: Path) -> None:
    pictures = [(f"{number}-{name}", data) for number, (name, data) in enumerate(_some(parts, 50))]
    pictures.insert(7, ("bad.png", b"no picture"))
    assert len(pictures) > 2 * line.batch_size
    together = line.judge_many(iter(pictures))
    assert [record.id for record in together] == [name for name, _ in pictures]
    with Line(read_policy(policy), tmp_path / "alone") as other:
        alone = [other.judge(*picture) for picture in pictures]
    for ours, theirs in zip(together, alone, strict=True):
        assert (ours.verdict, ours.picture_hash) == (theirs.verdict, theirs.picture_hash)
        assert [answer.score for answer in ours.answers] == pytest.approx([one.score for one in theirs.answers])
    assert together[7].verdict is Verdict.REVIEW
    assert line.judge_many([]) == []


def test_a_part_keeps_its_record_whenever_it_comes_again(line: Line, policy: Path, parts: Path) -> None:
    (name, data), (_, other) = _some(parts, 2)
    first = line.judge(name, data)
    assert line.judge_many([(name, data), (name, other), (name, other), ("copy", data)])[0] == first
    assert len(list(read_records(line.out / JOURNAL))) == 3
    line.close()
    with Line(policy, line.out) as again:
        assert again.judge(name, data) == first
        assert len(again.journal) == 3


@pytest.mark.parametrize("data", [b"", b"garbage", b"\x89PNG\r\n\x1a\n", bytes(10_000)])
def test_what_is_no_picture_is_for_review_with_its_reason(line: Line, data: bytes) -> None:
    record = line.judge("bad.png", data)
    assert (record.verdict, record.size_wh, record.answers) == (Verdict.REVIEW, None, ())
    assert record.reasons[0].startswith("bad.png: ")


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("is_picture", [True, False])
def test_any_name_reaches_the_record(line: Line, parts: Path, name: str, is_picture: bool) -> None:
    record = line.judge(name, (parts / "ok" / "000.png").read_bytes() if is_picture else b"bad")
    assert list(read_records(line.out / JOURNAL)) == [record]
    assert record.id.isascii() or record.id == name
    assert (record.size_wh is not None) is is_picture


def test_threads_share_a_line(line: Line, parts: Path) -> None:
    pictures = [(f"{number}", data) for number, (_, data) in enumerate(_some(parts, 20))] * 2
    with ThreadPoolExecutor(4) as pool:
        records = list(pool.map(lambda picture: line.judge(*picture), pictures))
    assert [record.id for record in records] == [name for name, _ in pictures]
    assert len(list(read_records(line.out / JOURNAL))) == 20


def test_only_the_journals_own_disk_stops_it_and_it_goes_on_when_there_is_room(
    line: Line, parts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (name, data), (_, other) = _some(parts, 2)
    first = line.judge(name, data)

    def is_full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(os, "fsync", is_full)
        with pytest.raises(OSError, match="No space left") as stopped:
            line.judge("other", other)
    assert stopped.value.filename == str(line.out / JOURNAL)
    second = line.judge("other", other)
    assert list(read_records(line.out / JOURNAL)) == [first, second]


def test_a_folder_of_records_has_one_line_at_a_time(line: Line, policy: Path) -> None:
    with pytest.raises(RunError, match="another process is inspecting"):
        Line(policy, line.out)


def test_the_command_goes_on_where_a_program_stopped(kenpin: Run, line: Line, policy: Path, parts: Path) -> None:
    path = parts / "scratch" / "000.png"
    record = line.judge(str(path), path.read_bytes())
    line.close()
    _, out, _ = kenpin("inspect", policy, path, "--out", line.out)
    assert out.split("\t")[:2] == [record.id, record.verdict]
    assert list(read_records(line.out / JOURNAL)) == [record]


def test_another_engine_goes_on_where_it_may(
    policy: Path, parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A station's records go on after an update of the engine; those of an inspection are of one engine."""
    out, data = tmp_path / "out", next(parts.glob("*/*")).read_bytes()
    with Line(policy, out) as line:
        first = line.judge("a", data)
    monkeypatch.setattr("kenpin.inspection.judging._engine_of", lambda run: {"engine": "another 1.0 fp32"})
    with pytest.raises(RunError, match="another policy"):
        Line(policy, out)
    with Line(policy, out, engine_may_change=True) as line:
        assert line.judge("a", data) == first
        assert line.judge("b", data).policy != first.policy
    other = read_policy(policy)
    runs = {name: run.model_copy(update={"fail_from": 0.6}) for name, run in other.runs.items()}
    with pytest.raises(RunError, match="another policy"):
        Line(other.model_copy(update={"runs": runs}), out, engine_may_change=True)
