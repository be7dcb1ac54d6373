"""Pages by rights: each role against each page and form, by the one table of rights, and no page is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from kenpin.station.pages.app import ROUTERS
from kenpin.station.running import Station
from kenpin.station.who.rights import RIGHTS_OF, Right, Role
from kenpin.station.who.sessions import CONFIRMED_US
from tests.station.conftest import PASSWORD, SignIn


@dataclass(frozen=True)
class Asked:
    """What a page or a form asks for."""

    right: Right | None
    """None: nobody need be signed in."""
    form: Mapping[str, str] = field(default_factory=dict)
    """What it needs to be understood; nothing that would change something."""
    confirmed: bool = False
    """Whether the password must have been typed lately."""


_REASON = {"reason": "because"}
ASKED = {
    "GET /sign-in": Asked(None),
    "POST /sign-in": Asked(None, {"name": "nobody", "password": "wrong"}),
    "GET /first/{secret}": Asked(None),
    "POST /first/{secret}": Asked(None, {"name": "new", "password": "x", "again": "x"}),
    "GET /link/{secret}": Asked(None),
    "POST /link/{secret}": Asked(None, {"password": "x", "again": "x"}),
    "POST /language": Asked(None, {"language": "en"}),
    "POST /sign-out": Asked(None),
    "GET /": Asked(Right.LOOK),
    "GET /line": Asked(Right.LOOK),
    "GET /line/now": Asked(Right.LOOK),
    "GET /line/standing": Asked(Right.LOOK),
    "GET /line/control": Asked(Right.LOOK),
    "GET /parts": Asked(Right.LOOK),
    "GET /parts.csv": Asked(Right.LOOK),
    "GET /parts.parquet": Asked(Right.LOOK),
    "GET /parts/{key}": Asked(Right.LOOK),
    "GET /parts/{key}/picture": Asked(Right.LOOK),
    "GET /parts/{key}/thumbnail": Asked(Right.LOOK),
    "GET /parts/{key}/layer": Asked(Right.LOOK),
    "GET /review": Asked(Right.REVIEW),
    "POST /review/{key}": Asked(Right.REVIEW, {"say": "undo"}),
    "POST /parts/{key}/product": Asked(Right.REVIEW, {"product": "parts"}),
    "GET /quality": Asked(Right.LOOK),
    "POST /quality/reference": Asked(Right.SET_POLICY),
    "GET /learn": Asked(Right.LOOK),
    "GET /learn/jobs": Asked(Right.LOOK),
    "POST /learn/freeze": Asked(Right.LEARN),
    "POST /learn/train": Asked(Right.LEARN, {"data_set": "none", "family": "mahalanobis"}),
    "POST /learn/jobs/{number}/cancel": Asked(Right.LEARN),
    "GET /learn/jobs/{number}/log": Asked(Right.LOOK),
    "GET /learn/jobs/{number}/comparison": Asked(Right.LOOK),
    "POST /learn/versions/{version}": Asked(Right.APPROVE, {"decision": "reject", **_REASON}),
    "GET /set-up": Asked(Right.LOOK),
    "POST /set-up/good": Asked(Right.UPLOAD),
    "GET /machine": Asked(Right.OPERATE),
    "GET /machine/now": Asked(Right.OPERATE),
    "POST /machine/source": Asked(Right.OPERATE, {"name": "none"}),
    "POST /machine/sink": Asked(Right.OPERATE, {"name": "none", "deed": "try"}),
    "GET /people": Asked(Right.ADMINISTER),
    "POST /people/add": Asked(Right.ADMINISTER, {"name": "console", "role": "viewer"}, confirmed=True),
    "POST /people/change": Asked(Right.ADMINISTER, {"name": "nobody", "deed": "disable"}, confirmed=True),
    "POST /people/tokens/make": Asked(Right.ADMINISTER, {"name": "line"}, confirmed=True),
    "POST /people/tokens/revoke": Asked(Right.ADMINISTER, {"name": "none"}, confirmed=True),
    "GET /trail": Asked(Right.AUDIT),
    "GET /trail.csv": Asked(Right.AUDIT),
    "GET /trail/check": Asked(Right.AUDIT),
    "GET /trail/check.json": Asked(Right.AUDIT),
    # every role may look, and has an account of its own
    "GET /account": Asked(Right.LOOK),
    "POST /account/password": Asked(Right.LOOK, {"former": "wrong", "password": "x", "again": "x"}),
    "POST /account/display-name": Asked(Right.LOOK, {"display_name": "a\nb"}),
    "POST /account/sessions/end": Asked(Right.LOOK, {"session": "0" * 64}),
    "GET /confirm": Asked(Right.LOOK),
    "POST /confirm": Asked(Right.LOOK, {"password": "wrong"}),
    "POST /account/sign-out-everywhere": Asked(Right.LOOK),
}
_ENDS_SESSION = ("POST /sign-out", "POST /account/sign-out-everywhere", "POST /sign-in")
_VALUES = {"key": "0" * 32, "secret": "none", "number": "1", "version": "1"}


def _routes() -> set[str]:
    routes = [route for router in ROUTERS for route in router.routes]
    assert all(isinstance(route, APIRoute) for route in routes)
    return {
        f"{method} {route.path}" for route in routes if isinstance(route, APIRoute) for method in route.methods or ()
    }


def test_each_page_and_form_stands_in_the_table() -> None:
    assert set(ASKED) == _routes(), "say which right a new page asks for"


def test_the_table_asks_for_what_changes_something_more_than_a_look() -> None:
    own = ("/account", "/confirm", "/sign-", "/first", "/link", "/language")
    for name, asked in ASKED.items():
        method, path = name.split()
        if method == "POST" and not path.startswith(own):
            assert asked.right not in (None, Right.LOOK), name


@pytest.mark.parametrize("role", [None, *Role])
def test_each_role_sees_and_does_what_its_rights_say(sign_in: SignIn, role: Role | None) -> None:
    browser = sign_in(role)
    for name in sorted(ASKED, key=lambda one: one in _ENDS_SESSION):
        if role is not None and name in _ENDS_SESSION[1:] and not _is_signed_in(browser):
            browser = sign_in(role, name=f"ann{len(name)}")
        method, path = name.split()
        answer = browser.request(
            method, path.format(**_VALUES), data=dict(ASKED[name].form), follow_redirects=False
        )  # fmt: skip
        right = ASKED[name].right
        told = f"{role} at {name}: {answer.status_code} {answer.text[:300]}"
        assert answer.status_code < 500, told
        if right is None:
            assert "it takes the right" not in answer.text, told
        elif role is None and method == "GET":
            assert answer.headers["location"].startswith("/sign-in?back="), told
        elif role is None:
            assert answer.status_code == 401, told
        elif right in RIGHTS_OF[role]:
            assert answer.status_code not in (401, 403, 422), told
        else:
            assert answer.status_code == 403, told
            assert f"it takes the right {right}" in answer.text, told


@pytest.mark.parametrize("role", list(Role))
def test_the_bar_shows_the_screens_that_open(sign_in: SignIn, role: Role) -> None:
    browser = sign_in(role)
    bar = browser.get("/line").text.partition("<nav")[2].partition("</nav>")[0]
    for screen in ("line", "review", "parts", "quality", "learn", "set-up", "machine", "people", "trail"):
        assert (f'href="/{screen}?' in bar) is (browser.get(f"/{screen}").status_code == 200), screen


def test_accounts_are_changed_only_after_a_typed_password(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()
    assert 'action="/people/add"' in browser.get("/people").text
    with station.store.writing() as connection:
        connection.exec_driver_sql(f"UPDATE session SET confirmed_us = confirmed_us - {CONFIRMED_US}")
    assert "<form" not in browser.get("/people").text.partition("<main")[2]
    entries = len(station.trail)
    for name, asked in ASKED.items():
        if asked.confirmed:
            answer = browser.post(name.split()[1], data=dict(asked.form), follow_redirects=False)
            assert (answer.status_code, answer.headers["location"]) == (303, "/confirm?back=%2Fpeople"), name
    assert len(station.trail) == entries
    assert browser.post("/confirm", data={"password": "wrong", "back": "/people"}).status_code == 400
    answer = browser.post("/confirm", data={"password": PASSWORD, "back": "/people"})
    assert answer.url.path == "/people"
    assert 'action="/people/add"' in answer.text


def test_a_form_without_the_page_s_token_changes_nothing(sign_in: SignIn, station: Station) -> None:
    browser = sign_in()
    del browser.headers["X-CSRF-Token"]
    entries = len(station.trail)
    for name, asked in ASKED.items():
        method, path = name.split()
        if method == "POST":
            answer = browser.post(path.format(**_VALUES), data=dict(asked.form), follow_redirects=False)
            assert answer.status_code == 403, name
    assert len(station.trail) == entries


def _is_signed_in(browser: TestClient) -> bool:
    return browser.get("/account", follow_redirects=False).status_code == 200
