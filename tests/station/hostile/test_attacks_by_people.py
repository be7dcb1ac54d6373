"""Who may do what: each role and each change, tokens of pages, sessions, guessing, and where signing in leads.

What each guard does by itself stands in `tests/station/who`; here all of them stand before a station's process, over
sockets: each attempt is refused in one sentence, and stores nothing.
"""

from __future__ import annotations

import statistics
import time
from http.client import HTTPConnection
from urllib.parse import urlencode, urljoin, urlsplit

import pytest

from kenpin.station.clock import now_us
from kenpin.station.store.opening import open_store
from kenpin.station.who.accounts import set_disabled
from kenpin.station.who.console import console_trail
from kenpin.station.who.machines import revoke_token
from kenpin.station.who.rights import CONSOLE, RIGHTS_OF, Right, Role
from tests.station.hostile.attacked import FORM, Hostile, address, is_refused, routes
from tests.station.station_process import PASSWORD, Caller, Reply

CHANGES = [one for one in routes() if one[0] != "GET"]
ANYBODYS = ("/sign-in", "/sign-out", "/first/", "/link/", "/language", "/account/", "/confirm")
"""Beginnings of addresses that take something from everybody, or about one's own account."""
NEEDS = {
    "/api/v1/parts": Right.SUBMIT,
    "/api/v1/parts/views": Right.SUBMIT,
    "/review/{key}": Right.REVIEW,
    "/set-up/good": Right.UPLOAD,
    "/learn/freeze": Right.LEARN,
    "/learn/train": Right.LEARN,
    "/learn/jobs/{number}/cancel": Right.LEARN,
    "/learn/versions/{version}": Right.APPROVE,
    "/parts/{key}/product": Right.REVIEW,
    "/quality/reference": Right.SET_POLICY,
    "/machine/source": Right.OPERATE,
    "/machine/sink": Right.OPERATE,
    "/people/add": Right.ADMINISTER,
    "/people/change": Right.ADMINISTER,
    "/people/tokens/make": Right.ADMINISTER,
    "/people/tokens/revoke": Right.ADMINISTER,
}
"""What a change takes; of others it is held that no viewer has the right."""
FIELDS = {
    "say": "pass",
    "data_set": "parts-1",
    "family": "mahalanobis",
    "decision": "switch",
    "reason": "so",
    "id": "x",
    "name": "none",
    "role": "admin",
    "deed": "try",
    "product": "parts",
    "password": "x",
    "former": "x",
    "again": "x",
    "display_name": "x",
    "session": "0" * 64,
}


def _post(caller: Caller, path: str, **headers: str) -> Reply:
    target = f"{path}?{urlencode({'id': 'x'})}" if path.startswith("/api/v1/parts") else path
    return caller.ask("POST", target, urlencode(FIELDS).encode(), FORM | headers)


# ---- who may do what ----


def test_every_right_here_is_of_an_address_that_is_there() -> None:
    assert NEEDS.keys() <= {path for _, path in CHANGES}


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_no_role_jumps(method: str, path: str, unharmed: Hostile) -> None:
    """Each role, each change that it has no right to; a machine too, and whoever is not signed in."""
    if path.startswith(ANYBODYS):
        return
    target = address(path, unharmed)
    for role in Role:
        if NEEDS.get(path, Right.ADMINISTER) not in RIGHTS_OF[role] and (path in NEEDS or role is Role.VIEWER):
            is_refused(_post(unharmed.of(role), target), 403, station=unharmed)
    if NEEDS.get(path) is not Right.SUBMIT:
        is_refused(_post(unharmed.machine(), target), 403, station=unharmed)
    is_refused(_post(unharmed.caller(Origin=unharmed.origin), target), 401, station=unharmed)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_takes_the_token_of_its_own_session_and_page(method: str, path: str, unharmed: Hostile) -> None:
    if path.startswith(("/sign-in", "/first/")):
        return  # nobody is signed in there; their origin is tested below
    target, admin = address(path, unharmed), unharmed.of(Role.ADMIN)
    others = unharmed.of(Role.ENGINEER).headers["X-CSRF-Token"]
    for wrong in ("", "0" * 64, others, admin.headers["X-CSRF-Token"][:-1], admin.headers["X-CSRF-Token"] + "0"):
        is_refused(_post(admin, target, **{"X-CSRF-Token": wrong}), 403, station=unharmed)
    bare = Caller(unharmed.port, {name: one for name, one in admin.headers.items() if name != "X-CSRF-Token"})
    is_refused(_post(bare, target), 403, station=unharmed)


