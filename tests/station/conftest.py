"""A station with a tiny run, and browsers that are signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from starlette.testclient import TestClient

from kenpin.station import running
from kenpin.station.clock import now_us
from kenpin.station.intake.decoding import Decoder
from kenpin.station.running import Station
from kenpin.station.service import gate
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.who import passwords
from kenpin.station.who.accounts import NewAccount, insert_account
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import Role
from tests.station.who.made import CountedHasher
from tests.toy_runs import ToyRun

PASSWORD = "a long enough password"
BASE = "http://localhost"
SignIn = Callable[..., TestClient]


@pytest.fixture(scope="session")
def policy(tmp_path_factory: pytest.TempPathFactory, toy_run: ToyRun) -> Path:
    """A policy with a tiny run, which has learned nothing; half of its scale fails."""
    folder = tmp_path_factory.mktemp("policy")
    toy_run("classifier", folder / "toy")
    (folder / "policy.yaml").write_text(
        "runs: {toy: {run: toy, fail_from: 0.5}}\nmaps: {of: toy, when: [FAIL], layers: true}\n"
    )
    return folder / "policy.yaml"


@pytest.fixture
def settings(policy: Path) -> StationSettings:
    """One product, of which every part is reviewed, by one person."""
    product = ProductSettings(policy=policy, title="Parts", reviewed_passes=1, reviewed_fails=1, second_reviews=0)
    return StationSettings(products={"parts": product})


class KeptDecoder(Decoder):
    """Its processes begin with the first pictures, which most tests of pages do not have, and go to the next station:
    to begin one takes longer than many a test."""

    kept: ClassVar[list[Any]] = []

    def __init__(self, processes: int = 2, seconds: float = 30.0, *, begun: bool = True) -> None:
        super().__init__(processes, seconds, begun=False)
        idle = [self._idle.get() for _ in range(processes)]
        sound = [child for child in self.kept if child._process.poll() is None]
        self.kept[:] = sound[processes:]
        for child in [*idle, *sound[:processes]][-processes:]:
            self._idle.put(child)

    def close(self) -> None:
        while not self._idle.empty():
            if (child := self._idle.get()) is not None:
                self.kept.append(child)


@pytest.fixture(scope="session", autouse=True)
def _kept_decoders() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(running, "Decoder", KeptDecoder)
        yield
    for child in KeptDecoder.kept:
        child.end()


@pytest.fixture
def station(tmp_path: Path, settings: StationSettings) -> Iterator[Station]:
    """An open station."""
    with Station(tmp_path / "station", settings, engine="torch") as opened:
        yield opened


@pytest.fixture
def sign_in(station: Station, monkeypatch: pytest.MonkeyPatch) -> Iterator[SignIn]:
    """Makes an account of a role, and gives a browser that is signed in; without a role one that is not."""
    monkeypatch.setattr(passwords, "PasswordHasher", CountedHasher)  # a hash that is slow to guess is slow to make
    app = gate(station, "127.0.0.1")
    browsers = []

    def open_browser(role: Role | None = Role.ADMIN, name: str = "ann") -> TestClient:
        browser = TestClient(app, base_url=BASE, headers={"Origin": BASE, "Accept": "text/html"})
        browsers.append(browser)
        if role is not None:
            with station.store.writing() as connection:
                hashed = Passwords().hash(PASSWORD, name)
                insert_account(connection, station.trail, "console", NewAccount(name, role, hashed), now_us())
            answer = browser.post("/sign-in", data={"name": name, "password": PASSWORD})
            assert answer.status_code == 200, answer.text
            page = browser.get("/line").text
            browser.headers["X-CSRF-Token"] = page.partition('name="csrf" content="')[2].partition('"')[0]
        return browser

    yield open_browser
    for browser in browsers:
        browser.close()
