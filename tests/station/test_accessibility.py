"""Every screen for everybody: axe-core finds nothing serious, nothing is too wide, and Tab reaches everything."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from kenpin.station.clock import now_us
from kenpin.station.running import Station
from kenpin.station.settings import StationSettings
from kenpin.station.store.filtering import PartFilter
from kenpin.station.store.queries import page as page_of
from kenpin.station.who.first_start import new_first_link
from kenpin.station.who.links import make_link
from kenpin.station.who.rights import CONSOLE
from tests.station.filled import ADMIN, GERMAN, PASSWORD, fill, filled_settings
from tests.station.in_browser import opened_browser, served, sign_in
from tests.station.screens import NO_SCREENS, OUTSIDE, SCREENS, Visit, screen_routes, visit
from tests.station.sinks.ports import free_port

LOOKS = [(scheme, width) for scheme in ("light", "dark") for width in (1280, 360)]
_SERIOUS = ("serious", "critical")
_TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice")
_AXE = "async (rules) => (await axe.run(rules)).violations"
_RULES = {"runOnly": {"type": "tag", "values": _TAGS}, "resultTypes": ["violations"]}
_BESIDE = """() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const over = (one) => one.getBoundingClientRect().right > width + 1;
    const scrolls = (one) => one.closest(".scroll, .strip");
    const found = [...document.querySelectorAll("main *, header *")].filter((one) => over(one) && !scrolls(one));
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {  // a word may run out of a box that ends in time
        const range = document.createRange();
        range.selectNodeContents(texts.currentNode);
        if (over(range) && !scrolls(texts.currentNode.parentElement)) found.push(texts.currentNode.parentElement);
    }
    return found.map((one) => one.outerHTML.slice(0, 160)).slice(0, 5).concat(["wider than the page"]);
}"""
_NUMBER = """() => {
    const all = document.querySelectorAll(
        "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']");
    const seen = [...all].filter((one) => one.checkVisibility({visibilityProperty: true}) && !one.disabled);
    seen.forEach((one, number) => { one.kenpinNumber = number; });
    return seen.map((one) => one.outerHTML.slice(0, 160));
}"""
_FOCUSED = """() => {
    const one = document.activeElement, style = getComputedStyle(one);
    const box = one.getBoundingClientRect();
    const shows = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
    const inside = box.bottom > 0 && box.right > 0 && box.top < innerHeight && box.left < innerWidth;
    return [one.kenpinNumber ?? -1, shows && inside];
}"""


def test_no_screen_is_forgotten() -> None:
    assert set(SCREENS) | set(OUTSIDE) == screen_routes(), "say in screens.py how a browser comes to a new page"
    assert not (set(SCREENS) | set(OUTSIDE)) & set(NO_SCREENS)


@dataclass(frozen=True)
class Stations:
    """Two stations that are served: one with data, one without accounts."""

    filled: str
    empty: str
    values: Mapping[str, str]
    """What stands in addresses of `SCREENS`."""

    def all(self) -> Iterator[tuple[str, Visit]]:
        """The address of the station and the visit of each screen."""
        for base, screens in ((self.filled, SCREENS), (self.empty, OUTSIDE)):
            for visits in screens.values():
                yield from ((base, one) for one in visits)


@pytest.fixture(scope="module")
def stations(tmp_path_factory: pytest.TempPathFactory, policy: Path, few_parts: Path) -> Iterator[Stations]:
    """One with something of everything, and one that was never started before."""
    folder = tmp_path_factory.mktemp("stations")
    pictures = [(label, path) for label in ("ok", "scratch") for path in sorted((few_parts / label).iterdir())[:12]]
    (folder / "in").mkdir()
    with (
        Station(folder / "filled", filled_settings(policy, folder, free_port()), engine="torch") as filled,
        Station(folder / "empty", StationSettings(), engine="torch") as empty,
        served(filled) as filled_at,
        served(empty) as empty_at,
    ):
        fill(filled, pictures, reviewed=8)
        with filled.store.writing() as connection:
            link = make_link(connection, filled.trail, CONSOLE, "wei", now_us())
            key = page_of(connection, PartFilter("parts"), size=1).parts[0].key
        with empty.store.writing() as connection:
            first = new_first_link(connection, now_us())
        assert first is not None
        yield Stations(filled_at, empty_at, {"key": key, "link": link.text, "first": first.text})


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with opened_browser() as opened:
        yield opened


def _page(browser: Any, stations: Stations, width: int, scheme: str = "light", language: str = "en") -> Any:
    """A page of a person who is signed in at the station with data, and not at the other one."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    sign_in(page, stations.filled, ADMIN, PASSWORD)
    if language != page.locator("html").get_attribute("lang")[:2]:
        page.select_option("header select[name=language]", language)
        page.wait_for_selector(f'html[lang^="{language}"]')
    return page


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), LOOKS)
def test_nothing_serious_is_found(browser: Any, stations: Stations, scheme: str, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    script = Path(axe.AXE_FILE_PATH).read_text("utf-8")
    page = _page(browser, stations, width, scheme)
    found = []
    page.on("pageerror", lambda error: found.append(f"{page.url}: {error}"))
    page.on("console", lambda said: found.append(f"{page.url}: {said.text}") if "Security" in said.text else None)
    for base, one in stations.all():
        visit(page, base, one, stations.values)
        page.evaluate(script)
        violations = page.evaluate(_AXE, _RULES)
        found += [
            f"{page.url} {each['id']} ({each['impact']}): {node['html'][:200]} {node['failureSummary'][:300]}"
            for each in violations
            if each["impact"] in _SERIOUS
            for node in each["nodes"][:3]
        ]
    page.context.close()
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_what_is_wrong_would_be_found(browser: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.base", reason="axe-playwright-python is not installed")
    page = browser.new_page(viewport={"width": 360, "height": 900})
    page.set_content(
        "<html lang=en><title>x</title><style>*:focus{outline:none}</style><main><h1>x</h1><img src=x>"
        "<p style='color:#999;background:#aaa'>pale</p><a href=/>a</a><pre style='width:900px'>wide</pre>"
    )
    page.evaluate(Path(axe.AXE_FILE_PATH).read_text("utf-8"))
    found = {one["id"] for one in page.evaluate(_AXE, _RULES) if one["impact"] in _SERIOUS}
    assert {"image-alt", "color-contrast"} <= found
    assert page.evaluate(_BESIDE)
    page.evaluate(_NUMBER)
    page.keyboard.press("Tab")
    assert page.evaluate(_FOCUSED) == [0, False]
    page.close()


@pytest.mark.slow
@pytest.mark.parametrize("language", ["en", "ja", "zh"])
def test_nothing_runs_over_the_side_of_a_telephone(browser: Any, stations: Stations, language: str) -> None:
    page = _page(browser, stations, 360, language=language)
    found = {}
    for base, one in stations.all():
        visit(page, base, one, stations.values)
        if over := page.evaluate(_BESIDE):
            found[page.url] = over
    page.context.close()
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.slow
def test_every_element_is_reached_by_tab_and_seen(browser: Any, stations: Stations) -> None:
    page = _page(browser, stations, 1280)
    found = []
    for base, one in stations.all():
        visit(page, base, one, stations.values)
        page.evaluate("() => document.activeElement?.blur()")
        elements, reached, unseen = page.evaluate(_NUMBER), set[int](), set[int]()
        for _ in range(3 * len(elements) + 20):  # a date has several stops
            page.keyboard.press("Tab")
            number, is_seen = page.evaluate(_FOCUSED)
            reached.add(number)
            if not is_seen and number >= 0:
                unseen.add(number)
            if len(reached - {-1}) == len(elements):
                break
        found += [f"{page.url}: not reached: {elements[number]}" for number in {*range(len(elements))} - reached]
        found += [f"{page.url}: its focus is not seen: {elements[number]}" for number in unseen]
    page.context.close()
    assert not found, "\n".join(found)


@pytest.mark.slow
def test_whichever_part_waits_for_a_review_fits_on_a_telephone(browser: Any, stations: Stations) -> None:
    page = _page(browser, stations, 360)
    found, names = {}, list[str]()
    while True:
        page.goto(f"{stations.filled}/review?product=parts")
        heading = page.locator("#task h2")
        if not heading.count():
            break
        names.append(heading.inner_text())
        if over := page.evaluate(_BESIDE):
            found[names[-1]] = over
        page.keyboard.press("p")
        page.wait_for_function("name => document.querySelector('#task h2')?.textContent !== name", arg=names[-1])
    page.context.close()
    assert {name.startswith(GERMAN) for name in names} == {True, False}
    assert not found, json.dumps(found, indent=1, ensure_ascii=False)
