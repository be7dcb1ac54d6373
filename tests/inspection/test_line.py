"""A line that drops pictures and an inspection that is killed: each part is judged exactly once, and none is lost."""

from __future__ import annotations

import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from kenpin.inspection.journal import JOURNAL, read_records
from kenpin.records import Verdict
from tests.inspection.dropped import ASIDE_AFTER_S, dropped
from tests.toy_runs import ToyRun
from tests.tree import ROOT

pytestmark = pytest.mark.slow

# in an order in which each is reached: the first ones leave most pictures to the later ones
POINTS = [
    "kenpin.inspection.closer_look:CloserLook._draw:1:before",  # no map yet
    "kenpin.inspection.closer_look:CloserLook._draw:1:after",  # a map, and no record
    "kenpin.inspection.journal:Journal.append:1:before",  # judged, and nothing written
    "kenpin.inspection.journal:Journal.append:1:after",  # written, and nobody told
    "kenpin.chained:ChainedFile._sync:3:before",  # written, and perhaps not on disk
    "kenpin.inspection.inspecting:put_aside:1:before",  # recorded as set aside, and not moved
    "kenpin.inspection.aside:put_aside:1:after",
]


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A tiny run."""
    return toy_run("classifier", tmp_path_factory.mktemp("line") / "toy")


def _policy(toy: Path, folder: Path, fail_from: float) -> Path:
    """A policy that draws a map of what fails, and does not wait long for what is not a picture."""
    path = folder / "policy.yaml"
    path.write_text(
        f"runs:\n  classifier: {{run: {toy}, fail_from: {fail_from}}}\nmaps: {{of: classifier, when: FAIL}}\n"
        f"settle_s: 0.3\naside_after_s: {ASIDE_AFTER_S}\n"
    )
    return path


def _start(module: str, *words: object, **pipes: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-W", "ignore", "-m", f"tests.inspection.{module}", *map(str, words)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}  # a forked child cannot use its parent's threads
    return subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)  # type: ignore[call-overload, no-any-return]


def _inspect_all(
    policy: Path, folder: Path, count: int, deaths: Sequence[object], *, dropped_before: bool = False
) -> None:
    """Drop so many files beside an inspection that dies so often, and check what it leaves."""
    watch, out = folder / "line", folder / "records"
    watch.mkdir()
    producer = _start("dropped", watch, count)
    if dropped_before:
        producer.wait()
    reader = _start("reader", out / JOURNAL, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    driver = _start("line_driver", policy, watch, out, *deaths, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    said, complaint = driver.communicate(timeout=1_800)
    assert driver.returncode == 0, complaint
    assert producer.wait() == 0
    read, _ = reader.communicate(timeout=60)
    assert reader.returncode == 0, "the journal was not readable at every moment"
    assert json.loads(read)["different"] > 2, "nobody read while there was something to read"

    files = [dropped(number) for number in range(count)]
    records = list(read_records(out / JOURNAL))
    assert sorted(record.id for record in records) == sorted(file.name for file in files)
    by_id = {record.id: record for record in records}
    for file in files:
        record = by_id[file.name]
        assert record.picture_hash == hashlib.blake2b(file.data, digest_size=16).hexdigest()
        if file.good:
            assert (watch / file.name).read_bytes() == file.data
            assert record.aside is None
            assert record.answers[0].score is not None
        else:
            assert record.verdict is Verdict.REVIEW
            assert record.aside is not None
            assert (out / record.aside).read_bytes() == file.data
            assert not (watch / file.name).exists()
        for answer in record.answers:
            assert (answer.map is None) or (out / answer.map).is_file()
    told = [line.split("\t")[0] for line in said.splitlines(keepends=True) if line.endswith("\n")]
    assert len(told) == len(set(told)), "a part was told of twice"
    assert set(told) <= by_id.keys()


def test_kills_between_any_two_steps_lose_and_double_nothing(toy: Path, tmp_path: Path) -> None:
    _inspect_all(_policy(toy, tmp_path, 0), tmp_path, 60, POINTS, dropped_before=True)


def test_many_kills_lose_and_double_nothing(toy: Path, tmp_path: Path) -> None:
    lot = random.Random(1)
    _inspect_all(_policy(toy, tmp_path, 2), tmp_path, 2_000, [round(lot.uniform(0.3, 4.0), 3) for _ in range(20)])
