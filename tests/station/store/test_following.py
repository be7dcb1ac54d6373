"""The store follows the files: each line once, whatever is killed, and it is what a rebuild makes of them."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import Engine, event, func, select

from kenpin.chained import ChainReader
from kenpin.errors import RunError
from kenpin.files import sole_writer
from kenpin.inspection.journal import JOURNAL, Journal
from kenpin.records import Verdict
from kenpin.station.folder import StationFolder
from kenpin.station.store import following
from kenpin.station.store.claims import claim
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.following import Followed, Follower, rebuild
from kenpin.station.store.opening import Store, StoreError
from kenpin.station.store.part_tables import CLAIMS, FORMER, PARTS
from kenpin.station.store.queries import PartRow, added, confusion, page, tallied
from tests.inspection.made import unreadable
from tests.station.postgresql import Server
from tests.station.store.made import append, content, key, needs, part, say, settled


class KilledError(Exception):
    """Stands for the end of the process."""


@pytest.fixture
def folder(tmp_path: Path) -> StationFolder:
    """The folder of a station, empty."""
    (tmp_path / "station").mkdir()
    return StationFolder(tmp_path / "station")


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "_LINES", 3)


@contextmanager
def _each_statement(do: Callable[[], None]) -> Iterator[None]:
    """Call something before each statement of any store."""

    def before(*_: object) -> None:
        do()

    event.listen(Engine, "before_cursor_execute", before)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", before)


def _parts(store: Store) -> dict[str, PartRow]:
    with store.reading() as connection:
        return {one.id: one for one in page(connection, PartFilter(), size=1_000).parts}


def _write(folder: StationFolder) -> None:
    """Seven parts of two products by two nodes, and what people said of them."""
    append(folder, [part(n) for n in range(4)], node="n1")
    append(folder, [part(9), unreadable(1)], node="n2", product="a-b", version=12)
    append(folder, [part(5)], node="n2", version=2)
    say(folder, [settled(part(0), Verdict.FAIL), settled(part(5), Verdict.PASS, "ito")])
    say(folder, [settled(part(0), None), settled(part(1), Verdict.FAIL, "ito")], node="n2")


def test_parts_and_entries_are_taken_up(store: Store, folder: StationFolder) -> None:
    _write(folder)
    follower = Follower(store, folder, needs)
    assert follower.take_up_all() == Followed(parts=7, entries=4)
    assert follower.take_up_all() == Followed()
    parts = _parts(store)
    odd, first = parts["bad1.png"], parts["00000.png"]
    assert (odd.product, odd.version, odd.node, odd.content, odd.picture_hash) == ("a-b", 12, "n2", "0 0", "")
    assert (odd.width_px, odd.score, odd.lot, odd.verdict) == (None, None, None, Verdict.REVIEW)
    assert (first.sampled, parts["00001.png"].sampled) == (0.25, None)
    assert (first.settled_verdict, first.priority) == (None, 1.0), "what was settled was undone"
    second = parts["00001.png"]
    assert (second.settled_verdict, second.settled_label, second.priority) == (Verdict.FAIL, "by hand", None)
    with store.reading() as connection:
        assert confusion(connection, PartFilter("a")) == {
            (parts["00005.png"].verdict, Verdict.PASS): 1,
            (second.verdict, Verdict.FAIL): 1,
        }
        assert sum(tallied(connection, PartFilter(), ("lot",)).values()) == 7


def test_killed_at_any_statement_it_goes_on_to_what_a_rebuild_makes(
    store: Store, folder: StationFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "_LINES", 2)
    monkeypatch.setattr(os, "fsync", lambda _: None)  # a thousand of them would take a minute
    append(folder, [part(n) for n in range(3)])
    append(folder, [part(2), part(5)], node="n2", version=2)
    say(folder, [settled(part(0), Verdict.FAIL), settled(part(5), Verdict.PASS, "ito")])
    say(folder, [settled(part(0), None)], node="n2")
    rebuild(store, folder, needs)
    wanted, follower, left = content(store), Follower(store, folder, needs), 0

    def step() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise KilledError

    is_sqlite = store.told.endswith("sqlite")  # the other one dies at other statements
    for statement in count(1, 2) if is_sqlite else count(2, 4):
        with store.writing() as connection:
            following._empty(connection)
        left = statement
        with suppress(KilledError), _each_statement(step):
            follower.take_up_all()
        if left > 0:
            break
        if statement % 2:
            follower = Follower(store, folder, needs)  # another process; else one that survived its store
        follower.take_up_all()
        assert content(store) == wanted
    assert statement > 30, "it was not killed at each statement"
    with Store(f"sqlite:///{tmp_path / 'lost.sqlite'}") as other:
        rebuild(other, folder, needs)
        assert content(other) == wanted, "both databases hold the same"


def test_killed_processes_lose_nothing(address: str, folder: StationFolder) -> None:
    with Store(address):
        pass
    chance, parts, said = random.Random(1), 0, 0
    for _ in range(12):
        new = [part(parts + n) for n in range(chance.randint(0, 4))]
        append(folder, new)
        parts += len(new)
        if parts:
            say(folder, [settled(part(chance.randrange(parts)), chance.choice([*Verdict, None]))])
            said += 1
        _die_at(chance.randint(1, 40), address, folder)
    with Store(address) as store:
        Follower(store, folder, needs).take_up("n1")
        live = content(store)
        assert len(live["parts"]) == parts
        assert rebuild(store, folder, needs) == Followed(parts, said)
        assert content(store) == live


def _die_at(statements: int, address: str, folder: StationFolder) -> None:
    """Let a process follow that is killed at this statement."""
    child = os.fork()
    if child == 0:
        left = statements

        def step() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            with _each_statement(step), Store(address) as store:
                Follower(store, folder, needs).take_up("n1")
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def test_a_server_that_is_killed_loses_nothing(postgresql: Server, folder: StationFolder) -> None:
    place, is_over = folder.records_of("n1", "a", 1), Event()
    place.mkdir(parents=True)

    def work(follower: Follower) -> tuple[int, int]:
        parts, failures = 0, 0
        with closing(Journal(place / JOURNAL)) as journal:
            while not is_over.is_set():
                journal.append([part(parts)])
                parts += 1
                try:
                    follower.journals("n1", "a")
                except StoreError:
                    failures += 1
        return parts, failures

    with Store(postgresql.emptied_database()) as store, ThreadPoolExecutor(1) as pool:
        worked = pool.submit(work, Follower(store, folder))
        for _ in range(3):
            time.sleep(0.1)
            postgresql.stop(signal.SIGQUIT)
            postgresql.start()
        is_over.set()
        parts, failures = worked.result()
        assert failures > 0, "it was not killed while it worked"
        Follower(store, folder).take_up("n1")
        live = content(store)
        assert len(live["parts"]) == parts
        rebuild(store, folder)
        assert content(store) == live


def test_what_was_read_is_not_read_again(store: Store, folder: StationFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    path = append(folder, [part(n) for n in range(5)])
    follower = Follower(store, folder)
    assert follower.journals("n1", "a") == 5
    monkeypatch.setattr(ChainReader, "move_to", _only_where_it_stands)
    append(folder, [part(5)])
    assert follower.journals("n1", "a") == 1
    assert path.stat().st_size == follower._readers[path].mark.offset
    assert follower.journals("n1", "other") == 0


def _only_where_it_stands(reader: Any, mark: Any) -> None:
    assert reader.mark == mark, "it would read the file again"


def test_a_part_that_two_journals_hold_is_there_once(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1), part(2)])
    append(folder, [part(2), part(3)], version=2)
    assert Follower(store, folder).take_up("n1").parts == 3
    assert _parts(store)["00002.png"].version == 1
    with store.reading() as connection:
        assert tallied(connection, PartFilter("a"), ("version",)) == {(1,): 2, (2,): 1}


@pytest.mark.parametrize("of_trail", [False, True])
@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-5]), "were read before; restore the file from a copy, or"),
        (lambda path: path.write_bytes(path.read_bytes().replace(b"00001", b"00007") + b"more"), "some are others now"),
        (lambda path: path.unlink(), "is gone; restore the file"),
        (lambda path: shutil.rmtree(path.parent), "is gone; restore the file"),
    ],
)
def test_a_file_that_is_not_what_it_was_is_refused(
    store: Store, folder: StationFolder, of_trail: bool, change: Callable[[Path], object], told: str
) -> None:
    journal = append(folder, [part(1), part(2)])
    trail = say(folder, [settled(part(1), Verdict.FAIL, "00001")])
    Follower(store, folder).take_up("n1")
    before = content(store)
    path = trail if of_trail else journal
    change(path)
    with pytest.raises(RunError, match=told) as refused:
        Follower(store, folder).take_up("n1")
    assert str(path) in str(refused.value)
    assert content(store) == before


def test_the_remedy_for_a_shortened_journal_works(store: Store, folder: StationFolder) -> None:
    path = append(folder, [part(n) for n in range(4)])
    follower = Follower(store, folder)
    follower.take_up("n1")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:2]))
    with pytest.raises(RunError, match="kenpin station rebuild"):
        follower.take_up("n1")
    assert rebuild(store, folder) == Followed(parts=2)
    assert follower.take_up("n1") == Followed(), "a follower that lived on finds the new mark"


def test_an_entry_of_an_unknown_kind_is_refused_and_nothing_behind_it_is_applied(
    store: Store, folder: StationFolder
) -> None:
    append(folder, [part(1)])
    say(folder, [settled(part(1), Verdict.FAIL), ("ando", "wished-for", {}), settled(part(1), None)])
    for _ in range(2):
        with pytest.raises(RunError, match=r"n1.jsonl line 2: is of the kind 'wished-for', which is unknown to this"):
            Follower(store, folder).take_up("n1")
    assert _parts(store)["00001.png"].settled_verdict is None


def test_a_folder_that_is_no_versions_is_refused(store: Store, folder: StationFolder) -> None:
    path = append(folder, [part(1)])
    path.parent.rename(path.parent.with_name("copy of a"))
    with pytest.raises(RunError, match="lies in no folder PRODUCT-VERSION; move it out"):
        Follower(store, folder).take_up("n1")


def test_a_record_without_a_moment_is_refused(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1, judged_at="noon")])
    with pytest.raises(RunError, match=r"records.jsonl line 1: was judged at 'noon', which is no moment"):
        Follower(store, folder).take_up("n1")


def test_trails_are_applied_in_the_order_of_their_moments(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1)])
    live = Follower(store, folder)
    live.take_up("n1")
    verdicts = [Verdict.FAIL, Verdict.PASS, Verdict.REVIEW, Verdict.FAIL, Verdict.PASS]
    for number, verdict in enumerate(verdicts):
        node = f"n{number % 2 + 1}"
        say(folder, [settled(part(1), verdict, f"person {number}")], node=node)
        live.trail(node)
    before = content(store)
    assert _parts(store)["00001.png"].settled_verdict is Verdict.PASS
    assert rebuild(store, folder) == Followed(1, 5)
    assert content(store) == before


def test_a_trail_is_followed_up_to_where_it_is_known_to_be_on_disk(store: Store, folder: StationFolder) -> None:
    append(folder, [part(1)])
    end = say(folder, [settled(part(1), Verdict.FAIL)]).stat().st_size
    say(folder, [settled(part(1), Verdict.PASS)])
    follower = Follower(store, folder)
    assert follower.journals("n1", "a") == 1
    assert follower.trail("n1", end) == 1
    assert _parts(store)["00001.png"].settled_verdict is Verdict.FAIL
    assert follower.trail("n1") == 1


def test_odd_texts_hold_up_nothing(store: Store, folder: StationFolder) -> None:
    odd = ["a\0b", "傷" * 4_000, "傷" * 4_001, "a" * 5_000, "'; DROP TABLE parts; --", "\u2028", "%", "\ue000", "=1+1"]
    append(folder, [part(n, id=text, lot=text, label=text, reasons=(text,)) for n, text in enumerate(odd)])
    assert Follower(store, folder).take_up("n1").parts == len(odd)
    with store.reading() as connection:
        for text in odd:
            assert [one.lot for one in page(connection, PartFilter(lot=text, label=text)).parts] != []
            assert len(page(connection, PartFilter(id=text)).parts) == 1


def test_numbers_that_are_none_hold_up_nothing(store: Store, folder: StationFolder) -> None:
    answers = part(1).answers
    scores = [float("nan"), float("inf"), float("-inf")]
    append(folder, [part(n, distance=x, answers=(replace(answers[0], score=x),)) for n, x in enumerate(scores)])
    Follower(store, folder).take_up("n1")
    with store.reading() as connection:
        kept = [(one.score, one.distance) for one in page(connection, PartFilter()).parts]
        assert kept == [(scores[2],) * 2, (scores[1],) * 2, (None, None)]
        assert len(page(connection, PartFilter(score_from=0)).parts) == 1


# ---- rebuild ----


def test_a_rebuild_ends_no_claims_and_keeps_numbers(store: Store, folder: StationFolder) -> None:
    append(folder, [part(3)], node="n2")
    assert Follower(store, folder).journals("n2", "a") == 1
    append(folder, [part(1)])
    with store.writing() as connection:
        claim(connection, [key(part(n)) for n in (1, 2)], "n1", "a")
    Follower(store, folder).journals("n1", "a")
    before = _parts(store)
    append(folder, [part(0)], node="n0")
    rebuild(store, folder)
    with store.reading() as connection:
        rows = added(connection, 0)
        assert added(connection, rows[0].seq, most=1) == rows[1:2]
    assert [one.id for one in rows] == ["00003.png", "00001.png", "00000.png"]
    assert {one.id: one.seq for one in rows[:2]} == {id: one.seq for id, one in before.items()}
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(FORMER)).scalar_one() == 0
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(CLAIMS)).scalar_one() == 1


def test_a_running_station_is_not_rebuilt(store: Store, folder: StationFolder) -> None:
    path = append(folder, [part(1)])
    Follower(store, folder).take_up("n1")
    with sole_writer(path.parent), pytest.raises(RunError, match="the station is running; stop it"):
        rebuild(store, folder)
    assert len(_parts(store)) == 1
    rebuild(store, folder)


def test_a_rebuild_that_was_killed_goes_on_where_the_station_starts(store: Store, folder: StationFolder) -> None:
    append(folder, [part(n) for n in range(8)])
    Follower(store, folder).take_up("n1")
    before, inserts = content(store), 0

    def dies(_: object, __: object, statement: str, *___: object) -> None:
        nonlocal inserts
        inserts += statement.startswith("INSERT INTO parts")
        if inserts == 2:
            raise KilledError

    event.listen(Engine, "before_cursor_execute", dies)
    try:
        with pytest.raises(KilledError):
            rebuild(store, folder)
    finally:
        event.remove(Engine, "before_cursor_execute", dies)
    with store.reading() as connection:
        assert connection.execute(select(func.count()).select_from(PARTS)).scalar_one() == 3
    Follower(store, folder).take_up("n1")
    assert content(store) == before
