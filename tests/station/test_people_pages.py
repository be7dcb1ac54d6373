"""Pages of people and of one's own account: accounts by link or password, roles, sessions, tokens shown once."""

from __future__ import annotations

import re

from starlette.testclient import TestClient

from kenpin.station.clock import MINUTE_US, now_us
from kenpin.station.running import Station
from kenpin.station.store.account_tables import failed_tries
from kenpin.station.trail import read_entries
from kenpin.station.who.rights import Role
from kenpin.station.who.tries import account_key
from tests.station.conftest import BASE, PASSWORD, SignIn

_OTHER = "another long password"


def _entries(station: Station) -> list[tuple[str, str, dict[str, object]]]:
    return [(one.who, one.what, dict(one.about)) for one in read_entries(station.trail.path)]


def _shown_once(page: str) -> str:
    found = re.search(r'readonly value="([^"]+)"', page)
    assert found is not None, page
    return found[1]


def test_an_account_by_a_link_whose_person_chooses_the_password(sign_in: SignIn, station: Station) -> None:
    admin, nobody = sign_in(), sign_in(None)
    form = {"name": "aoi", "display_name": "田中 葵", "role": "reviewer", "password": "", "again": ""}
    link = _shown_once(admin.post("/people/add", data=form).text)
    assert link.startswith(f"{BASE}/link/")
    assert "a link for a password works until" in admin.get("/people").text
    page = nobody.get(link.removeprefix(BASE))
    assert "aoi" in page.text
    assert nobody.post(link, data={"password": _OTHER, "again": "different"}).status_code == 400
    assert nobody.post(link, data={"password": "short", "again": "short"}).status_code == 400
    answer = nobody.post(link, data={"password": _OTHER, "again": _OTHER})
    assert answer.url.path == "/line"
    assert "田中 葵" in answer.text
    assert nobody.get("/review").status_code == 200
    assert nobody.get("/people").status_code == 403
    assert "a link for a password" not in admin.get("/people").text
    again = sign_in(None)
    assert again.get(link).status_code == 403
    assert again.post(link, data={"password": _OTHER, "again": _OTHER}).status_code == 403
    assert again.post("/sign-in", data={"name": "aoi", "password": _OTHER}).url.path == "/line"
    kinds = [(who, what) for who, what, _ in _entries(station)]
    assert ("ann", "account-added") in kinds
    assert ("ann", "link-made") in kinds
    assert ("aoi", "account-changed") in kinds
    assert link.rpartition("/")[2] not in station.trail.path.read_text("utf-8")


def test_an_account_by_a_password_and_what_was_typed_stays_where_it_is_refused(sign_in: SignIn) -> None:
    admin = sign_in()
    form = {"name": "ren", "display_name": "", "role": "engineer", "password": _OTHER, "again": "x"}
    refused = admin.post("/people/add", data=form)
    assert refused.status_code == 400
    assert 'value="ren"' in refused.text
    assert _OTHER not in refused.text
    assert admin.post("/people/add", data=form | {"again": _OTHER}).url.path == "/people"
    assert admin.post("/people/add", data=form | {"again": _OTHER}).status_code == 400, "there is one already"
    assert sign_in(None).post("/sign-in", data={"name": "ren", "password": _OTHER}).url.path == "/line"


def test_what_an_admin_changes_takes_effect_at_once(sign_in: SignIn, station: Station) -> None:
    admin, other = sign_in(), sign_in(Role.VIEWER, "ren")

    def change(deed: str, value: str = "", name: str = "ren") -> int:
        answer = admin.post("/people/change", data={"name": name, "deed": deed, "value": value})
        return answer.status_code

    def signs_in() -> bool:
        return other.post("/sign-in", data={"name": "ren", "password": PASSWORD}).url.path == "/line"

    assert other.get("/review").status_code == 403
    assert change("role", "reviewer") == 200
    assert other.get("/review").url.path == "/sign-in", "another role ends the sessions"
    assert signs_in()
    assert other.get("/review").status_code == 200
    assert change("sessions") == 200
    assert other.get("/line").url.path == "/sign-in"
    assert signs_in()
    assert change("disable") == 200
    assert other.get("/line").url.path == "/sign-in"
    assert not signs_in()
    assert change("link") == 400
    assert change("enable") == 200
    assert signs_in()
    assert change("display-name", "蓮") == 200
    assert "蓮" in other.get("/line").text
    assert change("role", "emperor") == 400
    assert change("no-such-deed") == 404
    assert change("disable", name="ann") == 400, "the last admin"
    assert change("role", "viewer", name="ann") == 400
    assert admin.get("/people").status_code == 200, "the admin is still one"
    page = admin.get("/people").text
    with station.store.writing() as connection:
        connection.execute(
            failed_tries.insert().values(
                key=account_key("ren"), failures=9, last_us=now_us(), locked_until_us=now_us() + MINUTE_US
            )
        )
    assert "End the wait" not in page
    assert "End the wait" in admin.get("/people").text
    assert change("wait") == 200
    assert "End the wait" not in admin.get("/people").text
    assert ("ann", "account-changed", {"account": "ren", "failed_tries": "forgotten"}) in _entries(station)


def test_a_token_is_shown_once_and_works_until_it_is_revoked(sign_in: SignIn, station: Station) -> None:
    admin = sign_in()
    answer = admin.post("/people/tokens/make", data={"name": "press-7", "rights": ["look", "submit"]})
    token = _shown_once(answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert token.startswith("kenpin_")
    assert token not in admin.get("/people").text
    assert "never" in admin.get("/people").text
    program = TestClient(sign_in(None).app, base_url=BASE)
    header = {"Authorization": f"Bearer {token}"}
    assert program.get("/api/v1/state", headers=header).status_code == 200
    assert "never" not in admin.get("/people").text
    assert program.get("/account", headers=header).status_code == 404, "a token has no account"
    assert program.get("/people", headers=header).status_code == 403
    refused = admin.post("/people/tokens/make", data={"name": "press-8", "rights": ["approve"]})
    assert (refused.status_code, "decisions are people" in refused.text) == (400, True)
    assert admin.post("/people/tokens/revoke", data={"name": "press-7"}).url.path == "/people"
    assert program.get("/api/v1/state", headers=header).status_code == 401
    assert token not in station.trail.path.read_text("utf-8")


def test_one_s_own_account(sign_in: SignIn, station: Station) -> None:
    here = sign_in(Role.VIEWER, "ren")
    there, third = sign_in(None), sign_in(None)
    for browser in (there, third):
        assert browser.post("/sign-in", data={"name": "ren", "password": PASSWORD}).url.path == "/line"
    page = here.get("/account").text
    sessions = re.findall(r'name="session" value="([0-9a-f]{64})"', page)
    assert len(sessions) == 2, "each but this one"
    assert here.post("/account/sessions/end", data={"session": sessions[0]}).status_code == 200
    signed_out = [browser.get("/line").url.path == "/sign-in" for browser in (there, third)]
    assert sorted(signed_out) == [False, True]
    assert here.get("/line").url.path == "/line"

    assert "You have another display name" in here.post("/account/display-name", data={"display_name": "蓮"}).text
    assert here.post("/account/display-name", data={"display_name": " "}).status_code == 400
    assert "蓮" in here.get("/line").text

    form = {"former": PASSWORD, "password": _OTHER, "again": _OTHER}
    assert here.post("/account/password", data=form | {"former": "wrong"}).status_code == 400
    assert here.post("/account/password", data=form | {"again": "wrong"}).status_code == 400
    before = here.headers.pop("X-CSRF-Token")
    answer = here.post("/account/password", data=form | {"csrf_token": before})
    assert "You have another password" in answer.text
    assert all(browser.get("/line").url.path == "/sign-in" for browser in (there, third))
    assert there.post("/sign-in", data={"name": "ren", "password": PASSWORD}).status_code == 401
    assert there.post("/sign-in", data={"name": "ren", "password": _OTHER}).status_code == 200

    token = re.search(r'name="csrf" content="([^"]+)"', here.get("/account").text)
    assert token is not None
    assert token[1] != before, "another session, with a page's token of its own"
    answer = here.post("/account/sign-out-everywhere", data={"csrf_token": token[1]})
    assert answer.url.path == "/sign-in"
    assert there.get("/line").url.path == "/sign-in"
    assert ("ren", "signed-out", {"account": "ren", "everywhere": True}) in _entries(station)


def test_nobody_ends_sessions_of_others(sign_in: SignIn) -> None:
    mine, others = sign_in(Role.VIEWER, "ren"), sign_in(Role.ADMIN, "ann")
    assert others.post("/sign-in", data={"name": "ann", "password": PASSWORD}).status_code == 200
    with_id = sign_in(None)
    with_id.post("/sign-in", data={"name": "ann", "password": PASSWORD})
    (session,) = re.findall(r'name="session" value="([0-9a-f]{64})"', with_id.get("/account").text)[:1]
    mine.post("/account/sessions/end", data={"session": session})
    assert others.get("/line").url.path == "/line"
    assert with_id.get("/line").url.path == "/line"
