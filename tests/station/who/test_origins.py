"""Requests for other hosts, from other sites, or whose end is told in two ways, reach nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from kenpin.station.who.origins import Hosts, Origins, is_loopback
from tests.station.who.asking import HOST, LOCAL, OWN, Headers, Seen, ask


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8470", 200),
        ("localhost:8470", 200),
        ("LOCALHOST", 200),
        ("[::1]:8470", 200),
        ("evil.example", 421),
        ("evil.example:8470", 421),
        ("127.0.0.1.evil.example", 421),
        ("localhost.evil.example", 421),
        ("localhost.", 421),
        ("192.0.2.7", 421),
        ("localhost@evil.example", 400),
        ("localhost:8470/x", 400),
        ("localhost:", 400),
        ("", 400),
        (None, 400),
    ],
)
def test_a_name_that_was_bound_to_this_machine_elsewhere_is_refused(host: str | None, status: int) -> None:
    """DNS rebinding: a page of evil.example asks this station under its own name."""
    app = Seen()
    assert ask(Origins(app, LOCAL), host=host).status == status
    assert len(app.scopes) == (status == 200)


def test_several_hosts_are_none() -> None:
    assert ask(Origins(Seen(), LOCAL), headers=[("host", "localhost")]).status == 400


def test_the_operator_names_hosts() -> None:
    hosts = Hosts.of("10.0.0.5", ["Kenpin.Plant.Example", "other:8443"])
    known = ("kenpin.plant.example", "other", "10.0.0.5", "localhost", "[::1]")
    assert all(hosts.know(name) for name in known)
    assert not [name for name in ("plant.example", "10.0.0.6", "[::]", "evil") if hosts.know(name)]
    everywhere = Hosts.of("0.0.0.0", ())
    assert everywhere.know("10.0.0.6")
    assert everywhere.know("[2001:db8::1]")
    assert not everywhere.know("evil.example")
    assert Hosts.of("::1", ()).know("[::1]")
    assert Hosts.of("kenpin.local", ()).know("kenpin.local")


def test_what_the_machine_itself_is_called() -> None:
    assert all(map(is_loopback, ("localhost", "LOCALHOST:1", "127.0.0.1:8470", "[::1]:8470")))
    assert not any(map(is_loopback, ("localhost.evil", "127.0.0.2.evil", "", "evil", "[::2]")))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"origin": f"http://{HOST}"}, 200),
        ({"referer": f"http://{HOST}/review?part=7"}, 200),
        ({"sec-fetch-site": "same-origin"}, 200),
        ({"authorization": "Bearer x"}, 200),
        ({}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "http://127.0.0.1:8471"}, 403),
        ({"origin": f"http://{HOST}.evil.example"}, 403),
        ({"origin": f"http://{HOST}@evil.example"}, 403),
        ({"origin": f"ftp://{HOST}"}, 403),
        ({"origin": "http://[::1"}, 403),
        ({"origin": "http://evil.example", "referer": f"http://{HOST}/"}, 403),
        ({"origin": "http://evil.example", "sec-fetch-site": "same-origin"}, 403),
        ({"origin": "http://evil.example", "authorization": "Bearer x"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ([("origin", f"http://{HOST}"), ("origin", "http://evil.example")], 403),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "ANYTHING"])
def test_no_other_site_changes_anything(method: str, headers: Headers, status: int) -> None:
    app = Seen()
    assert ask(Origins(app, LOCAL), method, headers=headers).status == status
    assert len(app.scopes) == (status == 200)


def test_beyond_the_machine_itself_pages_come_by_https() -> None:
    guard = Origins(Seen(), Hosts.of("0.0.0.0", ["plant.example"]))
    for scheme, status in (("https", 200), ("http", 403)):
        answer = ask(guard, "POST", headers={"origin": f"{scheme}://plant.example"}, host="plant.example")
        assert answer.status == status


def test_anybody_may_look_from_a_link_elsewhere() -> None:
    for method in ("GET", "HEAD", "OPTIONS"):
        assert ask(Origins(Seen(), LOCAL), method, headers={"origin": "http://evil.example"}).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        [("content-length", "3"), ("transfer-encoding", "chunked")],
        [("content-length", "3"), ("content-length", "3")],
        [("content-length", "3, 3")],
        [("content-length", "+3")],
        [("content-length", "0x3")],
        [("content-length", "")],
        [("content-length", "9" * 30)],
        [("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")],
        [("transfer-encoding", "gzip, chunked")],
        [("transfer-encoding", "identity")],
    ],
)
def test_a_body_ends_in_one_way(headers: Headers) -> None:
    app = Seen()
    answer = ask(Origins(app, LOCAL), "POST", headers=[*OWN.items(), *headers], body=b"abc")
    assert answer.status == 400
    assert answer.header("connection") == "close"
    assert not app.scopes


def test_a_refusal_is_json_for_programs_and_text_for_people() -> None:
    answer = ask(Origins(Seen(), LOCAL), path="/api/v1/parts", host="evil.example")
    assert answer.header("content-type") == "application/json"
    assert b'{"error": "the station is not reached by this name' in answer.body
    assert ask(Origins(Seen(), LOCAL), host="evil.example").header("content-type") == "text/plain; charset=utf-8"


def test_there_are_no_web_sockets() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(Origins(Seen(), LOCAL)({"type": "websocket", "path": "/", "headers": []}, None, send))  # type: ignore[arg-type]
    assert sent == [{"type": "websocket.close", "code": 1008}]
