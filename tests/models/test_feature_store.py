"""The feature store is an aid: what is not as it was stored is computed anew, and a store that fails is set aside."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kenpin.data.loading import load_dataset
from kenpin.models import kept_inputs
from kenpin.models.networks import feature_store
from kenpin.models.networks.feature_store import FeatureStore
from kenpin.predictor import Predictor, load_predictor
from tests.toy_runs import ToyRun

FILE = "features-3.sqlite"
ROWS = np.arange(24, dtype=np.float32).reshape(4, 6)
NAMES = ["a", "b", "c", "d"]


@pytest.fixture(autouse=True)
def _nothing_told_yet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feature_store, "_told", set())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a store of four rows."""
    FeatureStore(tmp_path / "cache", "base").put(NAMES, ROWS)
    return tmp_path / "cache"


def change(folder: Path, statement: str, *values: object) -> None:
    """Change the file as another program would."""
    with closing(sqlite3.connect(folder / FILE)) as database, database:
        database.execute(statement, values)


def rows_of(folder: Path) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / FILE)) as database:
        return database.execute("SELECT rowid, shape, numbers, check_sum FROM features ORDER BY rowid").fetchall()


def exchanged(folder: Path) -> set[str]:
    """The numbers of two rows change places, with their check sums."""
    (one, *first), (other, *second) = rows_of(folder)[:2]
    for row, values in ((one, second), (other, first)):
        change(folder, "UPDATE features SET shape=?, numbers=?, check_sum=? WHERE rowid=?", *values, row)
    return {"a", "b"}


def flipped(folder: Path) -> set[str]:
    """A bit of each row."""
    for number, (row, _, blob, _) in enumerate(rows_of(folder)):
        changed = bytearray(blob)
        changed[5 * number] ^= 1 << number
        change(folder, "UPDATE features SET numbers=? WHERE rowid=?", bytes(changed), row)
    return set(NAMES)


def wrong_shape(folder: Path) -> set[str]:
    """Shapes of as many numbers, of others, and of none."""
    for (row, *_), shape in zip(rows_of(folder), (b"[2, 3]", b"[7]", b"\xff", "[6]"), strict=True):
        change(folder, "UPDATE features SET shape=? WHERE rowid=?", shape, row)
    return set(NAMES)


def cut(folder: Path) -> set[str]:
    """The numbers of a row are cut off, and another's are a text."""
    change(folder, "UPDATE features SET numbers=substr(numbers, 1, 8) WHERE rowid=1")
    change(folder, "UPDATE features SET numbers='numbers' WHERE rowid=2")
    return {"a", "b"}


@pytest.mark.parametrize("damage", [exchanged, flipped, wrong_shape, cut])
def test_a_row_that_is_not_as_it_was_stored_counts_as_none_and_is_stored_anew(
    damage: Callable[[Path], set[str]], folder: Path
) -> None:
    damaged = damage(folder)
    store = FeatureStore(folder, "base")
    assert {name for name, row in zip(NAMES, store.get(NAMES), strict=True) if row is None} == damaged
    store.put(NAMES, ROWS)
    np.testing.assert_array_equal(store.get(NAMES), ROWS)
    with closing(sqlite3.connect(folder / FILE)) as database:
        assert database.execute("SELECT COUNT(*), SUM(size) FROM ages").fetchone() == (4, ROWS.nbytes)


def under_a_file(folder: Path) -> Path:
    """The folder cannot be made: it is below a file. (Root may write into any folder, so none is read-only here.)"""
    (folder / "file").write_text("mine")
    return folder / "file" / "cache"


def no_database(folder: Path) -> Path:
    (folder / FILE).write_bytes(b"no database" * 999)
    return folder


def damaged_within(folder: Path) -> Path:
    content = bytearray((folder / FILE).read_bytes())
    content[100:] = bytes(len(content) - 100)
    (folder / FILE).write_bytes(content)
    return folder


def other_tables(folder: Path) -> Path:
    change(folder, "DROP TABLE features")
    change(folder, "CREATE TABLE features (something INTEGER)")
    return folder


def sizes_are_no_numbers(folder: Path) -> Path:
    change(folder, "UPDATE ages SET size='many'")
    change(folder, "UPDATE ages SET key=NULL")
    return folder


@pytest.mark.parametrize("spoilt", [under_a_file, no_database, damaged_within, other_tables, sizes_are_no_numbers])
def test_a_store_that_fails_is_set_aside_with_one_note(
    spoilt: Callable[[Path], Path], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    where = spoilt(folder)
    for _ in range(2):
        store = FeatureStore(where, "base", limit_bytes=10)
        store.put(["x"], ROWS[:1])
        assert store.get(["x", "y"]) == [None, None]
    notes = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(notes) <= 1
    assert all("computed again each time; point KENPIN_CACHE to a folder" in note for note in notes)
    assert notes or store.is_usable


def test_a_store_that_is_locked_for_long_is_not_waited_for(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = FeatureStore(folder, "base", wait_s=0.1)
    with closing(sqlite3.connect(folder / FILE, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        store.put(["x"], ROWS[:1])
        assert not store.is_usable
        assert store.get(NAMES) == [None] * 4
    assert "database is locked" in caplog.text


@pytest.fixture
def predictor(toy_run: ToyRun, tmp_path: Path) -> Predictor:
    return load_predictor(toy_run("classifier", tmp_path / "run"))


def full_disk(monkeypatch: pytest.MonkeyPatch, _: Path) -> None:
    connect = FeatureStore._connect

    def connected(store: FeatureStore) -> sqlite3.Connection:
        database = connect(store)
        database.execute("PRAGMA max_page_count = 4")  # "database or disk is full"
        return database

    monkeypatch.setattr(FeatureStore, "_connect", connected)


def nowhere(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    folder.write_text("a file")


@pytest.mark.parametrize("hindered", [full_disk, nowhere])
def test_the_work_goes_on_without_a_store(
    hindered: Callable[[pytest.MonkeyPatch, Path], None],
    predictor: Predictor,
    few_parts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    some = load_dataset(few_parts).select(range(0, 48, 4))
    expected = [one.defect_score for one in predictor.predict(some)]
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    hindered(monkeypatch, tmp_path / "cache")
    for _ in range(2):
        assert [one.defect_score for one in predictor.predict(some)] == pytest.approx(expected, abs=1e-6)
    assert caplog.text.count("features cannot be kept there") == 1


def test_exchanged_rows_change_no_verdict(
    predictor: Predictor, few_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KENPIN_CACHE", str(tmp_path / "cache"))
    some = load_dataset(few_parts).select([0, 1, 46, 47])
    before = [one.defect_score for one in predictor.predict(some)]
    with closing(sqlite3.connect(tmp_path / "cache" / FILE)) as database, database:
        numbers = [row[0] for row in database.execute("SELECT numbers FROM features ORDER BY rowid")]
        for row, other in enumerate(reversed(numbers), start=1):
            database.execute("UPDATE features SET numbers=? WHERE rowid=?", (other, row))
    assert [one.defect_score for one in predictor.predict(some)] == pytest.approx(before, abs=1e-6)


def test_training_goes_on_where_stored_features_were_dropped(few_parts: Path, tmp_path: Path) -> None:
    store = FeatureStore(tmp_path, "base")
    contents = load_dataset(few_parts).select([0, 1]).contents()
    stored = kept_inputs.StoredFeatures(store)
    assert stored.of(contents) is None
    store.put(contents[:1], ROWS[:1])
    assert stored.of(contents) is None
    features = stored.of(contents[:1])
    assert features is not None
    np.testing.assert_array_equal(features[0].numpy(), ROWS[0])
