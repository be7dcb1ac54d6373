"""The library of known cases: what goes in comes out, what is meant is found exactly, and nothing is lost."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from kenpin.cases import _index
from kenpin.cases.case import EVERY_CASE, Case, CaseFilter, CaseVerdict, Found, Metric
from kenpin.cases.library import CaseLibrary
from kenpin.errors import CaseLibraryError, ShapeError
from tests.builders import ODD_LABELS
from tests.cases.made import DIMENSION, OTHER_RUN, RUN, case, made_library, number_of, vector, vectors

POSITIVE, NEGATIVE, UNKNOWN = CaseVerdict
HOSTILE = (
    "' OR '1'='1",
    "'; DROP TABLE cases; --",
    '"; --',
    "\\' OR 1=1 --",
    "%",
    "_",
    "a%b_c",
    "*",
    "`label`",
    "a\\b",
    "\n\t",
    "傷🔧",
    "e\u0301",
    "é",
    "null",
)


def test_what_goes_in_comes_out(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library")
    said = [case(n, verdict=list(CaseVerdict)[n % 3], label=f"l{n}", note=f"n{n}", lot=f"lot {n}") for n in range(5)]
    library.add([*said, case(5, thumbnail=b"\xff\xd8")], vectors(range(6)))
    back = CaseLibrary.open(str(tmp_path / "library"))
    assert (back.run, back.metric, back.dimension, len(back)) == (RUN, "cosine", DIMENSION, 6)
    for one, other in zip(said, back.cases(), strict=False):
        assert (one.id, one.picture, one.verdict, one.label) == (other.id, other.picture, other.verdict, other.label)
        assert (one.note, one.lot, other.added is None) == (other.note, other.lot, False)
    last = back.cases(CaseFilter(ids=(case(5).id,)))[0]
    assert (last.verdict, last.label, last.thumbnail) == (UNKNOWN, None, b"\xff\xd8")
    wanted = [4, 0, 5, 2]
    assert np.array_equal(back.vectors([case(n).id for n in wanted]), vectors(wanted))


def test_the_same_case_twice_is_one_case(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library", range(3))
    before = library.cases()
    added = library.add([case(n, label="other") for n in (2, 3, 3)], vectors([7, 3, 7]))
    assert added == {case(3).id}
    assert library.cases()[:3] == before
    assert np.array_equal(library.vectors([case(2).id, case(3).id]), vectors([2, 3]))


def test_a_change_keeps_what_it_does_not_say(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library")
    library.add([case(1, verdict=POSITIVE, label="傷", note="deep", lot="7"), case(2)], vectors([1, 2]))
    first, second = library.cases()
    (changed,) = library.change([Case(first.id, "/moved.png", verdict=NEGATIVE, note=""), case(9)])
    assert (changed.verdict, changed.label, changed.note, changed.lot) == (NEGATIVE, "傷", None, "7")
    assert (changed.picture, changed.added) == ("/moved.png", first.added)
    assert library.cases() == (changed, second)
    assert np.array_equal(library.vectors([first.id]), vectors([1]))


@pytest.mark.parametrize("metric", ["cosine", "l2"])
def test_search_gives_the_distances_that_numpy_gives(tmp_path: Path, metric: Metric) -> None:
    library = made_library(tmp_path / "library", range(60), metric)
    queries, kept = vectors(range(100, 104)), vectors(range(60))
    found = library.search(queries, k=7, among=EVERY_CASE)
    for query, nearest in zip(queries.astype(float), found, strict=True):
        if metric == "cosine":
            far = 1 - kept @ query / np.linalg.norm(kept, axis=1) / np.linalg.norm(query)
        else:
            far = np.linalg.norm(kept - query, axis=1)
        order = np.argsort(far)[:7]
        assert [number_of(one.case) for one in nearest] == order.tolist()
        assert [one.distance for one in nearest] == pytest.approx(far[order], abs=1e-5)


def test_unwanted_cases_are_kept_out_unless_asked_for(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library")
    for verdict, numbers in zip(CaseVerdict, (range(10), range(10, 20), range(20, 30)), strict=True):
        library.add([case(n, verdict=verdict) for n in numbers], vectors(numbers))

    def verdicts(nearest: list[tuple[Found, ...]]) -> set[CaseVerdict | None]:
        return {one.case.verdict for one in nearest[0]}

    assert verdicts(library.search(vectors([12]), k=30)) == {POSITIVE, UNKNOWN}
    for asked in ((NEGATIVE,), tuple(CaseVerdict)):
        assert verdicts(library.search(vectors([12]), k=30, among=CaseFilter(verdicts=asked))) == set(asked)


@pytest.mark.parametrize("field", ["labels", "lots"])
def test_no_text_is_taken_for_a_condition(tmp_path: Path, field: str) -> None:
    library = made_library(tmp_path / "library")
    texts = dict.fromkeys((*HOSTILE, *ODD_LABELS))
    column = field.removesuffix("s")
    library.add([case(n, **{column: text}) for n, text in enumerate(texts)], vectors(range(len(texts))))
    for number, text in enumerate(texts):
        among = CaseFilter(**{field: (text,)})  # type: ignore[arg-type]
        (found,) = library.search(vectors([0]), k=50, among=among)
        assert [number_of(one.case) for one in found] == [number]
        assert [number_of(one) for one in library.cases(among)] == [number]
        assert library.count(among) == 1
    missing = CaseFilter(**{field: tuple(f"{text}'" for text in texts)})  # type: ignore[arg-type]
    assert library.remove(missing) == 0
    assert len(library) == len(texts)
    for left, text in reversed([*enumerate(texts)]):
        assert library.remove(CaseFilter(**{field: (text,)})) == 1  # type: ignore[arg-type]
        assert len(library) == left


def test_counts_by_what_is_said(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library", range(2))
    library.add([case(n, verdict=NEGATIVE, label="傷", lot="7") for n in (2, 3, 4)], vectors(range(2, 5)))
    stats = library.stats()
    assert (stats.count, stats.by_verdict) == (5, {"NEGATIVE": 3, "UNKNOWN": 2})
    assert (stats.by_label, stats.by_lot, stats.indexed) == ({"傷": 3, None: 2}, {"7": 3, None: 2}, False)


def test_removing_all_leaves_a_library(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library", range(4))
    assert library.remove(EVERY_CASE) == 4
    assert library.search(vectors([0])) == [()]
    library.add([case(1)], vectors([1]))
    assert len(CaseLibrary.open(library.uri)) == 1


def test_vectors_of_another_run_are_refused_with_both_names(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library")
    library.check(RUN, "cosine")
    with pytest.raises(CaseLibraryError, match=r"first \(aaaaaaaa\).*second \(bbbbbbbb\).*/runs/first"):
        library.check(OTHER_RUN)
    with pytest.raises(CaseLibraryError, match="compares by cosine"):
        library.check(RUN, "l2")
    with pytest.raises(CaseLibraryError, match=r"second \(bbbbbbbb\)"):
        CaseLibrary.create(library.uri, OTHER_RUN, DIMENSION)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (np.ones((1, 5), np.float32), "shape"),
        (np.ones(DIMENSION, np.float32), "shape"),
        (np.full((1, DIMENSION), np.nan, np.float32), "not finite"),
        (np.zeros((1, DIMENSION), np.float32), "no direction"),
    ],
)
def test_vectors_that_cannot_be_compared_are_refused(tmp_path: Path, wrong: NDArray[np.float32], sentence: str) -> None:
    library = made_library(tmp_path / "library", range(2))
    with pytest.raises(ShapeError, match=sentence):
        library.add([case(9)], wrong)
    with pytest.raises(ShapeError):
        library.search(wrong)
    assert len(library) == 2


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CaseLibrary]:
    """A library with an index: few enough cases for a test, and the bounds as much smaller. Read only."""
    patch = pytest.MonkeyPatch()
    patch.setattr(_index, "EXACT_UP_TO", 200)
    patch.setattr(_index, "LOOKED_AT", 200)
    library = made_library(tmp_path_factory.mktemp("large") / "library")
    numbers = range(2_000)
    library.add([case(n, label="rare" if n % 200 == 7 else "common") for n in numbers], vectors(numbers))
    library.tend()
    yield library
    patch.undo()


def test_the_index_finds_nearly_what_looking_at_every_case_finds(large: CaseLibrary) -> None:
    assert large.stats().indexed
    recall = large.recall()
    assert recall.value is not None
    assert 0.5 < recall.value < 1  # normal vectors without any structure are the hardest there are
    looked_at = large._table.search(vector(0), vector_column_name="vector").nprobes(1).limit(10).explain_plan()
    assert "ANN" in looked_at


def test_few_that_are_meant_are_all_looked_at(large: CaseLibrary) -> None:
    rare = CaseFilter(labels=("rare",))
    queries = vectors(range(5_000, 5_020))
    assert large.search(queries, k=10, among=rare) == large.search(queries, k=10, among=rare, exactly=True)
    assert all(len(found) == 10 for found in large.search(queries, k=10, among=rare))


def test_what_is_not_indexed_yet_is_found(tmp_path: Path, large: CaseLibrary) -> None:
    shutil.copytree(large.uri, tmp_path / "copy")
    library = CaseLibrary.open(str(tmp_path / "copy"))
    numbers = range(3_000, 3_020)
    library.add([case(n, label="common") for n in numbers], vectors(numbers))
    for number, found in zip(numbers, library.search(vectors(numbers), k=1), strict=True):
        assert number_of(found[0].case) == number
        assert found[0].distance == pytest.approx(0, abs=1e-6)
    library.change([case(n, verdict=NEGATIVE) for n in range(5)])
    assert all(number_of(found[0].case) >= 5 for found in library.search(vectors(range(5)), k=1))
    more = range(4_000, 4_300)
    library.add([case(n) for n in more], vectors(more))
    library.tend()
    assert library._table.index_stats("vector_idx").num_unindexed_rows == 0
    assert len(library) == 2_320


@pytest.mark.slow
def test_many_small_files_are_joined(tmp_path: Path) -> None:
    library = made_library(tmp_path / "library")
    numbers = range(_index._FILES + 1)
    for number in numbers:
        library.add([case(number)], vectors([number]))
    library.tend()
    assert library._table.stats()["fragment_stats"]["num_fragments"] == 1
    assert np.array_equal(library.vectors([case(n).id for n in numbers]), vectors(numbers))


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _latest(library: Path) -> Path:
    return min((library / "cases.lance" / "_versions").glob("*.manifest"))  # their names count down


@pytest.mark.parametrize(
    "what", ["cut version", "no versions", "cut data", "no data", "file", "strange", "other table"]
)
def test_a_damaged_or_foreign_place_is_one_sentence(tmp_path: Path, what: str) -> None:
    place = tmp_path / "library"
    made_library(place, range(4))
    data = list((place / "cases.lance" / "data").iterdir())
    if what == "cut version":
        _cut(_latest(place))
    elif what == "no versions":
        shutil.rmtree(place / "cases.lance" / "_versions")
    elif what == "cut data":
        _cut(data[0])
    elif what == "no data":
        data[0].unlink()
    else:
        shutil.rmtree(place)
        if what == "file":
            place.write_text("x")
        elif what == "strange":
            place.mkdir()
            (place / "part.png").write_text("x")
        else:
            import lancedb

            lancedb.connect(place).create_table("cases", [{"number": 1}])
    before = sorted(place.rglob("*"))
    with pytest.raises(CaseLibraryError) as raised:
        CaseLibrary.open(str(place)).cases()
    assert str(raised.value).startswith(f"{place}: ")
    assert "cargo" not in str(raised.value)
    assert str(raised.value).count("\n") == 0
    assert sorted(place.rglob("*")) == before


def test_looking_makes_nothing(tmp_path: Path) -> None:
    assert CaseLibrary.find(str(tmp_path / "nothing")) is None
    with pytest.raises(CaseLibraryError, match="there is no library"):
        CaseLibrary.open(str(tmp_path / "nothing"))
    assert list(tmp_path.iterdir()) == []


def test_a_library_may_be_named_by_a_uri(tmp_path: Path) -> None:
    made_library(tmp_path / "library", range(3))
    assert len(CaseLibrary.open(f"file://{tmp_path}/library")) == 3
    memory = CaseLibrary.create("memory://cases", RUN, DIMENSION)
    memory.add([case(1)], vectors([1]))
    assert len(memory) == 1


def test_a_missing_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lancedb", None)
    with pytest.raises(ImportError, match=r'pip install "kenpin\[cases\]"'):
        made_library(tmp_path / "library")
