"""Addresses, filters, methods and hosts: none is a path, a statement or another site's."""

from __future__ import annotations

from urllib.parse import quote, urlencode

import pytest

from kenpin.station.who.rights import Role
from tests.station.hostile.attacked import FORM, Hostile, address, is_refused, routes

_PATHS = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/station.yaml", "%00", "a%00b", "a" * 20_000,
    quote("\u202egnp.a"), "a%0ab", "a%0d%0aX:%20y", "~root", "%ff%fe", "con", "-1", "0", "9" * 300,
    "9" * 5_000, "1e3", quote("٣"),
    "%F0%9F%92%A5", "'%20OR%201=1--", "{{7*7}}", "%25%32%66", "..;/", "%c0%ae%c0%ae/",
)  # fmt: skip


@pytest.mark.parametrize("bad", _PATHS, ids=lambda bad: bad[:20])
def test_no_address_is_a_path(bad: str, unharmed: Hostile) -> None:
    admin = unharmed.of(Role.ADMIN)
    for place in (
        *(f"/parts/{bad}", f"/parts/{bad}/picture", f"/parts/{bad}/thumbnail", f"/parts/{bad}/layer", f"/static/{bad}"),
        *(f"/learn/jobs/{bad}/log", f"/learn/jobs/{bad}/comparison", f"/{bad}", f"/api/v1/{bad}"),
    ):
        is_refused(admin.ask("GET", place), 400, 404, 405, 422, station=unharmed)
    for place in (f"/review/{bad}", f"/learn/jobs/{bad}/cancel", f"/learn/versions/{bad}"):
        answer = admin.ask("POST", place, urlencode({"say": "pass"}).encode(), FORM)
        assert answer.status in (303, 400, 404, 405, 409, 422), (place, answer.status)
        answer = admin.ask("POST", place, b"say=skip&decision=reject&reason=x", FORM)
        assert answer.status in (303, 400, 404, 405, 409, 422), (place, answer.status)


@pytest.mark.parametrize(
    "name", ["product", "lot", "label", "person", "since", "score_from", "before", "days", "verdict"]
)
def test_a_filter_is_a_text(name: str, unharmed: Hostile) -> None:
    admin = unharmed.of(Role.ADMIN)
    for bad in (
        "\x00",
        "' OR 1=1 --",
        "../x",
        "a" * 8_000,
        "\u202e",
        "nan",
        "inf",
        "-1e999",
        "9" * 400,
        "0001-01-01",
        "%",
    ):
        for page in ("/parts", "/parts.csv", "/parts.parquet", "/quality", "/line"):
            answer = admin.ask("GET", page, query={name: bad})
            assert answer.status in (200, 400), (page, bad, answer.text[:300])
            if answer.status == 400:
                is_refused(answer, 400, station=unharmed)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "PROPFIND", "HEAD", "OPTIONS"])
def test_no_other_method_does_anything(method: str, unharmed: Hostile) -> None:
    for _, path in routes():
        caller = unharmed.of(Role.ADMIN)
        answer = caller.ask(method, address(path, unharmed))
        assert answer.status in (400, 401, 404, 405), (method, path, answer.status)
        caller.close()


@pytest.mark.parametrize(
    ("host", "status"),
    [("evil.example", 421), ("localhost.evil.example", 421), ("127.0.0.1.evil.example", 421), ("evil@127.0.0.1", 400),
     ("127.0.0.1:999999", 400), ("", 400), ("127.0.0.1/evil", 400), ("0x7f000001", 421), ("[::ffff:127.0.0.1]", 421)],
)  # fmt: skip
def test_the_station_has_no_other_name(host: str, status: int, unharmed: Hostile) -> None:
    for method, path in (("GET", "/line"), ("POST", "/sign-in"), ("GET", "/api/v1/openapi.json")):
        is_refused(unharmed.caller(Host=host).ask(method, path), status, station=unharmed)
