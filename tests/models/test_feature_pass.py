"""A pass through the feature store keeps what is worth its room and time, and changes no number."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kenpin.models.networks import feature_pass
from kenpin.models.networks.feature_pass import FeaturePass, RowPace, added_seconds, share_kept
from kenpin.models.networks.feature_store import FeatureStore

WIDTH = 4
ROW_BYTES = 4 * WIDTH


@pytest.fixture(autouse=True)
def _no_pace_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_pass, "_PACES", {})


def row_of(content: str, width: int = WIDTH) -> np.ndarray:
    return np.full(width, int(content), np.float32)


def pass_over(store: FeatureStore, contents: Sequence[str], batch: int, **how: Any) -> set[str]:
    """One pass; the contents that were in the store, each as it was stored."""
    found = set()
    with FeaturePass(store, len(contents), **how) as through:
        for start in range(0, len(contents), batch):
            new = []
            for content in contents[start : start + batch]:
                row = through.get(content)
                if row is None:
                    new.append(content)
                else:
                    np.testing.assert_array_equal(row, row_of(content))
                    found.add(content)
            if new:
                through.put(new, np.stack([row_of(content) for content in new]), 0.001 * len(new))
    return found


@settings(max_examples=20, deadline=None)
@given(
    count=st.integers(1, 150),
    held=st.integers(1, 150),
    batch=st.integers(1, 16),
    seeds=st.lists(st.integers(0, 9), min_size=3, max_size=3),
)
def test_what_one_pass_keeps_the_next_one_finds(count: int, held: int, batch: int, seeds: list[int]) -> None:
    """In any order: a data set larger than the store drops none of its own rows."""
    contents = [str(number) for number in range(count)]
    feature_pass._PACES.clear()
    with TemporaryDirectory() as folder:
        kept: list[set[str]] = []
        for seed in seeds:
            shuffled = [contents[row] for row in np.random.default_rng(seed).permutation(count)]
            # a store for each pass, as a run makes them
            kept.append(pass_over(FeatureStore(Path(folder), "base", held * ROW_BYTES), shuffled, batch))
        kept.append(pass_over(FeatureStore(Path(folder), "base", held * ROW_BYTES), contents, batch))
    assert not kept[0]
    if count <= held:
        assert kept[1] == set(contents)
    draws = [feature_pass._draw(content) for content in contents]
    chosen = {content for content, draw in zip(contents, draws, strict=True) if draw < share_kept(count, held)}
    if len(chosen) <= held:
        assert kept[1] == kept[2] == kept[3] == chosen
    else:  # a few more than there is room for, which the order decides on
        assert all(found <= chosen and len(found) <= held for found in kept)


def test_a_data_set_beyond_the_limit_is_found_for_the_most_part_of_it(tmp_path: Path) -> None:
    contents = [str(number) for number in range(1_000)]
    found = [pass_over(FeatureStore(tmp_path, "base", 400 * ROW_BYTES), contents, 8) for _ in range(3)]
    assert 340 <= len(found[1]) <= 400, "95 % of 400 rows, by hash"
    assert found[2] == found[1]


def test_folds_of_a_data_set_keep_the_share_of_the_whole(tmp_path: Path) -> None:
    contents = [str(number) for number in range(1_000)]
    whole = pass_over(FeatureStore(tmp_path, "base", 400 * ROW_BYTES), contents, 8)
    whole = pass_over(FeatureStore(tmp_path, "base", 400 * ROW_BYTES), contents, 8)
    for start in [*range(0, 1_000, 200)] * 2:
        fold = contents[start : start + 200]
        assert pass_over(FeatureStore(tmp_path, "base", 400 * ROW_BYTES), fold, 8) == whole & set(fold)


class SlowDisk:
    """Writing takes so many seconds a row, by a clock that no other process disturbs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, row_s: float) -> None:
        self.now, self.rows = 0.0, 0
        put = FeatureStore.put

        def slow(store: FeatureStore, contents: Sequence[str], rows: np.ndarray) -> None:
            put(store, contents, rows)
            self.now += row_s * len(rows)
            self.rows += len(rows)

        monkeypatch.setattr(FeatureStore, "put", slow)
        monkeypatch.setattr(time, "perf_counter", lambda: self.now)


def test_rows_that_cost_more_to_write_than_to_compute_are_kept_for_a_second_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SlowDisk(monkeypatch, 1 / 64)  # many times what `pass_over` says of computing
    contents = [str(number) for number in range(1_000)]
    monkeypatch.setattr(feature_pass, "WAITING_BYTES", 8 * ROW_BYTES)
    assert not pass_over(FeatureStore(tmp_path, "base"), contents, 8)
    assert disk.rows == 64
    assert len(pass_over(FeatureStore(tmp_path, "base"), contents, 8)) == 64, "what was written is used"
    assert disk.rows == 64, "once a process"
    assert not pass_over(FeatureStore(tmp_path, "other"), contents[:48], 8)
    assert disk.rows == 112, "another network has other rows"


