"""The station in a browser: from an empty folder and good pictures to a version that people approved, and back."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.pictures import write_parts
from tests.station.in_browser import CHROMIUM, SWITCHES
from tests.tree import ROOT

pytestmark = pytest.mark.slow
_PASSWORD = "a long enough password"
_TRAINS_MS = 240_000
_WORDS = {
    "en": ("Set-up", "Learn", "Review", "PASS", "FAIL"),
    "ja": ("設定", "学習", "レビュー", "合格", "不合格"),
    "zh": ("设置", "学习", "复核", "合格", "不合格"),
}

if CHROMIUM is None:
    pytest.skip("chromium is not installed", allow_module_level=True)
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made parts, 80 of each class."""
    return write_parts(tmp_path_factory.mktemp("made") / "parts", count=80)


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """The first link of a station that runs in an empty folder."""
    (tmp_path / "station").mkdir()
    # else a sample alone is reviewed, of more parts than a test has
    settings = "products: {plates: {reviewed_passes: 1, reviewed_fails: 1, second_reviews: 0}}\n"
    (tmp_path / "station" / "station.yaml").write_text(settings)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONWARNINGS": "ignore"}
    command = [sys.executable, "-m", "kenpin", "station", "--folder", str(tmp_path / "station"), "--port", "0"]
    with (tmp_path / "log.txt").open("wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, env=environment, text=True)
        assert process.stdout is not None
        lines = [process.stdout.readline(), process.stdout.readline()]
        found = re.search(r"http\S+/first/\S+", "".join(lines))
        assert found is not None, (lines, (tmp_path / "log.txt").read_text())
        yield found.group()
        process.terminate()
        assert process.wait(30) == 0, (tmp_path / "log.txt").read_text()
        process.stdout.close()


@pytest.fixture(params=["en", "ja", "zh"])
def page(request: pytest.FixtureRequest, address: str) -> Iterator[Any]:
    """A browser whose person has made the first account, in a language."""
    with sync_api.sync_playwright() as player:
        browser = player.chromium.launch(executable_path=CHROMIUM, args=[*SWITCHES])
        opened = browser.new_page(viewport={"width": 1280, "height": 860})
        errors: list[str] = []
        opened.on("pageerror", lambda error: errors.append(f"{error}"))
        opened.goto(address)
        opened.fill("input[name=name]", "ann")
        opened.fill("input[name=password]", _PASSWORD)
        opened.fill("input[name=again]", _PASSWORD)
        opened.click("form.form button.main")
        opened.wait_for_url("**/line*")
        if request.param != "en":
            opened.select_option("select[name=language]", request.param)
            opened.wait_for_selector(f'html[lang^="{request.param}"]')
        yield opened
        assert not errors
        browser.close()


def test_from_an_empty_folder_to_an_approved_version_and_back(page: Any, address: str, parts: Path) -> None:
    base = address.partition("/first/")[0]
    set_up, learn, review, passes, fails = _WORDS[page.locator("html").get_attribute("lang")[:2]]
    good, bad = sorted((parts / "ok").iterdir()), sorted((parts / "scratch").iterdir())

    # set up from good pictures, and let the first version judge
    page.click(f"nav >> text={set_up}")
    page.fill("input[name=name]", "plates")
    page.set_input_files("input[name=pictures]", good[:50])
    page.click("form.form button.main")
    page.wait_for_selector("#done button.main", timeout=60_000)
    page.click("#done button.main")
    page.wait_for_url("**/learn*")
    _decide(page, "approve", 1)
    _decide(page, "switch", 1)
    page.wait_for_selector("nav")

    # first verdicts, with maps of what does not pass
    verdicts = [_send(page, base, f"{path.parent.name}-{path.stem}", path) for path in [*good[50:62], *bad[:12]]]
    assert verdicts[:12].count("PASS") >= 10, verdicts
    assert verdicts[12:].count("FAIL") >= 6, verdicts
    page.goto(f"{base}/line?product=plates")
    assert page.locator(".last .word").inner_text().strip() in (passes, fails)

    # review by keys alone
    page.click(f"nav >> text={review}")
    page.wait_for_load_state()  # keys are heard from then on
    told = []
    for _ in range(20):
        heading = page.locator("#task h2")
        if not heading.count():
            break
        name = heading.inner_text()
        told.append(name)
        page.keyboard.press("p" if name.startswith("ok") else "f")
        page.wait_for_function("name => document.querySelector('#task h2')?.textContent !== name", arg=name)
    assert len(told) == len(set(told)) == 20

    # learn from what was said, compare, approve, switch, and go back
    page.click(f"nav >> text={learn}")
    page.click("form[action^='/learn/freeze'] button")
    page.wait_for_selector("text=plates-2")
    page.select_option("select[name=data_set]", "plates-2")
    page.click("form[action^='/learn/train'] button")
    _decide(page, "approve", 2)
    _decide(page, "switch", 2)
    _wait_for_version(page, base, 2)
    assert _send(page, base, "after", good[70]) in ("PASS", "FAIL", "REVIEW")
    _decide(page, "switch", 1)
    _wait_for_version(page, base, 1)
    assert page.locator("ul li").count() == 3


def _decide(page: Any, decision: str, version: int) -> None:
    form = page.locator(f"form[action^='/learn/versions/{version}?']")
    for _ in range(_TRAINS_MS // 2_000):
        if form.locator(f"button[value={decision}]").count():
            break
        page.wait_for_timeout(2_000)
        page.reload()
    form.locator("input[name=reason]").fill("looked at it")
    form.locator(f"button[value={decision}]").click()
    page.wait_for_load_state()


def _wait_for_version(page: Any, base: str, version: int) -> None:
    script = "async base => (await (await fetch(base + '/api/v1/state')).json()).plates?.version"
    for _ in range(60):
        if page.evaluate(script, base) == version:
            return
        page.wait_for_timeout(500)
    raise AssertionError(f"version {version} does not judge")


def _send(page: Any, base: str, name: str, picture: Path) -> str:
    """The verdict on a part that the page's own person hands in."""
    script = """async ([url, bytes]) => {
        const csrf = document.querySelector('meta[name="csrf"]').content;
        for (;;) {
            const headers = {"X-CSRF-Token": csrf};
            const answer = await fetch(url, {method: "POST", body: new Uint8Array(bytes), headers});
            if (answer.status === 200) return (await answer.json()).verdict;
            if (![400, 429, 503].includes(answer.status)) throw new Error(await answer.text());
            await new Promise((go) => setTimeout(go, 500));
        }
    }"""
    url = f"{base}/api/v1/parts?id={name}&product=plates"
    verdict: str = page.evaluate(script, [url, [*picture.read_bytes()]])
    return verdict
