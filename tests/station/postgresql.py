"""A PostgreSQL of the tests' own, where one is installed: on a free port of 127.0.0.1, gone with the tests."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

MISSING = "PostgreSQL is not installed: apt-get install postgresql"
_STARTS_S = 30.0
_NUMBERS = count(1)
_SHARED = "emptied"


@dataclass
class Server:
    """A running server, for its superuser `kenpin`."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None
    _has_shared: bool = False
    _was_killed: bool = False

    def new_database(self, *options: str) -> str:
        """The address of an empty database. options: of CREATE DATABASE."""
        name = f"test_{next(_NUMBERS)}"
        self.execute(f"CREATE DATABASE {name} {' '.join(options)}")
        return self.address(name)

    def emptied_database(self) -> str:
        """The address of a database that is emptied: the same each time, which is quicker than a new one."""
        import psycopg

        address = self.address(_SHARED)
        if not self._has_shared:
            self.execute(f"CREATE DATABASE {_SHARED}")
            self._has_shared = True
        with psycopg.connect(address, autocommit=True) as connection:
            connection.execute("DROP SCHEMA public CASCADE")
            connection.execute("CREATE SCHEMA public")
        return address

    def address(self, database: str) -> str:
        """The address of a database."""
        return f"postgresql://kenpin@127.0.0.1:{self.port}/{database}"

    def execute(self, statement: str) -> None:
        """Run a statement of the server's keeper."""
        import psycopg

        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        import psycopg

        command = [
            _program("postgres"), "-D", str(self.folder), "-p", str(self.port), "-h", "127.0.0.1",
            *(part for one in ("fsync=off", "unix_socket_directories=", "max_connections=100") for part in ("-c", one)),
        ]  # fmt: skip
        deadline_s = time.monotonic() + _STARTS_S
        while True:
            if self.process is None or self.process.poll() is not None:
                with (self.folder / "log").open("ab") as log:
                    self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder, **_as_user())
            try:
                psycopg.connect(self.address("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                # processes of a killed one may hold its memory for a moment, in which no other begins
                if time.monotonic() > deadline_s or (self.process.poll() is not None and not self._was_killed):
                    raise
                time.sleep(0.02)

    def fail(self, number: int) -> None:
        """Let it die: by turns as in a power failure, and its first process alone."""
        self._was_killed = True
        self.stop(signal.SIGKILL if number % 2 else signal.SIGQUIT)

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop it. by: SIGINT in order, SIGQUIT as a power failure does."""
        if self.process is not None:
            self.process.send_signal(by)
            self.process.wait()
            self.process = None


def is_installed() -> bool:
    """Whether there is a server to start."""
    return _program("initdb") != "" and _program("postgres") != ""


@contextmanager
def running_server() -> Iterator[Server]:
    """A server with an empty cluster, in a folder outside of pytest's, which its user could not enter."""
    folder = Path(tempfile.mkdtemp(prefix="kenpin-postgresql-"))
    try:
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(folder, user.pw_uid, user.pw_gid)
        make = [_program("initdb"), "-D", str(folder / "data"), "-U", "kenpin", "-A", "trust", "-E", "UTF8"]
        subprocess.run(
            [*make, "--locale=C.UTF-8", "--no-sync"], check=True, capture_output=True, cwd=folder, **_as_user()
        )
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Server(folder / "data", port)
        server.start()
        try:
            yield server
        finally:
            server.stop(signal.SIGQUIT)  # nobody needs what it would still write
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _as_user() -> dict[str, Any]:
    """PostgreSQL refuses to run as root."""
    return {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}


def _program(name: str) -> str:
    found = shutil.which(name)
    if found is not None:
        return found
    return max((str(path) for path in Path("/usr/lib/postgresql").glob(f"*/bin/{name}")), default="")
