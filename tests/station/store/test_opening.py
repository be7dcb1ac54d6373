"""A store opens on both databases; what is none is told in one sentence, without a password."""

from __future__ import annotations

import multiprocessing
import os
import re
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import product
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select, text

from kenpin.errors import KenpinError, OptionError
from kenpin.station.folder import StationFolder
from kenpin.station.store import opening
from kenpin.station.store.addresses import default_address, read_address, told
from kenpin.station.store.file_tables import FOLLOWED
from kenpin.station.store.opening import Store, StoreError, wait_for_turn
from tests.station.postgresql import Server

_ROW = {"file": "f", "offset_bytes": 1, "lines": 1, "digest": "d"}


def _files(store: Store) -> list[str]:
    with store.reading() as connection:
        return [*connection.execute(select(FOLLOWED.c.file)).scalars()]


def test_a_transaction_is_kept_as_a_whole_or_not_at_all(address: str) -> None:
    with Store(address) as store:
        with suppress(ZeroDivisionError), store.writing() as connection:
            connection.execute(FOLLOWED.insert(), _ROW)
            _ = 1 / 0
        assert _files(store) == []
        with store.writing() as connection:
            connection.execute(FOLLOWED.insert(), _ROW)
    with Store(address) as again:
        assert _files(again) == ["f"]


def test_a_folder_has_its_own_store(tmp_path: Path) -> None:
    folder = StationFolder(tmp_path)
    with Store(default_address(folder)) as store:
        assert store.told == str(folder.store)
        with store.reading() as connection:
            pragmas = {name: connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode",
                "synchronous", "foreign_keys", "busy_timeout")}  # fmt: skip
    assert pragmas == {"journal_mode": "wal", "synchronous": 1, "foreign_keys": 1, "busy_timeout": 60_000}


def test_readers_see_what_was_there_while_another_writes(address: str) -> None:
    with Store(address) as store:
        with store.writing() as connection:
            connection.execute(FOLLOWED.insert(), _ROW)
            assert _files(store) == []
        assert _files(store) == ["f"]


def test_one_adds_after_the_other(address: str) -> None:
    with Store(address) as first, Store(address) as second, ThreadPoolExecutor(1) as pool:
        is_waiting = Event()

        def add() -> list[str]:
            is_waiting.set()
            with second.writing() as connection:
                wait_for_turn(connection)
                return [*connection.execute(select(FOLLOWED.c.file)).scalars()]

        with first.writing() as connection:
            wait_for_turn(connection)
            seen = pool.submit(add)
            is_waiting.wait()
            connection.execute(FOLLOWED.insert(), _ROW)
            time.sleep(0.2)  # in which one that does not wait looks
        assert seen.result(10) == ["f"], "it went on before the other had ended"


def test_several_processes_open_a_new_store_at_once(address: str) -> None:
    begin, started = multiprocessing.get_context("fork").Event(), list[int]()
    for _ in range(6):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                begin.wait()
                Store(address).close()
                status = 0
            finally:
                os._exit(status)
        started.append(child)
    begin.set()
    assert [os.waitpid(child, 0)[1] for child in started] == [0] * len(started)
    with Store(address) as store:
        assert _files(store) == []


# ---- what is none ----


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="it is no database, or a damaged one; move the file away") as refused:
        Store(f"sqlite:///{path}")
    assert str(path) in str(refused.value)
    path.rename(tmp_path / "away")
    Store(f"sqlite:///{path}").close()


