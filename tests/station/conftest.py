"""A station with a tiny run, and browsers that are signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

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


@pytest.fixture
def station(tmp_path: Path, settings: StationSettings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    """An open station. What opens its pictures begins with the first of them: most tests of pages have none."""
    defaults = Decoder.__init__.__kwdefaults__
    assert defaults == {"begun": True}
    monkeypatch.setitem(defaults, "begun", False)
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