@pytest.mark.parametrize(("method", "path"), CHANGES)
def test_a_change_comes_from_a_page_of_the_station(method: str, path: str, unharmed: Hostile) -> None:
    target, admin = address(path, unharmed), unharmed.of(Role.ADMIN)
    host = f"127.0.0.1:{unharmed.port}"
    for origin in (
        *("null", "https://evil.example", f"http://{host}.evil.example", f"http://evil.example/{host}", "", "file://"),
        *(f"http://evil@{host}", f"http://127.0.0.1:{unharmed.port + 1}", f"ftp://{host}", f"http://{host}, null"),
    ):
        is_refused(_post(admin, target, Origin=origin), 403, station=unharmed)
    silent = Caller(unharmed.port, {name: one for name, one in admin.headers.items() if name != "Origin"})
    is_refused(_post(silent, target), 403, station=unharmed)
    is_refused(_post(silent, target, Referer="https://evil.example/"), 403, station=unharmed)
    is_refused(_post(silent, target, **{"Sec-Fetch-Site": "cross-site"}), 403, station=unharmed)


def test_what_others_said_stays_theirs(station: Hostile) -> None:
    reviewer, engineer = station.of(Role.REVIEWER), station.of(Role.ENGINEER)
    assert station.send("reviewed.png", station.pictures[1]).status == 200
    page = reviewer.ask("GET", "/review").text
    key = page.partition('data-review="')[2].partition('"')[0]
    assert reviewer.post(f"/review/{key}", say="fail", note="mine").status == 303
    before = station.stored()
    for say in ("pass", "fail", "undo", "class:scratch", "class:none", "settled", ""):
        engineer.ask("POST", f"/review/{key}", urlencode({"say": say, "note": "hers"}).encode(), FORM)
    assert station.stored() == before
    assert "others have settled" in engineer.ask(
        "POST", f"/review/{key}", b"say=pass", FORM | {"HX-Request": "true"}
    ).text  # fmt: skip


# ---- signing in ----


def test_the_first_link_works_once(unharmed: Hostile) -> None:
    form = {"name": "mallory", "password": PASSWORD, "again": PASSWORD}
    for link in (unharmed.first_link, "/first/none", "/first/" + "a" * 5_000, "/first/%00"):
        is_refused(unharmed.caller(Origin=unharmed.origin).post(link, **form), 403, station=unharmed)
        is_refused(unharmed.caller().ask("GET", link), 403, station=unharmed)


def test_a_session_is_nobody_s_choice_and_ends(unharmed: Hostile) -> None:
    planted = f"kenpin-{unharmed.port}=chosen-by-mallory"
    caller = unharmed.caller(Cookie=planted)
    assert caller.sign_in("viewer").status == 303
    session = next(one for one in caller.headers["Cookie"].split("; ") if one.startswith(f"kenpin-{unharmed.port}="))
    assert session != planted
    for cookie in (
        *(planted, session[:-1], session + "a", session.upper(), f"{session}; {session}", f"{session}; {planted}"),
        *(session.replace("kenpin", "Kenpin"), session + "a" * 20_000, session.replace("=", "=%20")),
    ):
        assert unharmed.caller(Cookie=cookie).ask("GET", "/api/v1/state").status == 401, cookie[:100]
    assert unharmed.caller(Cookie=session).ask("GET", "/api/v1/state").status == 200
    assert caller.post("/sign-out").status == 303
    is_refused(unharmed.caller(Cookie=session).ask("GET", "/api/v1/state"), 401, station=unharmed)
    is_refused(_post(caller, "/learn/freeze"), 401, station=unharmed)


