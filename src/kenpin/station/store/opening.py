"""Opening a store: SQLite in a file or PostgreSQL by its address, with transactions for writing and for reading."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Lock
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError
from sqlalchemy.exc import TimeoutError as NoneFreeError

from kenpin.errors import KenpinError, MissingExtraError, first_line
from kenpin.installing import installing
from kenpin.station.folder import StationFolder
from kenpin.station.store.addresses import default_address, read_address, told
from kenpin.station.store.migrating import MigrationError, is_current, migrate
from kenpin.station.store.tables import is_postgresql

LIST_S = 10.0
"""Seconds that a statement of a reader may take on PostgreSQL."""
_WAIT_S = 60.0  # for others that write
_REACH_S = 5
_CONNECTIONS, _MORE = 10, 20
_ADDING, _MIGRATING = 0x6B656E01, 0x6B656E02  # locks in PostgreSQL, "ken" and a number
_WRITES = "kenpin_writes"
_OF_PROGRAMMER = (DataError, IntegrityError, ProgrammingError)
_REMEDIES = (
    (
        r"not a database|malformed|file is encrypted",
        "it is no database, or a damaged one; move the file away, and fill a new one with `kenpin station rebuild`.",
    ),
    (r"unable to open database file", "it cannot be opened; check that its folder exists, and the rights to it."),
    (r"readonly database|read-only", "it may not be written to; check the rights to it."),
    (r"database is locked|lock timeout", "another process has been writing to it for too long; try again."),
    (r"database or disk is full|No space left", "there is no room left on its disk; free some."),
    (r"statement timeout", f"the answer takes longer than {LIST_S:.0f} s; ask for fewer parts."),
    (r"password authentication failed", "it refuses user or password; check its address in the settings."),
    (r"database \".*\" does not exist", "there is no such database; make it with `createdb`."),
    (r"permission denied", "its user may not do that; let it own the database."),
    (
        r"connection|could not connect|resolve host|server closed|terminating|starting up|shutting down",
        "the server cannot be reached; start it, or check the address in the settings.",
    ),
)


class StoreError(KenpinError, RuntimeError):
    """The store cannot be reached, is none, or is of another kenpin; what the station's files hold is safe."""


class Store:
    """A store with the tables of this kenpin; for any thread."""

    def __init__(self, address: URL | str) -> None:
        """Open it, and bring it up to date; of several processes one does, and the others wait.

        address: of SQLite or PostgreSQL. Raises OptionError, StoreError, MissingExtraError.
        """
        url = read_address(address) if isinstance(address, str) else address
        self.told = told(url)
        """Its address without a password."""
        self._engine = _engine(url)
        # SQLite lets one write at a time, and lets the others look again and again whether it is done
        self._one_writer = Lock() if url.drivername == "sqlite" else None
        try:
            self._bring_up_to_date()
        except BaseException:
            self.close()
            raise

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """A transaction that writes: all of it is kept, or after an exception nothing. Not within another one. Raises
        StoreError."""
        with self._told_errors(), self._alone(), self._engine.connect() as connection:
            connection = connection.execution_options(**{_WRITES: True})
            with connection.begin():
                yield connection

    @contextmanager
    def reading(self, most_s: float | None = LIST_S) -> Iterator[Connection]:
        """A transaction that reads. most_s: seconds that a statement may take on PostgreSQL; None: any. Raises
        StoreError."""
        with self._told_errors(), self._engine.connect() as connection, connection.begin():
            if most_s is not None and is_postgresql(connection):
                connection.execute(text(f"SET LOCAL statement_timeout = {int(most_s * 1000)}"))
            yield connection

    begin, connect = writing, reading  # as an engine has them

    def close(self) -> None:
        """Close its connections."""
        self._engine.dispose()

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _bring_up_to_date(self) -> None:
        try:
            with self.reading() as connection:
                if is_current(connection):
                    return
            with self.writing() as connection:
                if is_postgresql(connection):
                    connection.execute(text("SET LOCAL lock_timeout = 0"))  # another one's may take its time
                    connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATING})"))
                    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
                    if encoding != "UTF8":
                        raise MigrationError(f"its texts are kept as {encoding}; make it with `createdb -E UTF8`.")
                migrate(connection)
        except MigrationError as error:
            raise StoreError(f"{self.told}: {error}") from error

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._one_writer is None:
            yield
            return
        if not self._one_writer.acquire(timeout=_WAIT_S):
            raise StoreError(f"{self.told}: another thread has been writing to it for too long; try again.")
        try:
            yield
        finally:
            self._one_writer.release()

    @contextmanager
    def _told_errors(self) -> Iterator[None]:
        try:
            yield
        except _OF_PROGRAMMER:
            raise
        except DBAPIError as error:
            why = first_line(error.orig or error)
            raise StoreError(f"{self.told}: {_remedy(str(error.orig), why)}") from error
        except NoneFreeError as error:
            raise StoreError(f"{self.told}: all {_CONNECTIONS + _MORE} connections are in use; try again.") from error


def open_store(folder: StationFolder, address: str | None) -> Store:
    """The store of a station: at this address, by default SQLite in its folder. Raises as `Store` does."""
    return Store(address or default_address(folder))


def wait_for_turn(connection: Connection) -> None:
    """Let one transaction after the other add rows whose order counts, until this one ends: whoever reads on behind the
    last number that it saw then misses none, and two never wait for one another."""
    if is_postgresql(connection):
        connection.execute(text(f"SELECT pg_advisory_xact_lock({_ADDING})"))


def _remedy(message: str, why: str) -> str:
    for pattern, remedy in _REMEDIES:
        if re.search(pattern, message, re.IGNORECASE):
            return remedy
    return f"it cannot be used ({why}); look into its log, and try again."


def _engine(url: URL) -> Engine:
    if url.drivername == "sqlite":
        engine = create_engine(
            url,
            pool_size=_CONNECTIONS,
            max_overflow=_MORE,
            connect_args={"timeout": _WAIT_S, "check_same_thread": False},
        )
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_in_sqlite)
        return engine
    try:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            pool_size=_CONNECTIONS,
            max_overflow=_MORE,
            connect_args={"connect_timeout": _REACH_S, "application_name": "kenpin"},
        )
    except ImportError as error:
        raise MissingExtraError(f"a store in PostgreSQL needs psycopg: {installing('station')}") from error
    event.listen(engine, "connect", _set_up_postgresql)
    return engine


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # transactions begin where SQLAlchemy says, not where sqlite3 guesses
    connection.execute(f"PRAGMA busy_timeout = {int(_WAIT_S * 1000)}")
    deadline_s = time.monotonic() + _WAIT_S
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        # who changes the mode does not wait for others that do
        with suppress(sqlite3.OperationalError):
            if connection.execute("PRAGMA journal_mode = WAL").fetchone()[0] != "wal":
                break  # a file system without shared memory keeps its own mode, which is as safe
        if time.monotonic() > deadline_s:
            break
        time.sleep(0.01)
    connection.execute("PRAGMA synchronous = NORMAL")  # a power failure may take the last rows, which files hold
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA cache_size = -16384")


def _begin_in_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _set_up_postgresql(connection: Any, _: object) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(_WAIT_S * 1000)}")
        # a process that was halted must not hold up the others
        cursor.execute(f"SET idle_in_transaction_session_timeout = {int(_WAIT_S * 1000)}")
    connection.commit()
