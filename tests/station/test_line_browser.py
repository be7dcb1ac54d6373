"""The line in a browser: an alarm appears by itself, what is unchanged is not sent again, a telephone shows all."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import uvicorn

from kenpin.data.picture_look import PictureLook
from kenpin.records import Verdict
from kenpin.station.clock import HOUR_US, SECOND_US, now_us
from kenpin.station.running import Station
from kenpin.station.service import gate
from kenpin.station.settings import ProductSettings, StationSettings
from kenpin.station.store.tables import moment_of
from kenpin.station.who.accounts import NewAccount, insert_account
from kenpin.station.who.passwords import Passwords
from kenpin.station.who.rights import Role
from tests.station.conftest import PASSWORD
from tests.station.monitoring.made import skewed
from tests.station.store.made import append, part

pytestmark = pytest.mark.slow
CHROMIUM = shutil.which("chromium")
_SWITCHES = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")
_AFTER_US = now_us() + HOUR_US

if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture
def settings(policy: Path) -> StationSettings:
    """One product with a short reference."""
    return StationSettings(products={"parts": ProductSettings(policy=policy, title="Parts", reference_parts=250)})


@pytest.fixture
def address(station: Station) -> Iterator[str]:
    """Where it is served."""
    with station.store.writing() as connection:
        hashed = Passwords().hash(PASSWORD, "ann")
        insert_account(connection, station.trail, "console", NewAccount("ann", Role.ADMIN, hashed), now_us())
    config = uvicorn.Config(gate(station, "127.0.0.1"), port=0, lifespan="off", log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.05)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


def _judge(station: Station, distances: Any, first: int) -> None:
    """Parts that another node judged."""
    records = [
        part(
            number,
            distance=distance,
            verdict=Verdict.PASS,
            judged_at=moment_of(_AFTER_US + number * SECOND_US),
            look=PictureLook(128.0, 30.0, 7.0),
        )
        for number, distance in enumerate(distances.tolist(), first)
    ]
    append(station.folder, records, node="n2", product="parts")
    station._entering.follower.journals("n2", "parts")


def test_an_alarm_appears_by_itself_and_only_changes_are_sent(station: Station, address: str) -> None:
    draw = np.random.default_rng(1)
    station.references._clock = lambda: _AFTER_US + HOUR_US
    _judge(station, skewed(draw, 600), 1)
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=[*_SWITCHES])
        page = browser.new_page(viewport={"width": 360, "height": 800})
        answers: list[int] = []
        errors: list[str] = []
        page.on("pageerror", lambda error: errors.append(f"{error}"))
        page.on("response", lambda one: answers.append(one.status) if "&seen=" in one.url else None)
        page.goto(f"{address}/sign-in")
        page.fill("input[name=name]", "ann")
        page.fill("input[name=password]", PASSWORD)
        page.click("form.form button")
        page.wait_for_selector("#control svg")
        page.wait_for_timeout(12_000)  # it asks every five seconds
        assert page.locator(".standstill").count() == 0
        assert set(answers) == {204}
        _judge(station, 3 + skewed(draw, 60), 601)
        page.wait_for_selector(".standstill.alarm h2", timeout=20_000)
        assert "farther from good ones" in page.locator(".standstill.alarm h2").inner_text()
        page.wait_for_selector("#control circle.s2", timeout=20_000)
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.click("text=All charts")
        page.wait_for_selector("#drift .charts svg")
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.click("#drift summary")
        page.fill("input[name=last]", "300")
        page.fill("input[name=reason]", "the new supplier's parts are good")
        page.click("text=Take them as the reference")
        page.wait_for_selector("#drift :text('chosen by ann')")
        assert not errors
        browser.close()