def test_a_revoked_token_and_a_disabled_account_open_nothing(station: Hostile) -> None:
    token = station.process.add_token("old-camera", "submit", "look")
    station.process.add_account("leaver", Role.ADMIN)
    machine, leaver = station.caller(Authorization=f"Bearer {token}"), station.caller()
    assert leaver.sign_in("leaver").status == 303
    assert machine.ask("GET", "/api/v1/state").status == leaver.ask("GET", "/api/v1/state").status == 200
    with open_store(station.folder, None) as store, console_trail(station.folder) as trail, store.writing() as rows:
        revoke_token(rows, trail, CONSOLE, "old-camera", now_us())
        set_disabled(rows, trail, CONSOLE, "leaver", True, now_us())
    before = station.stored()
    for caller in (machine, leaver):
        is_refused(caller.ask("GET", "/api/v1/state"), 401, station=station)
        is_refused(caller.ask("POST", "/api/v1/parts?id=late", station.pictures[0]), 401, station=station)
    is_refused(station.caller().sign_in("leaver"), 401, station=station)
    for words in ("", "Bearer", f"Basic {token}", f"Bearer {token} x", f"Bearer {token}, {token}", "Bearer \x01"):
        assert station.caller(Authorization=words).ask("GET", "/api/v1/state").status in (400, 401)
    assert station.stored() == before


def test_guessing_is_slow_from_any_number_of_addresses(station: Hostile) -> None:
    station.process.add_account("guessed", Role.ADMIN)
    known = station.caller()
    assert known.sign_in("guessed").status == 303
    heard = 0
    for number in range(14):
        answer = _guess(station, "guessed", "wrong but long enough", f"127.0.1.{number + 1}")
        heard += answer.status == 401
        assert answer.status in (401, 429), answer.text
        assert answer.status == 401 or int(answer.headers["retry-after"]) > 0
    assert heard <= 5
    assert _guess(station, "guessed", PASSWORD, "127.0.1.99").status == 429, "the right one is not told apart"
    assert known.sign_in("guessed").status == 303, "others lock nobody out of a browser of theirs"


def test_an_unknown_name_takes_as_long_as_a_known_one(station: Hostile) -> None:
    seconds: dict[str, list[float]] = {"auditor": [], "nobody": []}
    for number in range(3):
        for name, taken in seconds.items():
            began_s = time.monotonic()
            answer = _guess(station, name, "wrong but long enough", f"127.0.2.{number + 1}")
            taken.append(time.monotonic() - began_s)
            assert (answer.status, "wrong; type both again" in answer.text) == (401, True)
    known, unknown = map(statistics.median, seconds.values())
    assert 0.4 < known / unknown < 2.5


def _guess(station: Hostile, name: str, password: str, source: str) -> Reply:
    """Try a password from another address of this machine."""
    connection = HTTPConnection("127.0.0.1", station.port, timeout=30, source_address=(source, 0))
    form = urlencode({"name": name, "password": password})
    connection.request("POST", "/sign-in", form, FORM | {"Origin": station.origin, "Accept": "text/html"})
    answer = connection.getresponse()
    found = Reply(answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read())
    connection.close()
    return found


@pytest.mark.parametrize(
    "back",
    [
        "//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example",
        "/\n/evil.example", "/%5Cevil.example", "///evil.example", "evil.example", "javascript:alert(1)",
        " //evil.example", "/\r\nSet-Cookie: a=b", "http:evil.example", "/.//evil.example", "/..//evil.example",
        "@evil.example", "/line\x00//evil.example", "",
    ],
)  # fmt: skip
def test_signing_in_leads_nowhere_else(back: str, station: Hostile) -> None:
    form = urlencode({"name": "viewer", "password": PASSWORD, "back": back}).encode()
    signed_in = station.caller(Origin=station.origin).ask("POST", "/sign-in", form, FORM)
    chosen = station.of(Role.VIEWER).ask(
        "POST", "/language", urlencode({"language": "en", "back": back}).encode(), FORM
    )
    asked = station.of(Role.VIEWER).ask("GET", f"/sign-in?{urlencode({'back': back})}")
    for answer in (signed_in, chosen, asked):
        assert answer.status == 303, answer.text
        location = answer.headers["location"]
        as_browsers_read = location.replace("\\", "/").replace("\t", "").replace("\n", "").strip()
        assert urlsplit(urljoin(f"{station.origin}/sign-in", as_browsers_read)).netloc == f"127.0.0.1:{station.port}"
        assert all("a=b" not in cookie for cookie in answer.cookies)
