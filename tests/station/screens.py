"""All screens of a station, by the routes of its pages: how a browser comes to each, with data and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from fastapi.routing import APIRoute

from kenpin.station.pages.app import ROUTERS

Visit = str | Callable[[Any, str], None]
"""An address below the station's, or what brings a browser's page to the screen, by the page and the station's address.
In an address `{key}` stands for a part's, and `{link}` and `{first}` for the secrets of links."""

NO_SCREENS: Mapping[str, str] = {
    "/": "leads to the line",
    "/line/now": "a piece of the line",
    "/line/standing": "a piece of the line",
    "/line/control": "a piece of the line",
    "/learn/jobs": "a piece of learning",
    "/machine/now": "a piece of the machine",
    "/parts.csv": "a file",
    "/parts.parquet": "a file",
    "/parts/{key}/picture": "a picture",
    "/parts/{key}/thumbnail": "a picture",
    "/parts/{key}/layer": "a picture",
    "/learn/jobs/{number}/log": "a text",
    "/learn/jobs/{number}/comparison": "a report, which has tests of its own",
    "/trail.csv": "a file",
    "/trail/check.json": "a file",
}
"""Routes that send no screen, and what they send."""


def _form(page: Any, base: str, address: str, values: Mapping[str, str], button: str) -> None:
    page.goto(base + address)
    for name, value in values.items():
        page.fill(name, value)
    page.click(button)
    page.wait_for_load_state()


def _link_made(page: Any, base: str) -> None:
    page.goto(f"{base}/people")
    page.click("summary >> nth=1")
    page.click("details[open] button[value=link]")
    page.wait_for_selector("[data-select]")


def _token_made(page: Any, base: str) -> None:
    name = f"press-{page.evaluate('Date.now()')}"
    _form(page, base, "/people", {"form[action$='tokens/make'] input[name=name]": name}, "form[action$='make'] button")


def _refused_person(page: Any, base: str) -> None:
    form = "form[action='/people/add']"
    _form(page, base, "/people", {f"{form} input[name=name]": "console"}, f"{form} button")


def _opened_person(page: Any, base: str) -> None:
    page.goto(f"{base}/people")
    page.click("summary >> nth=0")


def _refused_version(page: Any, base: str) -> None:
    _form(page, base, "/learn?product=parts", {}, "form[action^='/learn/freeze'] button")


def _wrong_password(page: Any, base: str) -> None:
    _form(page, base, "/confirm", {"input[name=password]": "wrong"}, "form[action='/confirm'] button.main")


SCREENS: Mapping[str, tuple[Visit, ...]] = {
    "/line": ("/line?product=valves", "/line?product=parts"),
    "/review": ("/review?product=valves", "/review?product=parts"),
    "/parts": ("/parts?product=parts", "/parts?product=valves"),
    "/parts/{key}": ("/parts/{key}", "/parts/00000000000000000000000000000000"),  # the second one is refused
    "/quality": ("/quality?product=parts", "/quality?product=valves"),
    "/learn": ("/learn?product=parts", "/learn?product=valves", _refused_version),
    "/set-up": ("/set-up",),
    "/machine": ("/machine",),
    "/people": ("/people", _opened_person, _link_made, _token_made, _refused_person),
    "/account": ("/account", "/account?done=password"),
    "/confirm": ("/confirm", _wrong_password),
    "/trail": ("/trail", "/trail?until=2020-01-01"),
    "/trail/check": ("/trail/check", "/trail/check?records=1"),
    "/link/{secret}": ("/link/{link}", "/link/none"),
}
"""Screens of whoever is signed in, by route."""
OUTSIDE: Mapping[str, tuple[Visit, ...]] = {
    "/sign-in": (
        "/sign-in",
        lambda page, base: _form(
            page, base, "/sign-in", {"input[name=name]": "x", "input[name=password]": "y"}, "form.form button.main"
        ),
    ),
    "/first/{secret}": ("/first/{first}", "/first/none"),
}
"""Screens of a station that has no account yet, by route."""


def screen_routes() -> set[str]:
    """Routes of the app that send a page to a browser that asks."""
    routes = [route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return {route.path for route in routes if "GET" in (route.methods or ())} - set(NO_SCREENS)


def visit(page: Any, base: str, one: Visit, values: Mapping[str, str]) -> None:
    """Bring a page to a screen."""
    if isinstance(one, str):
        page.goto(base + one.format(**values), wait_until="load")
    else:
        one(page, base)
    page.wait_for_timeout(150)  # what scripts do at the beginning, such as opening a picture