def test_a_training_that_reads_rows_again_and_again_has_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SlowDisk(monkeypatch, 0.01)
    contents = [str(number) for number in range(300)]
    pass_over(FeatureStore(tmp_path, "base"), contents, 10, is_reused=True)
    assert pass_over(FeatureStore(tmp_path, "base"), contents, 10) == set(contents)


def test_computing_goes_on_until_as_much_waits_as_may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_pass, "WAITING_BYTES", 5 * ROW_BYTES)
    go_on, put = threading.Event(), FeatureStore.put

    def held(store: FeatureStore, contents: Sequence[str], rows: np.ndarray) -> None:
        assert go_on.wait(30)
        put(store, contents, rows)

    monkeypatch.setattr(FeatureStore, "put", held)
    done: list[str] = []

    def work() -> None:
        with FeaturePass(FeatureStore(tmp_path, "base"), 20) as through:
            for number in range(20):
                through.put([str(number)], row_of(str(number))[None], 100.0)
                done.append(str(number))

    worker = threading.Thread(target=work)
    worker.start()
    while len(done) < 5:
        time.sleep(0.01)
    time.sleep(0.3)
    assert len(done) == 5, "the disk stands still, and five wait"
    go_on.set()
    worker.join(30)
    assert len(done) == 20
    assert all(row is not None for row in FeatureStore(tmp_path, "base").get(done))


def test_a_store_that_fails_meanwhile_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FeatureStore(tmp_path, "base", wait_s=0.1)
    with closing(sqlite3.connect(store.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        with FeaturePass(store, 100) as through:
            for number in range(100):
                through.put([str(number)], row_of(str(number))[None], 0.1)
    assert "database is locked" in caplog.text


_WORK = """
import sys
from pathlib import Path
import numpy as np
from kenpin.models.networks.feature_pass import FeaturePass
from kenpin.models.networks.feature_store import FeatureStore
with FeaturePass(FeatureStore(Path(sys.argv[1]), "base"), 100_000) as through:
    for number in range(100_000):
        through.put([str(number)], np.full((1, 5_000), number, np.float32), 1.0)
        if number == 50:
            print("begun", flush=True)
"""


@pytest.mark.parametrize("after_s", [0.0, 0.05, 0.2])
def test_a_kill_while_rows_are_written_leaves_whole_rows(after_s: float, tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", _WORK, str(tmp_path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"begun\n"
        time.sleep(after_s)
        os.kill(process.pid, signal.SIGKILL)
    store = FeatureStore(tmp_path, "base")
    contents = [str(number) for number in range(2_000)]
    rows = store.get(contents)
    for content, row in zip(contents, rows, strict=True):
        if row is not None:
            np.testing.assert_array_equal(row, row_of(content, 5_000))
    store.put(["0"], row_of("0", 5_000)[None])
    assert store.get(["0"])[0] is not None


def test_the_rule_is_seconds_a_row_after_the_first_second() -> None:
    pace = RowPace()
    pace.add(computing_s=0.1, computed=100, writing_s=0.9, written=10)
    assert pace.pays, "less than a second was spent"
    pace.add(writing_s=0.2, written=1)
    assert [pace.pays] == [False]
    pace.add(computing_s=100.0, computed=10)
    assert pace.pays, "computing has become slow"


def test_what_writing_adds_to_a_forecast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    rows = np.zeros((3, 1_000), np.float32)
    monkeypatch.setattr(feature_pass, "_writing_seconds", lambda _: 0.01)
    assert added_seconds(500, rows, 0.1, beside=False, is_reused=False) == pytest.approx(5.0)
    assert added_seconds(500, rows, 0.1, beside=True, is_reused=False) == 0.0
    assert added_seconds(500, rows, 0.001, beside=True, is_reused=True) == pytest.approx(4.5)
    assert added_seconds(500, rows, 0.001, beside=False, is_reused=False) == pytest.approx(1.0)
    # of a million pictures of 4,000 bytes the store holds half
    assert added_seconds(10**6, rows, 0.1, beside=False, is_reused=False) == pytest.approx(
        1e4 * 0.95 * 2 * 1024**3 / 4e9, rel=1e-6
    )
    monkeypatch.undo()
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    assert added_seconds(500, rows, 1.0, beside=False, is_reused=False) > 0
    assert not list(tmp_path.iterdir()), "nothing is left of the trial"