def test_a_damaged_database(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    Store(f"sqlite:///{path}").close()
    data = bytearray(path.read_bytes())
    data[100:] = b"\xff" * (len(data) - 100)
    path.write_bytes(data)
    with pytest.raises(StoreError, match="it is no database, or a damaged one"):
        Store(f"sqlite:///{path}")


def test_a_folder_that_is_missing(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="it cannot be opened; check that its folder exists"):
        Store(f"sqlite:///{tmp_path}/nowhere/store.sqlite")


def test_a_store_of_a_newer_kenpin(address: str) -> None:
    with Store(address) as store, store.writing() as connection:
        connection.execute(text("UPDATE kenpin_schema SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer kenpin \(its schema is 9999, this one knows up to \d{4}\); use that"):
        Store(address)


def test_the_tables_of_another_program(address: str) -> None:
    kept = read_address(address)
    if kept.drivername == "sqlite":
        with sqlite3.connect(str(kept.database)) as connection:
            connection.execute("CREATE TABLE parts (id INTEGER)")
        connection.close()
    else:
        import psycopg

        with psycopg.connect(address) as server:
            server.execute("CREATE TABLE parts (id INTEGER)")
    with pytest.raises(StoreError, match=r"holds tables of another program \(parts\); name another store"):
        Store(address)


def test_another_program_in_the_same_server_does_not_matter(postgresql: Server) -> None:
    import psycopg

    address = postgresql.emptied_database()
    with psycopg.connect(address) as connection:
        connection.execute("CREATE TABLE alembic_version (version_num text)")
        connection.execute("INSERT INTO alembic_version VALUES ('of another')")
    Store(address).close()


def test_a_database_whose_texts_are_not_unicode(postgresql: Server) -> None:
    address = postgresql.new_database("ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    with pytest.raises(StoreError, match="its texts are kept as LATIN1; make it with `createdb -E UTF8`"):
        Store(address)


def test_a_server_without_such_a_database(postgresql: Server) -> None:
    with pytest.raises(StoreError, match="there is no such database; make it with `createdb`"):
        Store(postgresql.address("nothing"))


def test_a_server_that_is_restarted(postgresql: Server) -> None:
    with Store(postgresql.emptied_database()) as store:
        assert _files(store) == []
        postgresql.stop()
        try:
            with pytest.raises(StoreError, match="the server cannot be reached; start it"):
                _files(store)
        finally:
            postgresql.start()
        assert _files(store) == []


def test_a_list_that_takes_too_long(postgresql: Server) -> None:
    with Store(postgresql.emptied_database()) as store:
        with pytest.raises(StoreError, match="takes longer than"), store.reading(0.05) as connection:
            connection.execute(text("SELECT pg_sleep(5)"))
        with store.reading(None) as connection:
            connection.execute(text("SELECT pg_sleep(0.1)"))


def test_more_readers_than_connections(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "_CONNECTIONS", 1)
    monkeypatch.setattr(opening, "_MORE", 0)
    with Store(address) as store:
        store._engine.pool._timeout = 0.05  # type: ignore[attr-defined]
        with store.reading(), pytest.raises(StoreError, match="all 1 connections are in use; try again"):
            _files(store)


SECRET = "s3cr3t"


@pytest.mark.parametrize(
    "address",
    [
        f"postgresql://kenpin:{SECRET}@127.0.0.1:1/kenpin",
        f"postgresql://kenpin@127.0.0.1:1/kenpin?password={SECRET}",
        f"postgresql://kenpin:{SECRET}/x@127.0.0.1/kenpin",
        f"postgresql://kenpin:1/{SECRET}@127.0.0.1/kenpin",
        f"postgresql://kenpin:{SECRET}@127.0.0.1:port/kenpin",
        f"postgresql://kenpin:{SECRET}@127.0.0.1",
        f"postgres:/kenpin:{SECRET}@",
        f"mysql://kenpin:{SECRET}@127.0.0.1/kenpin",
        f"sqlite://kenpin:{SECRET}@/",
        SECRET,
    ],
)
def test_no_message_holds_a_password(address: str) -> None:
    with pytest.raises(KenpinError) as refused:
        Store(address)
    message = str(refused.value)
    assert SECRET not in message
    assert re.match(r"(store|postgresql://\S+): .+; .+\.$", message)
    assert "\n" not in message


def test_no_odd_letter_of_a_password_makes_it_known() -> None:
    for letters in product("@/:?#%1a", repeat=3):
        try:
            message = told(read_address(f"postgresql://user:begin{''.join(letters)}end@db:1/kenpin"))
        except OptionError as error:
            message = str(error)
        assert "begin" not in message
        assert not re.search(r"end\b", message)


def test_an_address_is_told_in_short() -> None:
    assert told(read_address("postgresql://u:p@db:5433/kenpin?sslmode=require")) == "postgresql://db:5433/kenpin"
    with pytest.raises(OptionError, match="names no file"):
        read_address("sqlite://")


def test_a_wrong_password_is_told(tmp_path: Path) -> None:
    refused = 'connection to server at "db" failed: FATAL:  password authentication failed for user "kenpin"'
    assert "refuses user or password" in opening._remedy(refused, refused)
