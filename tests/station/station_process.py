"""A station as a process of its own, on a free port of 127.0.0.1, to be asked over sockets, and to be killed."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import yaml

import kenpin
from kenpin.station.clock import now_us
from kenpin.station.folder import StationFolder
from kenpin.station.store.opening import open_store
from kenpin.station.who.accounts import NewAccount, add_account
from kenpin.station.who.console import console_trail
from kenpin.station.who.machines import make_token
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import CONSOLE, Role

PASSWORD = "a long enough password"
_STARTS_S = 60.0
_ENDS_S = 60.0


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    """By names in small letters; the last one where there are several."""
    body: bytes
    cookies: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Caller:
    """Asks a station over a connection of its own, which is made anew where it broke."""

    def __init__(self, port: int, headers: Mapping[str, str] | None = None, timeout_s: float = 30.0) -> None:
        self._port, self._timeout_s = port, timeout_s
        self.headers = dict(headers or {})
        self._connection: HTTPConnection | None = None

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask once. Raises OSError, HTTPException where the connection breaks."""
        if self._connection is not None and select.select([self._connection.sock], [], [], 0)[0]:
            self.close()  # the station closed it while it was idle
        if self._connection is None:
            self._connection = HTTPConnection("127.0.0.1", self._port, timeout=self._timeout_s)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            self._connection.request(method, target, body, {**self.headers, **(headers or {})})
            answer = self._connection.getresponse()
            found = Reply(
                answer.status,
                {name.lower(): value for name, value in answer.getheaders()},
                answer.read(),
                tuple(answer.headers.get_all("Set-Cookie", [])),
            )
        except BaseException:
            self.close()
            raise
        if answer.will_close:
            self.close()
        return found

    def sign_in(self, name: str, password: str = PASSWORD) -> Reply:
        """Sign in as a browser does, and send the session's cookie and its pages' token from then on."""
        origin = f"http://127.0.0.1:{self._port}"
        form = urlencode({"name": name, "password": password}).encode()
        kind = "application/x-www-form-urlencoded"
        answer = self.ask("POST", "/sign-in", form, {"Origin": origin, "Content-Type": kind})
        if answer.status == 303:
            cookies = "; ".join(cookie.partition(";")[0] for cookie in answer.cookies)
            own = {"Cookie": cookies, "Origin": origin, "Accept": "text/html"}
            page = self.ask("GET", "/line", headers=own).text
            self.headers |= own | {"X-CSRF-Token": page.partition('name="csrf" content="')[2].partition('"')[0]}
        return answer

    def post(self, path: str, **fields: str) -> Reply:
        """Send a form."""
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self.ask("POST", path, urlencode(fields).encode(), kind)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        self.close()


@dataclass
class StationProcess:
    """A station's process. `settings`: what its `station.yaml` holds."""

    folder: Path
    policy: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    engine: str = "auto"
    environment: Mapping[str, str] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[bytes] | None = None
    children: set[int] = field(default_factory=set)
    """Of all processes that were killed."""

    def __post_init__(self) -> None:
        self.port = self.port or free_port()
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "station.yaml").write_text(yaml.safe_dump({**self.settings}), "utf-8")

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")

    @property
    def store(self) -> str | None:
        """Address of its store, where it is not the file in its folder."""
        return self.settings.get("store")

    def start(self) -> None:
        """Start it, and wait for nothing."""
        command = [sys.executable, "-m", "kenpin", "station", *([str(self.policy)] if self.policy else [])]
        command += ["--folder", str(self.folder), "--port", str(self.port), "--engine", self.engine]
        source = str(Path(kenpin.__file__).parents[1])
        environment = {**os.environ, "PYTHONPATH": source, "PYTHONWARNINGS": "ignore", **self.environment}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, env=environment, cwd=self.folder.parent)

    def wait_until_ready(self, seconds: float = _STARTS_S) -> None:
        """Wait until it takes parts."""
        until_s = time.monotonic() + seconds
        caller = Caller(self.port, timeout_s=5)
        while True:
            with suppress(OSError, HTTPException):
                if caller.ask("GET", "/readyz").json["status"] == "ready":
                    caller.close()
                    return
            assert self.process is not None
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < until_s, f"it is not ready after {seconds} s: {self.told()}"
            time.sleep(0.02)

    def kill(self) -> None:
        """Kill it as a power failure would."""
        assert self.process is not None
        with suppress(OSError):
            of_threads = Path(f"/proc/{self.process.pid}/task").glob("*/children")
            self.children |= {int(pid) for file in of_threads for pid in file.read_text().split()}
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self) -> int:
        """Ask it to end, and return how it did."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(_ENDS_S)
        finally:
            self.process = None

    def told(self) -> str:
        """The end of what it printed."""
        return self.log.read_text("utf-8", "replace")[-4_000:] if self.log.exists() else ""

    def orphans(self) -> list[int]:
        """Processes that a killed one left running."""
        left = []
        for pid in self.children:
            with suppress(OSError):
                if b"decoding_child" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    left.append(pid)
        return left

    def add_account(self, name: str, role: Role) -> None:
        """Make an account with `PASSWORD`; also while it runs."""
        hashed = Passwords().hash(PASSWORD, name)
        folder = StationFolder(self.folder)
        with open_store(folder, self.store) as store, console_trail(folder) as trail, store.writing() as connection:
            add_account(connection, trail, CONSOLE, NewAccount(name, role, hashed), now_us())

    def add_token(self, name: str, *rights: str) -> str:
        """Make a machine token, and return its secret."""
        folder = StationFolder(self.folder)
        with open_store(folder, self.store) as store, console_trail(folder) as trail, store.writing() as connection:
            return make_token(connection, trail, CONSOLE, name, rights, now_us()).text

    def __enter__(self) -> StationProcess:
        self.start()
        self.wait_until_ready()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


def free_port() -> int:
    """A port of 127.0.0.1 on which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def run_kenpin(*words: str) -> str:
    """What a command prints; it ends well."""
    source = str(Path(kenpin.__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": source, "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "kenpin", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout
