"""Cookies: kept from scripts, other sites and plain connections."""

from __future__ import annotations

import pytest

from kenpin.station.who.cookies import cookies_of, no_session, session_of, visitor_of
from tests.station.who.asking import HOST, scope_of, sent_back
from tests.station.who.made import MadeDoor


def test_cookies_are_kept_from_scripts_and_other_sites(at: MadeDoor) -> None:
    at.add("aoi")
    signed_in = at.sign_in("aoi")
    session, browser = cookies_of(scope_of(), signed_in)
    assert session == f"kenpin-8470={signed_in.session.text}; Path=/; HttpOnly; SameSite=Lax"
    assert browser.endswith("; Path=/; HttpOnly; SameSite=Strict; Max-Age=7776000")
    assert no_session(scope_of()) == "kenpin-8470=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"


@pytest.mark.parametrize(("host", "scheme"), [("plant.example", "http"), ("10.0.0.7:8470", "http"), (HOST, "https")])
def test_beyond_the_machine_itself_cookies_go_over_https_alone(at: MadeDoor, host: str, scheme: str) -> None:
    at.add("aoi")
    for value in cookies_of(scope_of(host=host, scheme=scheme), at.sign_in("aoi")):
        assert value.startswith("__Host-kenpin")
        assert value.endswith("; Secure")


def test_a_browser_sends_back_what_it_was_given(at: MadeDoor) -> None:
    at.add("aoi")
    signed_in = at.sign_in("aoi")
    for host, scheme in ((HOST, "http"), ("plant.example", "https")):
        place = {"host": host, "scheme": scheme}
        scope = scope_of(headers={**sent_back(signed_in, **place), "user-agent": "b"}, **place)
        assert session_of(scope) == signed_in.session
        visitor = visitor_of(scope)
        assert (visitor.address, visitor.browser, visitor.known_as) == ("127.0.0.1", "b", signed_in.known_browser)
